"""Targets that read text: feeds, listings, messages, dead letters, answers of child processes."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from ingest.cli.find.status import held_until
from ingest.cli.upkeep import dead
from ingest.downloader.captions import cues
from ingest.downloader.exits import YOUTUBE
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import Budget
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.downloader.sources import feed, ytdlp
from ingest.downloader.sources.feeds import reader
from ingest.downloader.sources.feeds.forms import Form, form_of
from ingest.downloader.sources.feeds.links import feeds_of
from ingest.downloader.sources.feeds.lists import sources_in
from ingest.downloader.sources.feeds.text import as_utf8
from ingest.downloader.sources.feeds.transfer import Page
from ingest.downloader.sources.listing import Listing
from ingest.shared.artifacts.captions import Captions, Cue, transcript
from ingest.shared.artifacts.transcript import Transcript
from ingest.shared.broker.bus import Entry
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import DeadLetter, Event, Message, VideoRequested, decode, encode
from ingest.shared.pipeline import PIPELINE
from ingest.shared.sandbox import plain
from tests.fuzz import mutation
from tests.fuzz.runner import Target, refused

if TYPE_CHECKING:
    from ingest.downloader.sources.connector import Recording
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import Metadata

FEED_URL = "https://feeds.example/show.xml"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FEED = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>The show</title>
<item><title>One &amp; two</title><guid isPermaLink="false">1</guid><pubDate>Mon, 05 Jan 2026 10:00:00 GMT</pubDate>
<itunes:duration>1:02:03</itunes:duration>
<enclosure url="https://media.example/1.mp3" type="audio/mpeg" length="1"/></item>
<item><title><![CDATA[Three]]></title><guid>2</guid><pubDate>Mon, 01 Jan 0001 00:00:00 GMT</pubDate>
<enclosure url="/relative.ogg" type="audio/ogg"/></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Show</title><entry><id>urn:1</id><title>One</title>
<published>2026-01-05T10:00:00Z</published><link rel="enclosure" type="audio/mpeg" href="https://m.example/1.mp3"/>
</entry></feed>"""
JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "Show",
    "language": "en",
    "next_url": "2.json",
    "items": [
        {
            "id": "1",
            "title": "One",
            "date_published": "2026-01-05T10:00:00+01:00",
            "attachments": [{"url": "1.mp3", "mime_type": "audio/mpeg", "duration_in_seconds": 61.5}],
        }
    ],
}
OPML = b"""<opml version="2.0"><body><outline text="A"><outline xmlUrl="https://a.example/1.xml?a=1&amp;b=2"/></outline>
<outline xmlUrl='feed:http://a.example/2.xml'/></body></opml>"""
PLAYLIST = b"#EXTM3U\n#EXTINF:3,One\n1.ogg\nhttp://a.example/2.ogg\n"
HOME = b"""<!DOCTYPE html><html><head><title>Show</title><!-- words -->
<link rel="alternate" type="application/rss+xml" title="Show" href="/feed"></head><body><a href="1.html">One</a>"""
WEBVTT = b"""WEBVTT

NOTE by hand

one
00:01.000 --> 00:03.500 line:0
<v Ada>The <00:02.000><c>sea</c> is &quot;calm&quot;.</v>

00:00:03.500 --> 01:00:04.000
The <i>garden</i> [waves]
"""
SRT = b"1\r\n00:00:01,000 --> 00:00:03,500\r\nThe sea\r\n\r\n2\r\n00:00:04,000 --> 00:00:05,000\r\nis calm.\r\n"
PODCAST_JSON = (
    b'{"version": "1.0.0", "segments": [{"speaker": "Ada", "startTime": 0.5, "endTime": 2.75, "body": "The sea"}],'
    b' "events": [{"tStartMs": 3000, "dDurationMs": 500, "segs": [{"utf8": "is calm", "tOffsetMs": 10}]}]}'
)
PODCAST_HTML = (
    b"<html><body><cite>Ada:</cite><time>0:01</time><p>The sea &amp; the garden</p><time>1:02:03.5</time><p>calm"
)
INFO = {
    "id": "abcdefghijk",
    "title": "Talk",
    "channel": "Channel",
    "uploader": "Someone",
    "timestamp": 1767607200,
    "release_timestamp": None,
    "upload_date": "20260105",
    "duration": 61.5,
}
MESSAGE = {
    "schema_version": 1,
    "video_id": "abcdefghijk",
    "generation": 2,
    "source": {"kind": "media", "url": "https://media.example/1.mp3"},
    "metadata": {"title": "Talk", "channel": "Show", "published_at": "2026-01-05T10:00:00Z", "duration_s": 61.5},
    "fresh_from": 1,
    "redo": 0,
}
ARTIFACT = {"path": "videos/aa/abcdefghijk/audio-0.mp3", "sha256": "0" * 64, "size_bytes": 7, "duration_s": 61.5}
EVENT = {
    "video_id": "abcdefghijk",
    "generation": 1,
    "stage": "asr",
    "kind": "failed",
    "at": "2026-01-05T10:00:00Z",
    "code": "NOT_AUDIO",
    "text": "no audio",
    "retry_at": "2026-01-06T10:00:00Z",
    "numbers": {"took_s": 1.5},
}
LETTER = {
    "stage": "check",
    "subject": "ingest.video.requested",
    "payload": json.dumps(MESSAGE),
    "code": "BAD_URL",
    "text": "no such host",
    "attempts": {"BAD_URL": 1},
    "at": "2026-01-05T10:00:00Z",
    "video_id": "abcdefghijk",
    "generation": 2,
}
MESSAGES = (
    MESSAGE,
    {**MESSAGE, "policy": {"min_duration_s": 60.0}},
    {**MESSAGE, "audio": ARTIFACT},
    {**MESSAGE, "transcript": ARTIFACT},
    EVENT,
    LETTER,
)
MODELS: tuple[type[Message], ...] = (*(spec.reads for spec in PIPELINE), Event, DeadLetter)


def check_metadata(metadata: Metadata) -> None:
    """Raise AssertionError unless metadata can be shown, stored and sent."""
    for text in (metadata.title, metadata.channel):
        assert text is None or not UNSAFE.search(text), "unsafe text"
        assert text is None or len(text) <= 2000, "text without bounds"
    assert metadata.published_at is None or 1900 <= metadata.published_at.year < 2100, "impossible date"


def check_recording(recording: Recording) -> None:
    """Raise AssertionError unless a recording can be submitted."""
    request = VideoRequested(video_id=recording.video_id, source=recording.source, metadata=recording.metadata)
    assert decode(VideoRequested, encode(request)) == request
    check_metadata(recording.metadata)


def read_feed(data: bytes) -> str:
    """Read a feed."""
    return read_page(Page(FEED_URL, as_utf8(data)))


def read_json_feed(data: bytes) -> str:
    """Read a JSON feed likewise."""
    return read_page(Page(FEED_URL, as_utf8(data), Form.JSON))


def read_captions(data: bytes) -> str:
    """Read captions as the child does; return whether they have times."""
    try:
        found = cues.read(data)
    except IngestError as error:
        return str(error.code)
    plain.Answers(cues.read_file).take(plain.done_frame(cues.read_file, found))
    kept = Captions(
        video_id="abcdefghijk",
        kind="manual",
        origin="file",
        sha256="0" * 64,
        has_times=found.has_times,
        cues=tuple(Cue(start_s=cue.start_s, end_s=cue.end_s, text=cue.text) for cue in found.cues),
    )
    assert all(cue.text and "\n" not in cue.text and not UNSAFE.search(cue.text) for cue in kept.cues)
    assert all(one.start_s <= two.start_s for one, two in pairwise(kept.cues))
    assert all(cue.start_s <= cue.end_s for cue in kept.cues)
    made = transcript(kept, max(kept.end_s, 1.0), "en")
    assert Transcript.model_validate_json(made.model_dump_json()) == made
    return "with times" if found.has_times else "without times"


def read_way(data: bytes) -> str:
    """Read a list of sources or a home page as the child does; return its form."""
    form = form_of(data, is_playlist=True)
    if form is Form.PAGE:
        assert all(address.startswith(("http://", "https://")) for address in feeds_of(FEED_URL, as_utf8(data)))
    if form in (Form.OPML, Form.PLAYLIST):
        try:
            found = sources_in(as_utf8(data), form, base=FEED_URL)
        except IngestError as error:
            return str(error.code)
        plain.Answers(reader.read_feed).take(plain.done_frame(reader.read_feed, found))
        assert all(address.lower().startswith(("http://", "https://")) for address in found.addresses)
    return str(form)


def read_page(page: Page) -> str:
    """Read a page of a feed as the child does, send the listing to the parent, and make its recordings."""
    try:
        listing = reader.parsed(page)
    except IngestError as error:
        return str(error.code)
    ((_, received),) = plain.Answers(reader.read_feed).take(plain.done_frame(reader.read_feed, listing))
    for recording in feed.episodes(FEED_URL, received, Listing()):
        check_recording(recording)
    return "read"


def read_listing(info: Any) -> str:  # noqa: ANN401 (of any shape)
    """Read an entry of a listing."""
    if not isinstance(info, dict):
        return "no entry"
    check_metadata(ytdlp.announced_in(info).metadata)
    return "read"


def read_message(data: bytes) -> str:
    """Decode bytes as each message that there is; one that is accepted can be sent on."""
    outcome = "refused"
    for model in MODELS:
        try:
            found = decode(model, data)
        except IngestError:
            continue
        assert decode(model, encode(found)) == found, "changes on its way"
        outcome = "read"
    return outcome


class Letters:
    """A stream of dead letters that holds one message; it keeps what is published."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.published: list[tuple[str, bytes]] = []

    def read(self, _stream: str, subject: str) -> list[tuple[int, bytes]]:
        """Return the one message of the check stage."""
        return [(1, self._data)] if subject == "ingest.dead.check" else []

    def publish(self, subject: str, data: bytes, _message_id: str) -> None:
        """Keep a message."""
        self.published.append((subject, data))

    def delete(self, _stream: str, _sequence: int) -> None:
        """Remove nothing."""


def read_dead_letter(data: bytes) -> str:
    """List a dead letter and send it again: to its own stage, as a message that this stage reads."""
    stream = Letters(data)
    bus = cast("NatsBus", stream)
    with redirect_stdout(StringIO()):
        dead.print_list(bus, as_json=True)
        dead.print_list(bus, as_json=False)
        try:
            sent = dead.replay(bus, None).sent
        except (IngestError, ConfigurationError) as error:
            return type(error).__name__
    assert {subject for subject, _ in stream.published} <= {"ingest.event.check", "ingest.video.requested"}
    for subject, payload in stream.published:
        decode(Event if subject == "ingest.event.check" else VideoRequested, payload)
    return "sent" if sent else "skipped"


def read_answer(data: bytes) -> str:
    """Read bytes as the answers of a child."""
    answers = plain.Answers(reader.read_feed)
    try:
        found = answers.take(data)
    except plain.BadAnswerError:
        return "refused"
    return "read" if found else "incomplete"


class Keys:
    """A bucket with one value, which is the state of the sites."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_key(self, _bucket: str, _key: str) -> Entry | None:
        """Return the value."""
        return Entry(self.data, 1)

    def replace_key(self, _bucket: str, _key: str, data: bytes, _revision: int) -> bool:
        """Replace the value."""
        self.data = data
        return True

    def clock(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)


def read_sites(data: bytes) -> str:
    """Show the state of the sites, and ask for a permit."""
    limiter = RateLimiter(Keys(data), Budget(250.0, 10.0))
    held = held_until(limiter.sites())
    holds = Troubles(Keys(data)).holds()
    latest = datetime.now(UTC) + timedelta(days=8)
    assert all(max(hold.since, hold.next_at) < latest for hold in holds), "held for ever"
    assert all(until < datetime.now(UTC) + timedelta(days=8) for until in held.values()), "closed for ever"
    try:
        limiter.refuse_while_open()
        with limiter.permit(YOUTUBE):
            pass
    except IngestError as error:
        return refused(error, Code.SOURCE_RATE_LIMITED)
    return "held" if held or holds else "read"


SITE = {
    "tokens": 1.0,
    "at": 1.8e9,
    "promised_at": 1.8e9,
    "open_until": 4e9,
    "probe_until": 0.0,
    "reason": "HTTP Error 429",
}
SITES = {"youtube": SITE, "pods.example": SITE}
TROUBLE = {"code": "SITE_CHANGED", "words": "x", "since": 1.8e9, "failed": ["a"], "pause_s": 60.0, "next_at": 4e9}
TROUBLES = {"check:youtube": {**TROUBLE, "probe_until": 4e9, "canary": "https://youtu.be/a", "canary_at": 1.8e9}}
ANSWERS = (
    plain.report_frame({"bytes": 1.0}) + plain.done_frame(reader.read_feed, None),
    plain.done_frame(reader.read_feed, reader.parsed(Page(FEED_URL, FEED))),
    plain.error_frame(IngestError(Code.BAD_URL, "no such host")),
)
TARGETS = (
    Target(
        "feed",
        "ends with a listing or a code; each recording can be sent, stored and shown",
        mutation.damaged(FEED, ATOM),
        read_feed,
    ),
    Target(
        "JSON feed",
        "ends with a listing or a code; each recording can be sent, stored and shown",
        mutation.altered(JSON_FEED).map(mutation.written) | mutation.damaged(mutation.written(JSON_FEED)),
        read_json_feed,
    ),
    Target(
        "list of sources or page",
        "ends with addresses of the web or a code",
        mutation.damaged(OPML, PLAYLIST, HOME),
        read_way,
    ),
    Target(
        "captions",
        "end with lines in order, safe to print, within a transcript, or with a code",
        mutation.damaged(WEBVTT, SRT, PODCAST_JSON, PODCAST_HTML),
        read_captions,
    ),
    Target("listing", "metadata can be sent, stored and shown", mutation.altered(INFO), read_listing),
    Target(
        "message",
        "is refused with a code, or can be sent on unchanged",
        mutation.altered(*MESSAGES).map(mutation.written) | mutation.damaged(*map(mutation.written, MESSAGES)),
        read_message,
    ),
    Target(
        "dead letter",
        "is listed; only a message of its stage is sent, to its stage only",
        mutation.altered(LETTER).map(mutation.written) | mutation.damaged(mutation.written(LETTER)),
        read_dead_letter,
    ),
    Target(
        "state of the sites",
        "can be shown, and holds no site for more than a week",
        mutation.altered(SITES).map(mutation.written)
        | mutation.altered(TROUBLES).map(mutation.written)
        | mutation.damaged(mutation.written(SITES)),
        read_sites,
    ),
    Target("answer of a child", "has the type of the work, or is refused", mutation.damaged(*ANSWERS), read_answer),
)
