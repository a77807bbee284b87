"""An authority of a company (SSL_CERT_FILE, REQUESTS_CA_BUNDLE) is trusted by all that reaches the outside."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import close_session, get_session

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.connector import site_options
from ingest.downloader.sources.media import generic
from ingest.downloader.sources.registry import recordings
from ingest.downloader.sources.session import session
from ingest.shared.homes import s3
from ingest.shared.homes.cache import Cache
from ingest.shared.settings import load
from tests.support.certificates import make_authority, sign
from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FEED = '<rss version="2.0"><channel><item><enclosure url="1.ogg" type="audio/ogg"/></item></channel></rss>'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]) -> Path:
    """A folder with an authority, and with a certificate of a server that it has signed."""
    folder = tmp_path_factory.mktemp("authority")
    openssl = program("openssl", "openssl")
    make_authority(openssl, folder)
    sign(openssl, folder, "server", "IP:127.0.0.1")
    return folder


@pytest.fixture(scope="module")
def url(authority: Path) -> Iterator[str]:
    """The address of a server that answers everything with a feed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in (("ETag", '"1"'), ("Last-Modified", self.date_time_string())):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(FEED)))
            self.end_headers()
            self.wfile.write(FEED.encode())

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.crt", authority / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield f"https://127.0.0.1:{server.server_port}"


def feed(url: str, _folder: Path) -> bytes:
    settings = load(DownloaderSettings, allowed_hosts="127.0.0.1", socket_timeout_s=5.0)
    (found,) = recordings(f"{url}/feed.xml", settings)
    assert found.source.url == f"{url}/1.ogg"
    return FEED.encode()


def media(url: str, _folder: Path) -> bytes:
    with session(generic(site_options(load(DownloaderSettings)))) as site:
        answer: bytes = site.urlopen(f"{url}/1.ogg").read()
    return answer


def hub(url: str, _folder: Path) -> bytes:
    close_session()
    try:
        return get_session().get(url).content
    finally:
        close_session()


def store(url: str, folder: Path) -> bytes | None:
    bucket = s3.Bucket("b", endpoint=url, access_key="a", secret_key="b")  # noqa: S106 (nobody asks for it)
    return s3.S3Home(bucket, Cache(folder / "cache", 1 << 20)).get("name", 1 << 20)


@pytest.mark.parametrize("ask", [feed, media, hub, store], ids=lambda ask: ask.__name__)
def test_all_that_reach_the_outside_trust_the_authority_of_the_environment_and_no_unknown_one(
    authority: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[str, Path], bytes | None]
) -> None:
    monkeypatch.setattr(s3, "RETRIES", 0)
    with pytest.raises(Exception, match=r"(?i)certificate|error sending request|not available|reach"):
        ask(url, tmp_path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority / "ca.crt"))
    assert ask(url, tmp_path) == FEED.encode()
