"""PO tokens: the real extractor and the real plugin, with a stand-in for the provider."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from ingest.downloader.pot_provider import PLUGIN, server_version
from ingest.downloader.sources import youtube as connector
from ingest.shared.errors import Code, IngestError
from tests.integration.downloader.youtube.test_extractor import SOURCE, VIDEO
from tests.support.http_servers import serving
from tests.support.youtube_site import CHALLENGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.downloader.sources.connector import Access
    from tests.integration.downloader.youtube.conftest import Ways
    from tests.support.youtube_site import YouTube

TOKEN = base64.urlsafe_b64encode(b"a token of the provider").decode()


@dataclass
class Provider:
    """The requests for tokens that a provider got, and its version."""

    address: str
    version: str
    asked: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def version() -> str:
    """The version of the plugin; without it the test is skipped, but in CI, which installs it, fails."""
    try:
        return metadata.version(PLUGIN)
    except metadata.PackageNotFoundError:
        reason = f"needs {PLUGIN}: make setup"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)


@pytest.fixture
def provider(version: str) -> Iterator[Provider]:
    """A provider of tokens on the loopback, as the plugin asks it: GET /ping, POST /get_pot."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({"server_uptime": 1.0, "version": found.version} if self.path == "/ping" else {})

        def do_POST(self) -> None:
            found.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.reply({"poToken": TOKEN} if self.path == "/get_pot" else {})

        def reply(self, content: dict[str, Any]) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Provider(f"http://127.0.0.1:{server.server_port}", version)
    with serving(server):
        yield found


def with_tokens(access: Access, provider: Provider) -> Access:
    """Ask as `mweb`, whose media need a token."""
    options = replace(access.options, extractor_args="youtube:player_client=mweb", pot_provider=provider.address)
    return replace(access, options=options)


def test_media_that_need_a_token_are_given_for_that_of_the_provider(
    youtube: YouTube, ways: Ways, access: Access, provider: Provider, tmp_path: Path
) -> None:
    """The provider asks YouTube from the exit's address too: it is given the proxy."""
    youtube.rules.tokens = {TOKEN}
    folder = tmp_path / "download"
    folder.mkdir()
    connector.fetch(SOURCE, folder, with_tokens(access, provider).through(ways.exits[0]), None)
    assert [one.video_id for one in youtube.given] == [VIDEO]
    (asked,) = provider.asked
    assert (asked["proxy"], asked["challenge"]) == (ways.exits[0].proxy, CHALLENGE)
    assert server_version(provider.address) == provider.version


def test_a_provider_of_another_version_gives_no_token_and_the_recording_is_not_at_fault(
    youtube: YouTube, ways: Ways, access: Access, provider: Provider
) -> None:
    youtube.rules.tokens = {TOKEN}
    provider.version = "1.3.1"
    with pytest.raises(IngestError) as caught:
        connector.check(SOURCE, with_tokens(access, provider).through(ways.exits[0]))
    assert caught.value.code is Code.SITE_CHANGED
    assert provider.asked == []
