"""Lists of sources: of feeds (OPML, as podcast applications export their subscriptions), of media (m3u, pls).

Runs in a child process. Entries are addresses of the web; those of a local playlist may also be files.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ingest.downloader.sources.feeds.forms import LARGEST_BYTES, Form, form_of
from ingest.downloader.sources.feeds.found import SourceList
from ingest.downloader.sources.feeds.tags import start_tags
from ingest.downloader.sources.feeds.text import as_utf8
from ingest.downloader.sources.file_address import path_of
from ingest.downloader.sources.listing import Listing
from ingest.shared.bounds import LONGEST_ADDRESS
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import is_media_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.sandbox.child import Reporter

MOST_SOURCES = 2000
TWICE = "entry that the list has twice"
OTHER = "entry of a list that is no web address"
NO_MEDIA = "entry of a list that is no media file"
PLS_ENTRY = re.compile(r"file\d+\s*=\s*(.*)", re.IGNORECASE)
WEB = ("http://", "https://")


def read_list(_report: Reporter, path: str) -> SourceList:
    """Return the addresses and paths in a local list."""
    with Path(path).open("rb") as file:
        data = as_utf8(file.read(LARGEST_BYTES[Form.OPML] + 1))
    if len(data) > LARGEST_BYTES[Form.OPML]:
        raise IngestError(Code.TOO_LARGE, f"the list is larger than {LARGEST_BYTES[Form.OPML] >> 20} MiB")
    form = form_of(data, is_playlist=Path(path).suffix.lower() != ".opml")
    if form not in (Form.OPML, Form.PLAYLIST):
        raise IngestError(Code.BAD_URL, f"{Path(path).name} is no list of feeds or media")
    return sources_in(data, form, folder=Path(path).parent)


def sources_in(data: bytes, form: Form, *, base: str = "", folder: Path | None = None) -> SourceList:
    """Return the sources in a list: of a page at `base`, or of a file in `folder`; raise NO_MEDIA_FOUND for none."""
    account, found = Listing(), dict[str, None]()
    for entry in _entries(data.decode(errors="replace"), form):
        source = _source(entry, form, base, folder)
        if source is None:
            account.leave_out(OTHER if folder is None or form is Form.OPML else NO_MEDIA, entry)
        elif source in found:
            account.leave_out(TWICE, entry)
        elif len(found) >= MOST_SOURCES:
            account.leave_out(f"after the first {MOST_SOURCES} entries of a list")
        else:
            found[source] = None
    if not found:
        raise IngestError(Code.NO_MEDIA_FOUND, f"the {form} has no addresses")
    return SourceList(list(found), account.left_out)


def _entries(text: str, form: Form) -> Iterator[str]:
    if form is Form.OPML:
        outlines = _Outlines()
        outlines.feed(start_tags(text, "outline"))
        yield from outlines.addresses
        return
    is_pls = text.lstrip("\ufeff \r\n\t").lower().startswith("[playlist]")
    for line in map(str.strip, text.lstrip("\ufeff").splitlines()):
        if is_pls:
            if named := PLS_ENTRY.fullmatch(line):
                yield named[1]
        elif line and not line.startswith("#"):
            yield line


def _source(entry: str, form: Form, base: str, folder: Path | None) -> str | None:
    """Return the source that an entry names, or None for none."""
    if len(entry) > LONGEST_ADDRESS:
        return None
    try:
        address = urljoin(base, entry) if form is Form.PLAYLIST else entry
    except ValueError:
        return None
    if address.lower().startswith(WEB):
        return address
    if folder is None or form is Form.OPML or "\0" in path_of(entry):
        return None
    path = folder / path_of(entry)
    return str(path) if is_media_file(path) else None


class _Outlines(HTMLParser):
    """Collects the addresses of feeds in OPML; lenient, as exports of applications are not always well-formed."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of a feed."""
        address = dict(attrs).get("xmlurl")
        if tag == "outline" and address and address.strip():
            self.addresses.append(re.sub(r"^(?:feed|itpc|pcast):(?://)?(?=https?://)", "", address.strip()))
