"""The messages: what is written can be read, what cannot be read has exactly one code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shared.about import About, Chapter, DateSource
from ingest.shared.bounds import AHEAD, EARLIEST
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import (
    MAX_MESSAGE_BYTES,
    Artifact,
    AudioReady,
    DeadLetter,
    Event,
    EventKind,
    Metadata,
    Policy,
    Source,
    SourceKind,
    Stage,
    TranscriptReady,
    VideoAccessible,
    VideoMessage,
    VideoRequested,
    decode,
    encode,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ID_CHARACTERS = "ABCXYZabcxyz0189_-"
FINE: dict[str, object] = {"video_id": "abcdefghijk", "source": {"kind": "media", "url": "http://example.org/a.mp3"}}
AUDIO: dict[str, object] = {"path": "videos/a/b", "sha256": "0" * 64, "size_bytes": 1, "duration_s": 1.0}
TOO_DEEP = b"[" * 100_000

printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)
seconds = st.floats(0, 1e9)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (as hypothesis wants it)
sources = st.builds(Source, kind=st.sampled_from(SourceKind), url=printable)
metadata = st.builds(
    Metadata,
    title=st.none() | printable,
    channel=st.none() | printable,
    published_at=st.none() | times,
    duration_s=st.none() | seconds,
)
policies = st.builds(
    Policy,
    min_duration_s=st.none() | seconds,
    max_duration_s=st.none() | seconds,
    published_after=st.none() | times,
)
artifacts = st.builds(
    Artifact,
    path=printable,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size_bytes=st.integers(0, 2**50),
    duration_s=seconds,
)
common = {
    "video_id": st.text(ID_CHARACTERS, min_size=11, max_size=11),
    "generation": st.integers(1, 2**40),
    "source": sources,
    "metadata": metadata,
    "redo": st.integers(0, 9),
}
video_messages: st.SearchStrategy[VideoMessage] = st.one_of(
    st.builds(VideoRequested, policy=policies, **common),
    st.builds(VideoAccessible, **common),
    st.builds(AudioReady, audio=artifacts, **common),
    st.builds(TranscriptReady, transcript=artifacts, **common),
)


@settings(max_examples=200)
@given(message=video_messages)
def test_every_message_is_read_as_it_was_written(message: VideoMessage) -> None:
    assert decode(type(message), encode(message)) == message


def refused(model: type[VideoMessage], payload: bytes) -> IngestError:
    with pytest.raises(IngestError) as caught:
        decode(model, payload)
    return caught.value


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"", Code.BAD_MESSAGE, id="nothing"),
        pytest.param(b"hello", Code.BAD_MESSAGE, id="not JSON"),
        pytest.param(b"\xff\xfe{}", Code.BAD_MESSAGE, id="not UTF-8"),
        pytest.param(b"null", Code.BAD_MESSAGE, id="null"),
        pytest.param(b'["abcdefghijk"]', Code.BAD_MESSAGE, id="a list"),
        pytest.param(b'{"video_id": "abcdefghijk"', Code.BAD_MESSAGE, id="cut off"),
        pytest.param(TOO_DEEP, Code.BAD_MESSAGE, id="deeper than Python reads"),
        pytest.param(b'{"video_id": ' + b"9" * 5000 + b"}", Code.BAD_MESSAGE, id="a number longer than Python reads"),
        pytest.param(b'{"schema_version": 3}', Code.BAD_VERSION, id="newer version"),
        pytest.param(b'{"schema_version": 0}', Code.BAD_VERSION, id="older version"),
        pytest.param(b'{"schema_version": "1"}', Code.BAD_VERSION, id="version in words"),
        pytest.param(b'{"schema_version": null}', Code.BAD_VERSION, id="no version"),
    ],
)
def test_a_payload_that_is_no_message_has_its_code(payload: bytes, code: Code) -> None:
    assert refused(VideoRequested, payload).code is code


@pytest.mark.parametrize(
    "video_id",
    [
        pytest.param("../../etc/x", id="traversal"),
        pytest.param("abcdefghij", id="10 characters"),
        pytest.param("abcdefghijkl", id="12 characters"),
        pytest.param("abcdefghijk\n", id="newline at the end"),
        pytest.param("аbcdefghijk", id="look-alike letter"),  # noqa: RUF001 (this is what the case is about)
        pytest.param("abc.efg*ijk", id="marks of NATS"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param(12345678901, id="a number"),
    ],
)
def test_an_id_that_is_none_is_a_bad_video_id(video_id: object) -> None:
    assert refused(VideoRequested, json.dumps(FINE | {"video_id": video_id}).encode()).code is Code.BAD_VIDEO_ID


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"source": None}, "source", id="no source"),
        pytest.param({"source": {"kind": "media"}}, "source.url missing", id="source without address"),
        pytest.param({"source": {"kind": "ftp", "url": "x"}}, "source.kind", id="unknown kind"),
        pytest.param({"source": {"kind": "media", "url": ""}}, "source.url", id="empty address"),
        pytest.param({"source": {"kind": "media", "url": "x" * 4097}}, "source.url", id="endless address"),
        pytest.param({"source": {"kind": "media", "url": "a\0b"}}, "source.url", id="NUL in the address"),
        pytest.param({"source": {"kind": "media", "url": "a\ud800b"}}, "source.url", id="half a character"),
        pytest.param({"generation": 0}, "generation", id="generation 0"),
        pytest.param({"generation": 1.5}, "generation", id="generation 1.5"),
        pytest.param({"generation": 2**53}, "generation", id="generation after the last one"),
        pytest.param({"redo": 2**31}, "redo", id="redo beyond the database's numbers"),
        pytest.param({"redo": -1}, "redo", id="redo below 0"),
        pytest.param({"fresh_from": 2, "generation": 1}, "fresh_from", id="files of a later generation are wanted"),
        pytest.param({"fresh_from": -1}, "fresh_from", id="files of a generation below 0 are wanted"),
        pytest.param({"metadata": {"duration_s": -1}}, "metadata.duration_s", id="negative length"),
        pytest.param({"metadata": {"duration_s": float("nan")}}, "metadata.duration_s", id="length is no number"),
        pytest.param({"metadata": {"published_at": "soon"}}, "metadata.published_at", id="no time"),
        pytest.param({"policy": {"max_duration_s": float("inf")}}, "policy.max_duration_s", id="endless"),
        pytest.param({"surprise": 1}, "surprise", id="unknown field"),
        pytest.param({"metadata": {"surprise": 1}}, "metadata.surprise", id="unknown field inside"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, object], field: str) -> None:
    error = refused(VideoRequested, json.dumps(FINE | changes).encode())
    assert (error.code, error.message.startswith(field)) == (Code.BAD_FIELD, True)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sha256": "0" * 63}, id="short checksum"),
        pytest.param({"sha256": "G" * 64}, id="checksum of other letters"),
        pytest.param({"size_bytes": -1}, id="negative size"),
        pytest.param({"size_bytes": 10**400}, id="size beyond any number of the archive"),
        pytest.param({"path": ""}, id="no path"),
        pytest.param({"path": "x" * 501}, id="endless path"),
        pytest.param({"path": "a\0b"}, id="NUL in the path"),
    ],
)
def test_a_wrong_artifact_is_a_bad_field(changes: dict[str, object]) -> None:
    payload = FINE | {"audio": AUDIO | changes}
    assert refused(AudioReady, json.dumps(payload).encode()).code is Code.BAD_FIELD
    decode(AudioReady, json.dumps(FINE | {"audio": AUDIO}).encode())


def test_a_message_may_be_as_large_as_the_broker_takes_and_not_a_byte_larger() -> None:
    fine = DeadLetter(stage=Stage.ASR, subject="s", payload="", code=Code.BAD_FIELD, text="", attempts={}, at=NOW)
    full = fine.model_copy(update={"payload": "x" * (MAX_MESSAGE_BYTES - len(encode(fine)))})
    assert len(encode(full)) == MAX_MESSAGE_BYTES
    with pytest.raises(IngestError) as caught:
        encode(full.model_copy(update={"payload": full.payload + "x"}))
    assert caught.value.code is Code.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("metadata", "bounded"),
    [
        pytest.param({"title": "x" * 900_000}, {"title": "x" * 499 + "…"}, id="endless title"),
        pytest.param({"channel": "é" * 4000}, {"channel": "é" * 199 + "…"}, id="endless channel"),
        pytest.param({"title": "one\n  two\u2028three\rfour"}, {"title": "one two three four"}, id="lines"),
        pytest.param({"title": "a\u202egpj.exe\u2066b"}, {"title": "agpj.exeb"}, id="bidi controls"),
        pytest.param({"title": "\ud800"}, {"title": ""}, id="half a character"),
        pytest.param({"published_at": "0001-01-01T00:00:00Z"}, {}, id=".NET's empty date"),
        pytest.param({"published_at": "0001-01-01T00:00:00+14:00"}, {}, id="a date before the calendar"),
        pytest.param({"published_at": "9999-12-31T23:59:59-12:00"}, {}, id="a date after the calendar"),
        pytest.param({"published_at": "1899-12-30T00:00:00Z"}, {}, id="Excel's empty date"),
        pytest.param({"duration_s": 1e300}, {}, id="longer than time"),
    ],
)
def test_metadata_beyond_its_bounds_costs_no_recording(metadata: dict[str, object], bounded: dict[str, object]) -> None:
    message = decode(VideoRequested, json.dumps(FINE | {"metadata": metadata}).encode())
    assert message.metadata.model_dump(exclude_none=True) == bounded
    assert decode(VideoRequested, encode(message)) == message


def test_what_happened_is_not_lost_to_what_is_said_about_it() -> None:
    said = event().model_dump(mode="json") | {
        "at": "0001-01-01T00:00:00+14:00",
        "retry_at": "9999-12-31T23:59:59-12:00",
        "text": "x" * 100_000 + "\ud800",
        "worker": "w" * 100_000,
        "numbers": {**{f"figure {number}": 1e300 for number in range(1000)}, "n" * 10_000: 1.0},
    }
    found = decode(Event, json.dumps(said).encode())
    assert (found.at, found.kind) == (EARLIEST, EventKind.FINISHED)
    assert found.retry_at is not None
    assert found.retry_at < datetime.now(UTC) + AHEAD + timedelta(days=1)
    assert len(encode(found)) < 20_000


@pytest.mark.parametrize("field", ["subject", "payload", "text", "attempts", "video_id"])
def test_a_dead_letter_with_half_a_character_can_be_sent_on(field: str) -> None:
    half = {"a\ud800b": 1} if field == "attempts" else "a\ud800b"
    fine = {"stage": "check", "subject": "s", "payload": "p", "code": "BAD_URL", "text": "t", "attempts": {}}
    said = json.dumps({**fine, "at": "2026-01-02T00:00:00Z", field: half}).encode()
    letter = decode(DeadLetter, said)
    assert decode(DeadLetter, encode(letter)) == letter
    assert "ab" in str(getattr(letter, field))


@pytest.mark.parametrize(
    ("kind", "url", "stored"),
    [
        pytest.param("media", "http://h/a\x1b]0;x\x07 b\u202e", "http://h/a%1B]0;x%07%20b%E2%80%AE", id="web"),
        pytest.param("file", "/a\x1b b", "/a\x1b b", id="the path of a file names the file"),
    ],
)
def test_an_address_controls_no_terminal(kind: SourceKind, url: str, stored: str) -> None:
    assert Source(kind=kind, url=url).url == stored


def test_titles_from_outside_lose_what_cannot_be_stored() -> None:
    payload = json.dumps(FINE | {"metadata": {"title": "a\0b\ud800c", "channel": "\x1b[31mred"}})
    metadata = decode(VideoRequested, payload.encode()).metadata
    assert (metadata.title, metadata.channel) == ("abc", "[31mred")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        pytest.param("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), id="no zone is UTC"),
        pytest.param("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC), id="a zone is kept"),
    ],
)
def test_every_time_has_a_zone(said: str, meant: datetime) -> None:
    payload = FINE | {"metadata": {"published_at": said}, "policy": {"published_after": said}}
    message = decode(VideoRequested, json.dumps(payload).encode())
    assert (message.metadata.published_at, message.policy.published_after) == (meant, meant)
    told = json.loads(encode(event(retry_at=meant))) | {"at": said, "retry_at": said}
    assert (decode(Event, json.dumps(told).encode()).at, decode(Event, json.dumps(told).encode()).retry_at) == (
        meant,
        meant,
    )


def event(**changes: object) -> Event:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    fine = {"video_id": "abcdefghijk", "generation": 1, "stage": Stage.ASR, "kind": EventKind.FINISHED, "at": at}
    return Event.model_validate(fine | changes)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_an_event_goes_without_a_figure_that_is_no_number(figure: float) -> None:
    told = event(numbers={"took_s": 2.0, "ratio": figure})
    assert decode(Event, encode(told)) == told
    assert told.numbers == {"took_s": 2.0}


def test_an_event_counts_no_further_than_the_database() -> None:
    payload = event(attempt=2**31 - 1).model_dump(mode="json") | {"attempt": 2**31}
    with pytest.raises(IngestError, match="BAD_FIELD: attempt"):
        decode(Event, json.dumps(payload).encode())


def test_metadata_fills_its_gaps_from_older_metadata() -> None:
    older = Metadata(title="old", channel="channel", duration_s=5.0)
    assert Metadata(title="new").over(older) == Metadata(title="new", channel="channel", duration_s=5.0)


def test_a_job_is_named_after_what_makes_it_another_one() -> None:
    message = decode(VideoRequested, json.dumps(FINE | {"generation": 4, "redo": 1, "fresh_from": 4}).encode())
    assert message.job == "abcdefghijk.4.1"


# -- the day of a recording, and where it is from ---------------------------------------------------------------------

EARLIER, LATER = datetime(2024, 5, 3, tzinfo=UTC), datetime(2025, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newer", "older", "said"),
    [
        ((LATER, DateSource.SITE), (EARLIER, DateSource.NAME), (LATER, DateSource.SITE)),
        ((LATER, None), (EARLIER, DateSource.NAME), (LATER, None)),
        ((None, None), (EARLIER, DateSource.FILE), (EARLIER, DateSource.FILE)),
        ((LATER, DateSource.SITE), (EARLIER, DateSource.GIVEN), (EARLIER, DateSource.GIVEN)),
        ((LATER, DateSource.GIVEN), (EARLIER, DateSource.GIVEN), (LATER, DateSource.GIVEN)),
        ((None, None), (None, None), (None, None)),
    ],
    ids=["the newer", "an older message", "a gap", "a given one stays", "given again", "nothing"],
)
def test_a_date_goes_with_its_source(
    newer: tuple[datetime | None, DateSource | None],
    older: tuple[datetime | None, DateSource | None],
    said: tuple[datetime | None, DateSource | None],
) -> None:
    known = Metadata(published_at=older[0], date_source=older[1], title="A talk")
    found = Metadata(published_at=newer[0], date_source=newer[1]).over(known)
    assert (found.published_at, found.date_source, found.title) == (*said, "A talk")


def test_what_a_source_says_for_readers_is_in_the_request_and_in_no_later_message() -> None:
    about = About(description="Of ships", chapters=(Chapter(start_s=1.0, title="Sails"),), episode=3)
    request = VideoRequested.model_validate({**FINE, "metadata": {"title": "A talk", "about": about.model_dump()}})
    assert decode(VideoRequested, encode(request)).metadata.about == about
    following = request.next(VideoAccessible)
    assert (following.metadata.title, following.metadata.about) == ("A talk", None)
