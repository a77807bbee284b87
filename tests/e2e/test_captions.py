"""Captions beside files, from the first version without recognition to captions of one's own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.demo import Sample
    from tests.e2e.conftest import Ingest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # three runs of all services

WRONG = "zanzibar"  # in the captions of the first recording, and never said


def vtt(sample: Sample, *more: str) -> str:
    """Return captions of the sentences of a recording, one after the other, and of what is never said."""
    texts = [*(sentence.text for sentence in sample.sentences), *more]
    share = sample.duration_s / len(texts)
    cues = (f"00:{n * share:06.3f} --> 00:{(n + 1) * share:06.3f}\n{text}\n" for n, text in enumerate(texts))
    return "WEBVTT\n\n" + "\n".join(cues)


def texts_of(ingest: Ingest) -> dict[str, str]:
    """Return the text of each recording."""
    found: dict[str, str] = {}
    for video, _, _, _, text in ingest.rows():
        found[video] = f"{found.get(video, '')} {text}".strip()
    return found


def flags_of(ingest: Ingest, video: str) -> set[str]:
    content: dict[str, Any] = ingest.json("show", video)
    return {flag for passage in content["passages"] for flag in passage["flags"]}


def test_captions_are_taken_alone_then_compared_then_replaced_by_hand(
    ingest: Ingest, recordings: tuple[Path, list[Sample]], tmp_path: Path
) -> None:
    folder, made = recordings
    talks = tmp_path / "talks"
    talks.mkdir()
    for number, sample in enumerate(made[:2]):
        shutil.copy(folder / sample.file, talks / f"{number}.ogg")
        (talks / f"{number}.vtt").write_text(vtt(sample, *([f"The {WRONG}, the {WRONG}."] if number == 0 else [])))

    first = ingest.json("run", str(talks), "--captions", "only")["tally"]
    assert (first["indexed"], first["fresh_downloads"], first["fresh_transcripts"]) == (2, 0, 0)
    texts = texts_of(ingest)
    (wrong,) = [video for video, text in texts.items() if WRONG in text]
    (other,) = texts.keys() - {wrong}
    assert " ".join(sentence.text for sentence in made[1].sentences) == texts[other]
    assert flags_of(ingest, wrong) == {"captions"}
    assert ingest.json("search", WRONG)[0]["video_id"] == wrong

    compared = ingest.json("run", str(talks), "--captions", "compare")["tally"]
    assert (compared["indexed"], compared["fresh_transcripts"]) == (2, 2)
    assert WRONG not in texts_of(ingest)[wrong]
    assert flags_of(ingest, wrong) == set()
    listed = ingest.json("status", "--sort", "disagreement")
    assert [row["video_id"] for row in listed] == [wrong, other]
    found = ingest.json("show", wrong, "--disagreement")
    assert found["disagreement"] == pytest.approx(listed[0]["figures"]["asr.captions_disagreement"], abs=0.001)
    assert WRONG in found["places"][0]["expected"]

    own = tmp_path / "own.srt"
    own.write_text("1\n00:00:00,500 --> 00:00:02,000\nThe words of a person.\n")
    ingest("import", other, str(own))
    ingest.json("run")
    assert texts_of(ingest)[other] == "The words of a person."
    assert flags_of(ingest, other) == {"captions"}
