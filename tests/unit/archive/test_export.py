"""The files of `ingest export`, read back by strict parsers, and the rules of subtitles."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from pysubs2 import SSAFile

from ingest.archive.export.cues import Cue, Rules, columns, cues
from ingest.archive.export.document import Document
from ingest.archive.export.names import file_name
from ingest.archive.export.registry import FORMATS
from ingest.archive.reading import PassageRow, RecordingRow
from ingest.cli.transcripts.export import target
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.errors import ConfigurationError

VIDEO = "abcdefghijk"
AT = datetime(2026, 1, 2, tzinfo=UTC)
RULES = Rules()
TEXT_FORMATS = [name for name, form in FORMATS.items() if form.is_text]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400)
HARD = "A <b> & 'c' --> \"d\"; 00:01 NOTE x"
VTT_CUE = re.compile(r"\d+\n(\d\d+:\d\d:\d\d\.\d{3}) --> (\d\d+:\d\d:\d\d\.\d{3})\n([^\n]+(?:\n[^\n]+)*)\n")
SRT_CUE = re.compile(r"(\d+)\n(\d\d+:\d\d:\d\d,\d{3}) --> (\d\d+:\d\d:\d\d,\d{3})\n([^\n]+(?:\n[^\n]+)*)\n")
RTTM_LINE = re.compile(r"SPEAKER (\S+) 1 (\d+\.\d{3}) (\d+\.\d{3}) <NA> <NA> (\S+) <NA> <NA>")


def passage(index: int, text: str, speaker: str | None = None, length_s: float = 25.0) -> PassageRow:
    return PassageRow(index, index * 30.0, index * 30.0 + length_s, text, speaker, 0.7, is_overlap=False, flags=[])


def document(*passages: PassageRow, title: str = HARD) -> Document:
    url = "https://me:hunter2@h/a.mp3?token=swordfish"
    recording = RecordingRow(VIDEO, title, HARD, AT, 90.0, "en", "indexed", 2, "media", url, None, None, AT)
    return Document(recording, passages, ((),) * len(passages))


TALK = document(
    passage(0, "Good morning, and welcome to this long conversation about ships. They sail. Do they?", "Ada B"),
    passage(1, HARD, "Bob <x>", 4.0),
    passage(2, "=1+1", None),
)


def file_of(name: str, *documents: Document) -> bytes:
    file = io.BytesIO()
    FORMATS[name].put(documents, RULES, file)
    return file.getvalue()


def text_of(name: str, document: Document) -> str:
    return file_of(name, document).decode()


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_format_has_the_text_and_no_secret(name: str) -> None:
    text = text_of(name, TALK)
    assert "hunter2" not in text
    assert "swordfish" not in text
    assert text.endswith("\n")
    if name != "rttm":
        assert "conversation" in text
        assert "1+1" in text


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_format_without_speakers_names_none(name: str) -> None:
    assert "Ada" not in text_of(name, TALK.without_speakers())


def test_vtt_is_read_back_with_the_voices() -> None:
    head, note, *blocks = text_of("vtt", TALK).split("\n\n")
    assert head == "WEBVTT"
    assert "-->" not in note
    read = [VTT_CUE.fullmatch(block.rstrip("\n") + "\n") for block in blocks]
    assert all(read)
    texts = [found[3] for found in read if found]
    assert texts[0].startswith("<v Ada B>Good morning,")
    assert any(" ".join(text.split()).startswith("<v Bob &lt;x&gt;>A &lt;b&gt; &amp;") for text in texts)
    assert all("-->" not in text for text in texts)


def test_srt_is_read_back_with_a_speaker_at_each_change() -> None:
    read = [SRT_CUE.fullmatch(block.rstrip("\n") + "\n") for block in text_of("srt", TALK).split("\n\n")]
    assert all(read)
    assert [int(found[1]) for found in read if found] == list(range(1, len(read) + 1))
    assert sum("Ada B:" in found[4] for found in read if found) == 1


def test_rttm_has_the_turns_else_the_passages_with_speakers() -> None:
    lines = [RTTM_LINE.fullmatch(line) for line in text_of("rttm", TALK).splitlines()]
    assert [found and found[4] for found in lines] == ["Ada_B", "Bob_<x>"]
    turn = Turn(start_s=1.0, end_s=2.5, cluster="A", speaker="Ada B")
    assert text_of("rttm", replace(TALK, turns=(turn,))) == f"SPEAKER {VIDEO} 1 1.000 1.500 <NA> <NA> Ada_B <NA> <NA>\n"
    assert FORMATS["rttm"].lacks(TALK.without_speakers())


def test_other_programs_read_the_subtitles_and_turns(tmp_path: Path) -> None:
    """webvtt-py, pysubs2 and pyannote.database: each cue with its times, text and voice, each turn with its speaker."""
    plain = document(TALK.passages[0], passage(1, "Yes & no.", "Bob", 4.0), TALK.passages[2])
    cues = webvtt.from_buffer(io.StringIO(text_of("vtt", plain))).captions
    assert (cues[0].start_in_seconds, cues[-1].end_in_seconds) == (0, 67)
    assert [voice for voice, _ in groupby(cue.voice for cue in cues)] == ["Ada B", "Bob", None]
    for name in ("vtt", "srt"):
        events = SSAFile.from_string(text_of(name, plain), format_=name).events
        assert [event.start for event in events] == [cue.start_time.in_milliseconds() for cue in cues]
        texts = [html.unescape(event.plaintext).removeprefix("Ada B: ").removeprefix("Bob: ") for event in events]
        assert " ".join(texts).split() == " ".join(row.text for row in plain.passages).split()
    from pyannote.database.util import load_rttm  # seconds of imports

    file = tmp_path / "turns.rttm"
    file.write_text(text_of("rttm", plain))
    turns = load_rttm(file)[VIDEO].itertracks(yield_label=True)  # type: ignore[no-untyped-call]  # it has no types
    assert [(turn.start, turn.end, speaker) for turn, _, speaker in turns] == [(0, 25, "Ada_B"), (30, 34, "Bob")]


def test_csv_is_read_back_and_holds_no_formula() -> None:
    text = text_of("csv", TALK)
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert [row["text"] for row in rows] == [TALK.passages[0].text, HARD, "'=1+1"]


def test_parquet_is_read_back_with_types_and_vectors() -> None:
    vectors = ([0.25, -1.0], None, [0.5, 0.0])
    first, second = replace(TALK, model="m", vectors=vectors), replace(document(), model="m", vectors=())
    table = parquet.read_table(io.BytesIO(file_of("parquet", first, second, first)))
    rows = table.to_pylist()
    assert [row["text"] for row in rows] == 2 * [row.text for row in TALK.passages]
    assert [row["vector"] for row in rows] == 2 * list(vectors)
    assert [row["model"] for row in rows[:3]] == ["m", None, "m"]
    assert (rows[0]["id"], rows[0]["published_at"], rows[0]["start_s"], rows[0]["flags"]) == (VIDEO, AT, 0.0, [])
    assert (rows[0]["speaker"], rows[2]["speaker"], rows[2]["link"]) == (
        "Ada B",
        None,
        "https://h/a.mp3?token=***#t=59",
    )
    assert all("hunter2" not in str(row) and "swordfish" not in str(row) for row in rows)
    plain = parquet.read_table(io.BytesIO(file_of("parquet", TALK.without_speakers())))
    assert set(table.column_names) - set(plain.column_names) == {"model", "vector"}
    assert plain["speaker"].null_count == 3


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200e", "\x1b", "\u2069"])
@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_letter_that_is_left_out_hides_nothing_from_a_format(name: str, hidden: str) -> None:
    def text(part: str) -> str:
        hostile = part.replace("~", hidden)
        talk = document(passage(0, hostile, hostile), title=hostile)
        turns = (Turn(start_s=0.0, end_s=1.0, cluster="A", speaker=hostile),)
        return text_of(name, replace(talk, turns=turns))

    for part in ("~=1+1", "~@x", "a --~> b", "~<b>~", "~# ~1. x"):
        assert text(part) == text(part.replace("~", ""))


def test_both_forms_of_json_are_read_back() -> None:
    own = json.loads(text_of("json", TALK))
    assert [row["text"] for row in own["passages"]] == [row.text for row in TALK.passages]
    podcast = json.loads(text_of("podcast", TALK))
    assert podcast["version"] == "1.0.0"
    assert " ".join(part["body"] for part in podcast["segments"]) == " ".join(row.text for row in TALK.passages)


def letters(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(10, 60), st.integers(1, 3), st.floats(1, 60))
def test_subtitles_keep_the_text_and_the_rules(text: str, width: int, lines: int, length_s: float) -> None:
    found: list[Cue] = cues(document(passage(0, text, None, length_s)), Rules(width, lines, 7.0))
    assert letters("".join("".join(cue.lines) for cue in found)) == letters(text)
    for cue in found:
        assert len(cue.lines) <= lines
        assert all(line.strip() and columns(line) <= width for line in cue.lines)
        assert 0 < round(cue.end_s - cue.start_s, 6) <= 7.0  # the sum of two times is rounded


@pytest.mark.parametrize(
    ("language", "is_parted"),
    [pytest.param(None, True, id="of the recording"), pytest.param("de", False, id="of the passage")],
)
def test_subtitles_end_with_the_sentences_of_the_passages_language(language: str | None, *, is_parted: bool) -> None:
    own = document(passage(0, "Am 3. Mai treffen wir uns alle wieder.", None, 4.0))
    found = cues(replace(own, languages=(language,)), Rules(columns=18, lines=1))
    assert any(cue.text.endswith("3.") for cue in found) is is_parted


@given(TEXTS)
def test_a_file_name_is_safe_and_names_the_recording(title: str) -> None:
    name = file_name(document(title=title).recording, "vtt")
    assert name.endswith(f"[{VIDEO}].vtt")
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
    assert name[0] not in ".-~"
    assert len(name.encode()) <= 255


@pytest.mark.parametrize(
    ("form", "to", "expected"),
    [
        pytest.param(None, None, "txt", id="neither"),
        pytest.param(None, "a.vtt", "vtt", id="suffix"),
        pytest.param(None, "a.podcast.json", "podcast", id="the longer suffix"),
        pytest.param("srt", "a.txt", "srt", id="the option wins"),
    ],
)
def test_the_format_is_that_of_the_option_or_the_suffix(form: str | None, to: str | None, expected: str) -> None:
    assert target(form, Path(to) if to else None).form.name == expected


@pytest.mark.parametrize(("form", "to"), [("pdf", None), (None, "a.pdf")])
def test_an_unknown_format_is_refused_with_the_known_ones(form: str | None, to: str | None) -> None:
    with pytest.raises(ConfigurationError, match="podcast"):
        target(form, Path(to) if to else None)


@pytest.mark.parametrize(
    ("form", "to", "reason"),
    [
        pytest.param("csv", None, "needs --format parquet", id="vectors as text"),
        pytest.param("txt", "a.parquet", "needs --format parquet", id="the option wins"),
    ],
)
def test_vectors_are_refused_in_a_format_of_text(form: str, to: str | None, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        target(form, Path(to) if to else None, vectors=True)


def test_a_format_whose_package_is_missing_names_what_to_install() -> None:
    absent = replace(FORMATS["parquet"], needs=("no_such_package", "parquet"))
    assert absent.missing == "parquet files need the package no_such_package: pip install 'ingest[parquet]'"
    assert FORMATS["parquet"].missing is None
