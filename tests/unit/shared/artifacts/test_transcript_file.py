"""The transcript file: read as it was written, or refused with one code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import zstandard

from ingest.shared.artifacts import transcript, zstd_json
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Turn, Word
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMINGS = Timings(decode_s=1.0, speech_s=0.5, recognise_s=3.5, total_s=5.0)
WORDS = (
    Word(start_s=0.1, end_s=0.4, text="Grüße", probability=0.9),
    Word(start_s=0.5, end_s=0.9, before="", text="世界.", probability=1.0),
)
SEGMENT = Segment(
    start_s=0.1,
    end_s=0.9,
    text="Grüße世界.",
    words=WORDS,
    avg_logprob=-0.25,
    compression_ratio=1.1,
    no_speech_prob=0.01,
    flags=("loop",),
    speaker="A",
)
TRANSCRIPT = Transcript(
    video_id="abcdefghijk",
    audio_sha256="0" * 64,
    duration_s=10.0,
    speech_s=0.8,
    language="de",
    language_probability=0.99,
    model_key="small/int8/beam5",
    segments=(SEGMENT, SEGMENT),
    turns=(Turn(start_s=0.1, end_s=0.9, cluster="1", speaker="A", score=0.9, rule="cluster", vector=0),),
    timings=TIMINGS,
    notes={"refined": 1.0},
)
HUGE = b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\0\0"  # a frame that announces a petabyte


def packed(text: str) -> bytes:
    return zstandard.compress(text.encode())


def test_a_transcript_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "transcript.json.zst"
    transcript.write(TRANSCRIPT, path)
    assert transcript.read(path) == TRANSCRIPT
    assert path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_a_transcript_from_before_there_were_speakers_is_read(tmp_path: Path) -> None:
    older = TRANSCRIPT.model_copy(update={"transcript_version": 1, "turns": None})
    content = older.model_dump()
    del content["timings"]["diarize_s"]
    for segment in content["segments"]:
        del segment["speaker_score"], segment["is_overlap"], segment["words"][0]["before"]
    (tmp_path / "x").write_bytes(packed(json.dumps(content)))
    assert transcript.read(tmp_path / "x") == older


def test_a_transcript_from_before_words_had_their_spacing_is_joined_by_blanks(tmp_path: Path) -> None:
    content = TRANSCRIPT.model_copy(update={"transcript_version": 2}).model_dump()
    for segment in content["segments"]:
        segment["text"] = "Grüße 世界."
        for word in segment["words"]:
            del word["before"]
    (tmp_path / "x").write_bytes(packed(json.dumps(content)))
    older = transcript.read(tmp_path / "x")
    assert [transcript.join(segment.words) for segment in older.segments] == ["Grüße 世界."] * 2
    assert older.text == "Grüße 世界. Grüße 世界."


def test_a_transcript_without_speech_is_a_transcript(tmp_path: Path) -> None:
    silent = TRANSCRIPT.model_copy(update={"segments": (), "turns": None, "duration_s": 0.0})
    transcript.write(silent, tmp_path / "x")
    assert transcript.read(tmp_path / "x") == silent
    assert silent.real_time_factor == 0.0


def test_the_real_time_factor_is_time_taken_by_length() -> None:
    assert TRANSCRIPT.real_time_factor == 0.5


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="no zstd"),
        pytest.param(packed(""), id="nothing inside"),
        pytest.param(packed("hello"), id="no JSON inside"),
        pytest.param(packed("{}"), id="another object inside"),
        pytest.param(HUGE, id="announces more than there is memory"),
    ],
)
def test_another_file_is_a_bad_transcript(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zst").write_bytes(content)
    with pytest.raises(IngestError) as caught:
        transcript.read(tmp_path / "x.zst")
    assert caught.value.code is Code.BAD_TRANSCRIPT
    assert "x.zst" in caught.value.message


@pytest.mark.parametrize("spare_bytes", [0, 1])
def test_what_is_longer_than_60_hours_of_speech_is_neither_written_nor_read(tmp_path: Path, spare_bytes: int) -> None:
    room = zstd_json.LARGEST_BYTES - len(TRANSCRIPT.model_dump_json().encode())
    longest = TRANSCRIPT.model_copy(update={"language": TRANSCRIPT.language + "x" * (room + spare_bytes)})
    (tmp_path / "x.zst").write_bytes(packed(longest.model_dump_json()))
    if not spare_bytes:
        transcript.write(longest, tmp_path / "y.zst")
        assert transcript.read(tmp_path / "y.zst") == longest
        return
    for refuse in (lambda: transcript.write(longest, tmp_path / "y.zst"), lambda: transcript.read(tmp_path / "x.zst")):
        with pytest.raises(IngestError, match="64 MiB of JSON, which is about 60 hours") as caught:
            refuse()
        assert caught.value.code is Code.BAD_TRANSCRIPT


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:-1], id="last byte missing"),
        pytest.param(lambda data: bytes(len(data)), id="zeros, as after a power cut"),
    ],
)
def test_a_damaged_file_is_a_bad_transcript(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x.zst"
    transcript.write(TRANSCRIPT, path)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(IngestError) as caught:
        transcript.read(path)
    assert caught.value.code is Code.BAD_TRANSCRIPT


def test_a_transcript_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    transcript.write(TRANSCRIPT.model_copy(update={"transcript_version": 4}), path)
    with pytest.raises(IngestError, match="has version 4") as caught:
        transcript.read(path)
    assert caught.value.code is Code.BAD_TRANSCRIPT
