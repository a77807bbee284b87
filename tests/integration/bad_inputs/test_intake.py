"""Rows 1 to 5 of the bad inputs, at every stage: messages that cannot be read, or should never have been sent."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.topology import INPUT_OF
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import (
    MAX_MESSAGE_BYTES,
    AudioReady,
    EventKind,
    Metadata,
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
from ingest.shared.worker.settlement import LONGEST_KEPT_PAYLOAD
from ingest.shared.worker.stage import StageResult
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.worker.stage import Report
    from tests.support.stage_line import Line

SOURCE = {"kind": "media", "url": "http://example.org/a.mp3"}
GOOD = VideoRequested(video_id="abcdefghijk", source=Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3"))
NEIGHBOUR = GOOD.model_copy(update={"video_id": "lmnopqrstuv"})
CYRILLIC_A = "\N{CYRILLIC SMALL LETTER A}"
ARTIFACT = {"path": "a/b", "sha256": "0" * 64, "size_bytes": 1, "duration_s": 1.0}
INPUT: dict[Stage, tuple[type[VideoMessage], dict[str, object]]] = {  # what a stage reads, and what only that has
    Stage.CHECK: (VideoRequested, {}),
    Stage.DOWNLOAD: (VideoAccessible, {}),
    Stage.ASR: (AudioReady, {"audio": ARTIFACT}),
    Stage.EMBEDDER: (TranscriptReady, {"transcript": ARTIFACT}),
}


def payload(**fields: Any) -> bytes:  # noqa: ANN401 (wrong types are the point)
    return json.dumps({"video_id": "lmnopqrstuv", "source": SOURCE, **fields}).encode()


def for_stage(stage: Stage, data: bytes) -> bytes:
    """Return a payload with what a stage needs beside, so that this is not what is wrong with it."""
    _, parts = INPUT[stage]
    added = b"".join(b'"%s": %s, ' % (name.encode(), json.dumps(part).encode()) for name, part in parts.items())
    return re.sub(b'^{"video_id"', b'{%s"video_id"' % added, data)


def good_for(stage: Stage, number: int) -> bytes:
    return for_stage(stage, payload(video_id=f"good{number:07}"))


BAD_PAYLOADS = [
    pytest.param(b"", Code.BAD_MESSAGE, "not valid JSON", id="1 nothing"),
    pytest.param(b"hello", Code.BAD_MESSAGE, "not valid JSON", id="1 not json"),
    pytest.param(payload()[:-5], Code.BAD_MESSAGE, "not valid JSON", id="1 half a json"),
    pytest.param(b'{"video_id": "\xff\xfe"}', Code.BAD_MESSAGE, "not valid JSON", id="1 not utf-8"),
    pytest.param(b"\x00\x01\x02\xff" * 100, Code.BAD_MESSAGE, "not valid JSON", id="1 binary"),
    pytest.param(b"[1, 2]", Code.BAD_MESSAGE, "is a JSON list", id="1 an array"),
    pytest.param(b"null", Code.BAD_MESSAGE, "is a JSON NoneType", id="1 null"),
    pytest.param(b'{"generation": ' + b"9" * 5000 + b"}", Code.BAD_MESSAGE, "not valid JSON", id="1 a giant number"),
    pytest.param(b"[" * 100_000, Code.BAD_MESSAGE, "not valid JSON", id="1 json nested too deeply"),
    pytest.param(payload(schema_version=3), Code.BAD_VERSION, "got 3, support 1", id="2 version of tomorrow"),
    pytest.param(payload(schema_version=0), Code.BAD_VERSION, "got 0", id="2 version of yesterday"),
    pytest.param(payload(schema_version=None), Code.BAD_VERSION, "got None", id="2 version null"),
    pytest.param(payload(schema_version="1"), Code.BAD_VERSION, "got '1'", id="2 version in words"),
    pytest.param(b'{"source": {}}', Code.BAD_FIELD, "video_id missing", id="3 missing field"),
    pytest.param(payload(source={"kind": "media"}), Code.BAD_FIELD, "source.url missing", id="3 missing inner field"),
    pytest.param(payload(colour="red"), Code.BAD_FIELD, "colour Extra inputs", id="3 unknown field"),
    pytest.param(payload(source="http://x"), Code.BAD_FIELD, "source Input should", id="3 text for an object"),
    pytest.param(payload(generation=0), Code.BAD_FIELD, "generation Input should", id="3 number out of range"),
    pytest.param(payload(generation="many"), Code.BAD_FIELD, "generation Input", id="3 text for a number"),
    pytest.param(payload(metadata={"duration_s": float("nan")}), Code.BAD_FIELD, "finite", id="3 not a number"),
    pytest.param(payload(metadata={"published_at": "soon"}), Code.BAD_FIELD, "published_at", id="3 no date"),
    pytest.param(payload(source={**SOURCE, "kind": "tape"}), Code.BAD_FIELD, "source.kind", id="3 unknown kind"),
    pytest.param(b"x" * 1_500_000, Code.BAD_MESSAGE, "not valid JSON", id="4 foreign bytes over 1 MB"),
    pytest.param(payload(video_id="../../etc/x"), Code.BAD_VIDEO_ID, "must match", id="5 a path"),
    pytest.param(payload(video_id="abcdefghijkl"), Code.BAD_VIDEO_ID, "must match", id="5 twelve characters"),
    pytest.param(payload(video_id=CYRILLIC_A + "bcdefghijk"), Code.BAD_VIDEO_ID, "must match", id="5 look-alike"),
    pytest.param(payload(video_id="abcdefghijk\n"), Code.BAD_VIDEO_ID, "must match", id="5 line feed at the end"),
    pytest.param(payload(video_id="abc.*.>ijkl"), Code.BAD_VIDEO_ID, "must match", id="5 subject wildcards"),
    pytest.param(payload(video_id=12345678901), Code.BAD_VIDEO_ID, "must match", id="5 a number"),
]
EXTREME_PAYLOADS = [
    pytest.param(b"\x00" * 250_000, Code.BAD_MESSAGE, id="1 control characters that grow sixfold in the dead letter"),
    pytest.param(payload(schema_version="9" * 900_000), Code.BAD_VERSION, id="2 version of 900 kB"),
    pytest.param(payload(**{"k" * 900_000: 1}), Code.BAD_FIELD, id="3 field name of 900 kB"),
    pytest.param(payload(metadata={"title": "x" * MAX_MESSAGE_BYTES}), Code.MESSAGE_TOO_LARGE, id="4 title of 1 MB"),
]


def pass_on(message: VideoRequested, _report: Report) -> StageResult:
    return StageResult(VideoAccessible(video_id=message.video_id, source=message.source, metadata=message.metadata))


def settle(_message: VideoMessage, _report: Report) -> StageResult:
    return StageResult(None)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(("data", "code", "words"), BAD_PAYLOADS)
def test_a_message_that_cannot_be_read_has_its_code_and_says_why(
    stage: Stage, data: bytes, code: Code, words: str
) -> None:
    with pytest.raises(IngestError) as caught:
        decode(INPUT[stage][0], for_stage(stage, data))
    assert caught.value.code is code
    assert caught.value.rule.outcome is Outcome.PERMANENT
    assert words in caught.value.message


@pytest.mark.parametrize(("stage", "name"), [(Stage.ASR, "audio"), (Stage.EMBEDDER, "transcript")])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"sha256": "g" * 64}, ".sha256 String should match", id="3 checksum that is none"),
        pytest.param({"path": "a\x00b"}, ".path String should match", id="3 path with a NUL"),
        pytest.param({"size_bytes": -1}, ".size_bytes Input should", id="3 size below zero"),
        pytest.param({"duration_s": float("inf")}, ".duration_s Input should", id="3 length without end"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(stage: Stage, name: str, change: dict[str, object], words: str) -> None:
    with pytest.raises(IngestError, match=f"{name} missing"):
        decode(INPUT[stage][0], payload())
    with pytest.raises(IngestError) as caught:
        decode(INPUT[stage][0], payload(**{name: ARTIFACT | change}))
    assert caught.value.code is Code.BAD_FIELD
    assert caught.value.message.startswith(f"{name}{words}")


@pytest.mark.parametrize("stage", Stage)
def test_each_unreadable_message_is_a_dead_letter_of_one_attempt_and_the_queue_goes_on(
    line: Line, wait_until: Callable[..., None], stage: Stage
) -> None:
    table: list[tuple[bytes, Code, str]] = [row.values for row in BAD_PAYLOADS]  # type: ignore[misc]
    rows = [(for_stage(stage, data), code) for data, code, _words in table]
    line.start(stage, settle)
    for number, (data, _code) in enumerate(rows):
        line.send(data, good_for(stage, number))
    wait_until(lambda: len(line.ended()) == len(rows))
    wait_until(lambda: line.queued(INPUT_OF[stage]) == [])
    assert set(line.ended().values()) == {(EventKind.FINISHED, None)}
    letters = line.letters()
    assert [(letter.payload, letter.code) for letter in letters] == [
        (data.decode("utf-8", "backslashreplace")[:LONGEST_KEPT_PAYLOAD], code) for data, code in rows
    ]
    assert all(set(letter.attempts.values()) == {0} for letter in letters)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(("data", "code"), EXTREME_PAYLOADS)
def test_an_extreme_message_is_a_dead_letter_and_the_queue_goes_on(
    line: Line, wait_until: Callable[..., None], stage: Stage, data: bytes, code: Code
) -> None:
    line.start(stage, settle)
    line.send(for_stage(stage, data), good_for(stage, 1))
    wait_until(lambda: line.ended() == {"good0000001": (EventKind.FINISHED, None)})
    assert [letter.code for letter in line.letters()] == [code]


@pytest.mark.parametrize(
    "title", [pytest.param("x" * MAX_MESSAGE_BYTES, id="4 an answer of 1 MB"), pytest.param("x", id="4 a small answer")]
)
def test_an_answer_that_is_too_large_to_be_sent_fails_its_video_alone(
    line: Line, wait_until: Callable[..., None], title: str
) -> None:
    def learn(message: VideoRequested, report: Report) -> StageResult:
        known = Metadata.model_construct(title=title if message == GOOD else "y")  # unbounded, as no source is
        return replace(pass_on(message.model_copy(update={"metadata": known}), report), metadata=known)

    line.start(Stage.CHECK, learn)
    line.send(GOOD, NEIGHBOUR)
    wait_until(lambda: len(line.ended()) == 2)
    too_large = (EventKind.FAILED, Code.MESSAGE_TOO_LARGE)
    assert line.ended()[GOOD.video_id] == (too_large if len(title) > 1 else (EventKind.FINISHED, None))
    assert line.ended()[NEIGHBOUR.video_id] == (EventKind.FINISHED, None)


@pytest.mark.parametrize(
    "size", [pytest.param(MAX_MESSAGE_BYTES, id="4 over 1 MB"), pytest.param(8 * MAX_MESSAGE_BYTES, id="4 over 8 MB")]
)
def test_a_message_that_is_too_large_is_refused_before_it_is_sent(size: int) -> None:
    large = GOOD.model_copy(update={"metadata": Metadata.model_construct(title="x" * size)})
    with pytest.raises(IngestError, match=rf"limit {MAX_MESSAGE_BYTES}") as caught:
        encode(large)
    assert caught.value.code is Code.MESSAGE_TOO_LARGE
    assert caught.value.rule.outcome is Outcome.PERMANENT


@pytest.mark.parametrize(
    "video_id",
    [
        pytest.param("../../etc/x", id="5 a path on the volume"),
        pytest.param("abcdefghijk\n", id="5 line feed at the end on the volume"),
        pytest.param(CYRILLIC_A + "bcdefghijk", id="5 look-alike on the volume"),
    ],
)
def test_no_path_is_made_of_an_id_that_is_none(tmp_path: Path, video_id: str) -> None:
    with pytest.raises(IngestError) as caught:
        on_disk(Volume(tmp_path)).folder(video_id)
    assert caught.value.code is Code.BAD_VIDEO_ID
