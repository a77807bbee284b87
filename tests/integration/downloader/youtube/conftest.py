"""Fixtures: YouTube on the loopback, four proxies that lead to it, and the file of exits that names them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.exits import exits
from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.connector import Access, SiteOptions
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.settings import load
from ingest.shared.telemetry import logs
from tests.integration.bad_inputs.recordings import encoded, tone
from tests.support import proxies, youtube_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.downloader.exits import Exit
    from tests.support.proxies import Proxy
    from tests.support.youtube_site import YouTube

ACCOUNT = "sid-of-the-account"
LOGINS = (("anna", "pass-of-anna"), ("boris", "pass-of-boris"), ("clara", "pass-of-clara"), ("dora", "pass-of-dora"))
SCHEMES = ("http", "socks5h", "http", "socks5h")
WITH_ACCOUNT = 4  # the number of the exit that has one
OPTIONS = SiteOptions(
    ("youtube.*",), socket_timeout_s=10.0, max_bytes=400_000, site_pause_s=3600.0, between_requests_s=0.0
)
SECRETS = (*(part for login in LOGINS for part in login), ACCOUNT)


@dataclass(frozen=True)
class Ways:
    """The proxies, the file that names them as exits, and the exits."""

    proxies: tuple[Proxy, ...]
    file: Path
    exits: tuple[Exit, ...]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    youtube_site.make_certificates(program("openssl", "openssl"), folder)
    return folder


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A recording of two seconds."""
    return encoded(tmp_path_factory.mktemp("media") / "talk.webm", "libopus", tone(2.0)).read_bytes()


@pytest.fixture
def youtube(certificates: Path, media: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[YouTube]:
    """The site, whose authority yt-dlp trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.crt"))
    with youtube_site.running(certificates, media) as site:
        yield site


@pytest.fixture
def ways(youtube: YouTube, tmp_path: Path) -> Iterator[Ways]:
    """Two HTTP and two SOCKS5 proxies, each with a login and an address of its own; the last exit has an account."""
    (tmp_path / "second.txt").write_text(youtube_site.cookies(ACCOUNT))
    with ExitStack() as running:
        found = tuple(
            running.enter_context(proxies.running(scheme, youtube.leads, login, f"127.0.1.{number}"))
            for number, (scheme, login) in enumerate(zip(SCHEMES, LOGINS, strict=True), 1)
        )
        file = tmp_path / "exits"
        file.write_text("\n".join(proxy.address() for proxy in found) + " cookies=second.txt\n")
        yield Ways(found, file, exits(load(DownloaderSettings, site_proxies=file)))


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file to which all lines of the log go."""
    file = tmp_path / "log"
    with file.open("w", buffering=1) as stream:
        with monkeypatch.context() as only:
            only.setattr(sys, "stderr", stream)
            logs.configure(json_lines=True, level="DEBUG")
        yield file
        logs.configure(json_lines=True)


@pytest.fixture
def access() -> Access:
    """What a connector may use, without an exit: it allows no private address."""
    return Access(OPTIONS, ChildLimits(60.0, memory_bytes=0, network=True))
