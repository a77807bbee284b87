"""The transfer of feeds, and of what leads to them: bounded, and ended as soon as the bytes are something else."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import requests

from ingest.downloader import web
from ingest.downloader.sources.feeds.forms import (
    LARGEST_BYTES,
    Form,
    form_of,
    has_no_feed,
    may_become_form,
    names_playlist,
)
from ingest.downloader.sources.feeds.text import as_utf8
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import network
from ingest.shared.text import shorten

BLOCK_BYTES = 1 << 16
REFUSALS = {
    401: "it requires a login: submit https://NAME:PASSWORD@host/...",
    403: "it refuses this program: INGEST_USER_AGENT sets another name",
    404: "there is nothing: look for its new address",
    410: "it was closed for good: look for its new address",
    429: "too many requests: try again later",
}
GZIP = b"\x1f\x8b"
GZIP_WINDOW = 31  # zlib's number for a gzip file


@dataclass(frozen=True)
class Page:
    """The data of a page, its address after redirects, and its form."""

    address: str
    data: bytes
    form: Form = Form.FEED


def download(url: str, timeout_s: float, user_agent: str, left_bytes: int) -> Page | None:
    """Return what is at an address; None as soon as the first bytes have no form that leads to episodes."""
    try:
        with web.Session(user_agent) as session, session.get(url, timeout=timeout_s, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise IngestError(Code.SOURCE_UNAVAILABLE, _refusal(response.status_code, url))
            return _received(response, left_bytes)
    except requests.exceptions.InvalidSchema as error:  # a redirect to a file
        raise IngestError(Code.URL_NOT_ALLOWED, shorten(f"{url}: {error}")) from error
    except ValueError as error:  # requests and urllib3 raise it for an impossible host or port
        raise IngestError(Code.BAD_URL, shorten(f"{url}: {error}")) from error
    except requests.RequestException as error:
        if network.refused():
            private = network.refused()[0]
            text = f"leads to the private address {private}; host not on allow-list (INGEST_ALLOWED_HOSTS)"
            raise IngestError(Code.URL_NOT_ALLOWED, text) from error
        raise IngestError(Code.NETWORK_ERROR, shorten(f"{url}: {error}")) from error


def _refusal(status: int, url: str) -> str:
    said = f"HTTP {status} at {url}"
    return f"{said} ({REFUSALS[status]})" if status in REFUSALS else said


def _received(response: requests.Response, left_bytes: int) -> Page | None:
    address, body, form = str(response.url), Body(left_bytes), None
    is_playlist = names_playlist(address, response.headers.get("Content-Type", ""))
    for block in response.iter_content(BLOCK_BYTES):
        body.add(block)
        form = form_of(body.data, is_playlist=is_playlist)
        if form is None and not may_become_form(body.data):
            return None
        if form is Form.PAGE and (has_no_feed(body.data) or len(body.data) > LARGEST_BYTES[form]):
            break
        if form is not None and len(body.data) > LARGEST_BYTES[form]:
            raise IngestError(Code.TOO_LARGE, f"the {form} is larger than {LARGEST_BYTES[form] >> 20} MiB")
    if form is None or (form is Form.PAGE and has_no_feed(body.data)):
        return None
    return Page(address, as_utf8(bytes(body.data)), form)


class Body:
    """The bytes of a page, unpacked where they are those of a gzip file (`feed.xml.gz`)."""

    def __init__(self, most_bytes: int) -> None:
        self.data = bytearray()
        self._most_bytes = most_bytes
        self._unpack: zlib._Decompress | None = None
        self._has_begun = False

    def add(self, block: bytes) -> None:
        """Add the next block; raise TOO_LARGE when there are more bytes than may be."""
        if not self._has_begun and block.startswith(GZIP):
            self._unpack = zlib.decompressobj(GZIP_WINDOW)
        self._has_begun = True
        if self._unpack is not None:
            try:
                block = self._unpack.decompress(block, self._most_bytes - len(self.data) + 1)
            except zlib.error as error:
                raise IngestError(Code.NO_MEDIA_FOUND, f"the gzip file of the feed is damaged: {error}") from error
        self.data += block
        if len(self.data) > self._most_bytes:
            raise IngestError(Code.TOO_LARGE, f"the feed is larger than {LARGEST_BYTES[Form.FEED] >> 20} MiB")
