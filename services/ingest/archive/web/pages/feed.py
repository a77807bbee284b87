"""The feeds: RSS of the latest recordings, or of the answers to a question, for any state of the search page.

An item is a recording. Its guid is the id of the recording, so that a reader shows it once. Addresses begin with the
host under which the feed was asked for; tokens are in none of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ingest.archive.web import audio, inputs
from ingest.archive.web.library import API
from ingest.archive.web.pages.states import SearchPage, address, grouped, page_of
from ingest.archive.web.problems import NO_AUDIO, ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from ingest.archive.web.audio import KeptAudio
    from ingest.archive.web.library import Library

PATH = "/feed.xml"
MEDIA_TYPE = "application/rss+xml; charset=utf-8"
TRANSCRIPTS = (("vtt", "text/vtt"), ("podcast", "application/json"), ("srt", "application/x-subrip"))
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class FeedInput(SearchPage):
    """The state of the search page that a feed is about."""

    limit: Annotated[int, Field(ge=1, le=inputs.MOST_RESULTS)] = inputs.MOST_RESULTS
    """At most this many recordings; of a question, this many passages."""


@dataclass(frozen=True)
class Item:
    """A recording in a feed: `path` leads to its page, `text` is a passage of it."""

    recording: str
    title: str
    path: str
    published_at: datetime | None
    duration_s: float | None
    text: str
    persons: tuple[str, ...]
    enclosure: KeptAudio | None

    @property
    def date(self) -> str | None:
        """Return the date of publication, as RFC 822 writes it."""
        return format_datetime(self.published_at) if self.published_at else None

    @property
    def audio(self) -> str:
        """Return the path of the audio."""
        return f"{API}/recordings/{self.recording}/audio"

    @property
    def transcripts(self) -> list[tuple[str, str]]:
        """Return path and media type of each form of the transcript."""
        path = f"{API}/recordings/{self.recording}/export?format="
        return [(path + name, media_type) for name, media_type in TRANSCRIPTS]


@dataclass(frozen=True)
class Feed:
    """A feed; `path` is that of its page."""

    title: str
    path: str
    own_path: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class _Entry:
    """What a feed says of a recording, before the audio and the persons are looked up."""

    recording: str
    title: str | None
    path: str
    published_at: datetime | None
    text: str


def feed(library: Library, asked: FeedInput) -> Feed:
    """Return the feed of a state of the search page."""
    entries = _answers(library, asked) if asked.q else _latest(library, asked)
    found = library.reading.spoken_in([entry.recording for entry in entries])
    items = [
        Item(
            recording=entry.recording,
            title=xml_text(entry.title or entry.recording),
            path=entry.path,
            published_at=entry.published_at,
            duration_s=found[entry.recording].duration_s,
            text=xml_text(entry.text or found[entry.recording].opening),
            persons=tuple(map(xml_text, found[entry.recording].speakers)),
            enclosure=_enclosure(library, entry.recording),
        )
        for entry in entries
        if entry.recording in found  # it was not erased meanwhile
    ]
    path = address("/" if asked.q else "/recordings", asked, limit=None, **({} if asked.q else {"recording": None}))
    return Feed(xml_text(_title(asked)), path, address(PATH, asked), tuple(items))


def xml_text(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("", text)


def _title(asked: FeedInput) -> str:
    limits = (asked.channel, asked.speaker, asked.language, asked.recording)
    return ", ".join([part for part in (asked.q, *limits) if part]) or "All recordings"


def _answers(library: Library, asked: FeedInput) -> list[_Entry]:
    """Return the recordings that answer a question, the latest first."""
    hits = library.search(inputs.SearchInput.model_validate(asked.model_dump(by_alias=True))).results
    best = [group.best for group in grouped(hits)]
    best.sort(key=lambda hit: hit.published_at.timestamp() if hit.published_at else 0.0, reverse=True)
    return [
        _Entry(
            hit.recording,
            hit.title,
            address(hit.page.partition("?")[0], page_of(hit, asked.q)),
            hit.published_at,
            hit.text,
        )
        for hit in best
    ]


def _latest(library: Library, asked: FeedInput) -> list[_Entry]:
    """Return the latest searchable recordings."""
    filters = asked.model_dump(by_alias=True, include=set(inputs.Filters.model_fields))
    listed = inputs.check(inputs.RecordingsInput, {**filters, "state": "indexed", "limit": asked.limit})
    rows = (library.recording(asked.recording),) if asked.recording else library.recordings(listed).recordings
    return [_Entry(row.id, row.title, row.page, row.published_at, "") for row in rows]


def _enclosure(library: Library, recording: str) -> KeptAudio | None:
    try:
        return audio.find(library.volume, recording)
    except ProblemError as problem:
        if problem.kind is not NO_AUDIO:
            raise
        return None
