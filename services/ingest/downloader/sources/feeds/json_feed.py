"""JSON Feed 1.0 and 1.1: the episodes of a page. Runs in a child process; all that it reads is of any type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.downloader.sources import about
from ingest.downloader.sources.announced import announced, text_in
from ingest.downloader.sources.feeds.items import bare_links, is_media
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from ingest.downloader.sources.announced import Announcement


@dataclass(frozen=True)
class Entry:
    """An item of a JSON feed: its identifier, the addresses of its media, and what the feed announces."""

    guid: str
    addresses: list[str]
    announced: Announcement


@dataclass(frozen=True)
class JsonPage:
    """The entries of a page, and the address of the next one."""

    entries: list[Entry]
    next_url: str


def parsed(data: bytes) -> JsonPage:
    """Return what is on a page; raise NO_MEDIA_FOUND where it is no JSON."""
    try:
        page = _fields(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise IngestError(Code.NO_MEDIA_FOUND, f"the JSON feed cannot be read: {shorten(str(error), 200)}") from error
    items = page.get("items")
    entries = [_entry(_fields(item), page) for item in (items if isinstance(items, list) else [])]
    return JsonPage(entries, text_in(page.get("next_url")))


def _entry(item: dict[str, Any], page: dict[str, Any]) -> Entry:
    listed = item.get("attachments")
    attachments = [
        one
        for one in map(_fields, listed if isinstance(listed, list) else [])
        if is_media(text_in(one.get("url")), text_in(one.get("mime_type")), "")
    ]
    said = text_in(item.get("date_published"))
    found = announced(
        title=item.get("title"),
        channel=page.get("title"),
        published_at=_moment(said),
        has_date=bool(said),
        duration_s=_seconds(attachments[0].get("duration_in_seconds")) if attachments else None,
        language=item.get("language") or page.get("language"),
    ).saying(about.in_item(item))
    links = bare_links(text_in(item.get("url")), text_in(item.get("external_url")))[:1]
    return Entry(text_in(item.get("id")), [text_in(one["url"]) for one in attachments] or links, found)


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(said: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _seconds(said: object) -> float | None:
    return float(said) if isinstance(said, int | float) and 0 < said < 10**9 else None
