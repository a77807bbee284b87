"""All source types: the connector of a text that a user typed, and the connector of a source in a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.downloader.sources import feed, file, media, youtube
from ingest.downloader.sources.listing import Listing
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.connector import Connector, Recording
    from ingest.shared.messages import SourceKind

CONNECTORS: tuple[Connector, ...] = (  # the first that recognises a text lists it: special types before general ones
    file.CONNECTOR,
    youtube.CONNECTOR,
    media.CONNECTOR,
    feed.CONNECTOR,
)


def connector_of(kind: SourceKind) -> Connector:
    """Return the connector that checks and fetches sources of a kind."""
    return next(connector for connector in CONNECTORS if connector.kind is kind)


NESTED = "entry of a list within a list"
SUBSCRIPTION = re.compile(r"^(?:feed|itpc|pcast|podcast):(?://)?(?P<scheme>https?://)?", re.IGNORECASE)
HOST_ALONE = re.compile(
    r"(?:www\.[^/\s]+|(?:[\w-]+\.)+(?:com|edu|fm|net|org|tv))(?::\d+)?(?:/|$)|(?:[\w-]+\.)+[a-z]{2}(?::\d+)?/",
    re.IGNORECASE,
)
HANDLE = re.compile(r"@[\w.·-]{3,30}(?:/\w+)?")  # of a channel of YouTube


def recordings(text: str, settings: DownloaderSettings, listing: Listing | None = None) -> Iterator[Recording]:
    """Yield the recordings of a source (a channel page by page); raise BAD_URL when no connector recognises the text.

    What is left out goes into the account of the `listing`. Of a list of sources, these are the recordings of all its
    entries: one that cannot be read hides none of the others.
    """
    listing = listing or Listing()
    yield from _recordings(text, settings, listing)
    sources, listing.further[:] = tuple(listing.further), ()
    for source in sources:
        try:
            yield from _recordings(source, settings, listing)
        except IngestError as error:
            listing.fail(source, error)
        for nested in listing.further:
            listing.leave_out(NESTED, nested)
        listing.further.clear()


def _recordings(text: str, settings: DownloaderSettings, listing: Listing) -> Iterator[Recording]:
    """Yield the recordings of one source."""
    if not text.strip():
        raise IngestError(Code.BAD_URL, "the source is empty: is a variable of your shell not set?")
    for source in (text, SUBSCRIPTION.sub(_address, text)):  # a file may be named `podcast: one.mp3`
        for connector in CONNECTORS:
            if connector.recognises(source):
                yield from connector.list(source, settings, listing)
                return
    meant = f": did you mean {address}?" if (address := _meant(text)) else ""
    raise IngestError(
        Code.BAD_URL, f"{shorten(text)!r} is neither a web address nor a YouTube id nor an existing file{meant}"
    )


def _meant(text: str) -> str | None:
    """Return the web address that a text without scheme may stand for."""
    if HANDLE.fullmatch(text):
        return f"https://www.youtube.com/{text}"
    return f"https://{shorten(text)}" if HOST_ALONE.match(text) else None


def _address(subscription: re.Match[str]) -> str:
    """Return the beginning of the web address of a feed; the link of an application may leave out its scheme."""
    return subscription["scheme"] or "http://"
