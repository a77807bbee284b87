"""`bench.peers` in small: two ways of words, with the miniature model, and the vectors of made-up recordings."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from bench import peers, peers_vectors
from bench.diarization import read
from bench.peers_process import Process
from ingest.demo import ASR_MODEL, samples
from ingest.shared.sandbox.decode import SAMPLE_RATE
from tests.integration.bad_inputs.recordings import pcm

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = samples()[0]
SECONDS = SAMPLE.sentences[3].start_s - 0.2
SENTENCES = SAMPLE.sentences[:3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    beginning = read(SAMPLE.path, SECONDS)
    pcm(tmp_path / "a.wav", (beginning * 32767).astype("<i2").tobytes(), rate=SAMPLE_RATE)
    text = " ".join(one.text for one in SENTENCES)
    line = {"file": "a.wav", "seconds": SECONDS, "language": "en", "text": text}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line))
    return tmp_path


@pytest.mark.long  # five processes load the libraries
def test_words_are_measured_in_processes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INGEST_ASR_MODEL", str(ASR_MODEL))
    options = ["--parts", "words", "--rounds", "1", "--beam", "1", "--threads", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["peers", "--folder", str(folder), *options])
    peers.main()
    figures = json.loads(capsys.readouterr().out)["figures"]["words"]
    assert {one["way"] for one in figures} == {
        "ingest",
        "ingest, finding the language",
        "faster-whisper",
        "faster-whisper, batched",
    }
    for one in figures:
        assert one["wrong"] < one["total"] / 3, one
        assert one["cpu_s"] > 0
        assert one["memory"] > 1e8


def test_a_process_that_ends_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended"), Process("no such way", {}):
        pytest.fail("it has started")


def test_vectors_are_the_same_in_both_ways() -> None:
    taken = peers_vectors.measured(count=3, rounds=1, seed=1)
    assert [len(each) for each in taken.values()] == [1, 1]
