"""PO tokens: the plugin of yt-dlp and its provider; other plugins are not loaded."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import yt_dlp.globals

from ingest.downloader.pot_provider import fits, plugin_version, server_version
from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.connector import Access
from ingest.downloader.sources.media import generic
from ingest.downloader.sources.session import POT_KEY, POT_PLUGIN, arguments, session
from ingest.downloader.sources.youtube import engine_limits
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.settings import load
from tests.support.http_servers import serving
from tests.unit.downloader.sources.test_session import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDER = "http://127.0.0.1:4416"


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with plugins, in an environment in which yt-dlp has loaded none yet."""
    folder = tmp_path / "yt_dlp_plugins" / "extractor"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(yt_dlp.globals.all_plugins_loaded, "value", False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("yt_dlp_plugins")]:
        del sys.modules[name]


def test_a_plugin_of_the_environment_is_not_loaded(plugins: Path) -> None:
    (plugins / "foreign.py").write_text("raise SystemExit")
    with session(OPTIONS):
        pass
    assert not [name for name in sys.modules if name.endswith("foreign")]


def test_with_a_provider_its_plugin_alone_is_loaded(plugins: Path) -> None:
    (plugins / "foreign.py").write_text("raise SystemExit")
    options = replace(OPTIONS, pot_provider=PROVIDER, extractor_args="youtube:player_client=mweb")
    (plugins / "getpot_bgutil_http.py").write_text("raise ImportError")
    with pytest.raises(IngestError, match=r"pip install 'ingest\[youtube\]'"):
        session(options)
    (plugins / "getpot_bgutil_http.py").write_text("LOADED = True")
    with session(options) as site:
        assert site.params["extractor_args"] == {
            "youtube": {"player_client": ["mweb"]},
            POT_KEY: {"base_url": [PROVIDER]},
        }
    assert POT_PLUGIN in sys.modules
    assert not [name for name in sys.modules if name.endswith("foreign")]


def test_only_youtube_gets_the_arguments_and_reaches_the_provider() -> None:
    options = replace(OPTIONS, pot_provider=PROVIDER, extractor_args="youtube:player_client=mweb")
    with session(generic(options)) as site:
        assert "extractor_args" not in site.params
    assert engine_limits(Access(options, ChildLimits(1.0))).endpoints == ("127.0.0.1:4416",)
    assert engine_limits(Access(OPTIONS, ChildLimits(1.0))).endpoints == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", {}, id="none"),
        pytest.param(
            "youtube:player_client=default,-tv;fetch_pot=always\n youtubetab:skip=webpage",
            {
                "youtube": {"player_client": ["default", "-tv"], "fetch_pot": ["always"]},
                "youtubetab": {"skip": ["webpage"]},
            },
            id="two extractors",
        ),
    ],
)
def test_arguments_are_read_as_yt_dlp_reads_them(text: str, found: dict[str, dict[str, list[str]]]) -> None:
    assert arguments(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("youtube", "should be IE_KEY:ARGS", id="no arguments"),
        pytest.param("--exec rm", "should be IE_KEY:ARGS", id="another option"),
        pytest.param("vimeo:client=web", "'vimeo' is no extractor of YouTube", id="another site"),
        pytest.param("youtube:player_client=mwep", "has no client 'mwep'; it has .*mweb", id="a client misspelt"),
    ],
)
def test_a_mistake_in_the_arguments_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"INGEST_YOUTUBE_EXTRACTOR_ARGS: .*{said}"):
        arguments(text)


@pytest.mark.parametrize(
    "text", ["127.0.0.1:4416", "https://provider:1", "http://u:p@host:1", "http://host", "http://h:1/x"]
)
def test_an_address_of_a_provider_has_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ConfigurationError, match="INGEST_YOUTUBE_POT_PROVIDER"):
        load(DownloaderSettings, youtube_pot_provider=text)


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server with one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ping" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_the_provider_says_its_version_which_is_compared_with_that_of_the_plugin() -> None:
    with answering(b'{"server_uptime": 3.5, "version": "2.0.1"}') as address:
        version = server_version(address)
    assert version == "2.0.1"
    assert fits("2.0.2", version)
    assert not fits("2.0.2", "1.3.1")


@pytest.mark.parametrize("body", [b"", b"[]", b"hello", b'{"version": ', b"null", b"[" * 9000])
def test_another_server_is_no_provider(body: bytes) -> None:
    with answering(body) as address, pytest.raises(ConfigurationError, match="is no provider of PO tokens"):
        server_version(address)


def test_a_provider_that_is_away_and_a_plugin_that_is_missing_are_named() -> None:
    with answering(b"") as address:
        pass
    with pytest.raises(ConfigurationError, match="does not answer"):
        server_version(address)
    try:
        assert plugin_version()
    except ConfigurationError as error:
        assert "pip install 'ingest[youtube]'" in str(error)  # noqa: PT017 (the plugin may be there)
