"""Podcast and RSS feeds, downloaded and parsed in a child process (`feeds/`), and what leads to them.

The episodes of a feed are media files at web addresses, so `media` checks and fetches them. A page leads to the feed
that it names, a list (OPML, a playlist) to further sources.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

from ingest.downloader.sources import media
from ingest.downloader.sources.connector import (
    Recording,
    derived_id,
    each_valid,
    listing_limits,
    source_of,
    web_address,
)
from ingest.downloader.sources.feeds import items, reader
from ingest.downloader.sources.feeds.found import SourceList
from ingest.shared.captions import PublishedTranscript
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import SourceKind
from ingest.shared.sandbox import child
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.feeds.found import FeedItem, FeedListing
    from ingest.downloader.sources.listing import Listing


def recognises(text: str) -> bool:
    """Return whether a text is a web address: only a request shows whether it is that of a feed."""
    return web_address(text) is not None


def list_recordings(text: str, settings: DownloaderSettings, listing: Listing) -> Iterator[Recording]:
    """Yield the episodes of a feed; for another address, the one recording there."""
    url = urldefrag(text).url
    args = (url, settings.socket_timeout_s, settings.user_agent)
    found = child.run(reader.read_feed, args, listing_limits(settings))
    if found is None:
        yield media.recording_at(url)
        return
    listing.merge(found.left_out)
    if isinstance(found, SourceList):
        listing.further.extend(found.addresses)
        return
    if found.address is not None:
        listing.notes.append(f"{url} names the feed {found.address}, which was taken")
    yield from episodes(found.address or url, found, listing)


def episodes(feed_url: str, found: FeedListing, listing: Listing) -> Iterator[Recording]:
    """Yield the recordings of a feed; an item that is none, or is there twice, is left out."""
    repeated = items.repeated((item.guid, item.media_url) for item in found.items if item.guid)
    unique: dict[tuple[str, str], FeedItem] = {}
    for item in found.items:
        if unique.setdefault((item.guid, item.media_url), item) is not item:
            listing.leave_out(reader.TWICE, item.announced.metadata.title or item.media_url)
    yield from each_valid(
        partial(_episode, feed_url, repeated),
        unique.values(),
        lambda item, error: listing.leave_out(f"{error.code}: an invalid address", item.media_url),
    )


def _episode(feed_url: str, repeated: frozenset[str], item: FeedItem) -> Recording:
    try:
        url = items.with_login(item.media_url, feed_url)
    except ValueError as error:
        raise IngestError(Code.BAD_URL, f"{shorten(item.media_url, 100)!r}: {error}") from error
    source = source_of(SourceKind.MEDIA, url)
    found, transcripts = item.announced, tuple(_transcripts(item, feed_url))
    if not item.guid:
        video_id = derived_id("feed", item.media_url)
        return Recording(video_id, source, found.metadata, found.cut, transcripts=transcripts)
    feed = urlsplit(feed_url)
    guid, earlier_id = item.guid, None
    if guid in repeated:
        guid, earlier_id = f"{guid}|{item.media_url}", derived_id("feed", f"{feed.hostname}|{guid}")
    video_id = derived_id("feed", f"{feed.hostname}|{guid}")
    other_id = derived_id("feed", f"{feed.hostname}{feed.path}?{feed.query}|{guid}")
    return Recording(video_id, source, found.metadata, found.cut, other_id, earlier_id, transcripts)


def _transcripts(item: FeedItem, feed_url: str) -> Iterator[PublishedTranscript]:
    """Yield the transcripts of an episode at web addresses, with the login of their feed where they are beside it."""
    for one in item.transcripts:
        with suppress(ValueError):
            address = items.with_login(one.address, feed_url)
            if web_address(address) is not None:
                yield PublishedTranscript(address=address, media_type=one.media_type, language=one.language)


CONNECTOR = replace(media.CONNECTOR, recognises=recognises, list=list_recordings)
