"""What the child process finds at the address of a feed, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.downloader.sources.announced import Announcement  # noqa: TC001 (the boundary of a child reads it)
from ingest.downloader.sources.listing import LeftOut  # noqa: TC001 (the same)
from ingest.shared.captions import PublishedTranscript  # noqa: TC001 (the same)


@dataclass(frozen=True)
class FeedItem:
    """An episode: its identifier (may be empty), the absolute address of its audio, and what the feed announces.

    `transcripts` are those that the feed names for it.
    """

    guid: str
    media_url: str
    announced: Announcement
    transcripts: list[PublishedTranscript] = field(default_factory=list)


@dataclass(frozen=True)
class FeedListing:
    """The episodes of all pages of a feed, and what was left out, by reason.

    `address` is that of the feed, where a page names it.
    """

    items: list[FeedItem]
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    address: str | None = None


@dataclass(frozen=True)
class SourceList:
    """The addresses in a list of feeds (OPML) or of media (a playlist), and what was left out of it, by reason."""

    addresses: list[str]
    left_out: dict[str, LeftOut] = field(default_factory=dict)
