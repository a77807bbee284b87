"""The window of a chunk, and when its answer is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr.recognition.whisper import (
    ChunkTranscript,
    ChunkWord,
    Memory,
    Request,
    answered,
    is_odd,
    remembered,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = (ChunkWord(0.0, 1.0, " yes", 0.9),)


@pytest.mark.parametrize(
    ("duration_s", "window_s"),
    [(0.0, 5), (0.1, 10), (5.0, 10), (5.1, 15), (20.0, 25), (20.1, 30), (25.1, 30), (30.01, 30)],
)
def test_a_window_has_a_margin_and_is_never_longer_than_that_of_the_model(duration_s: float, window_s: int) -> None:
    assert window(duration_s) == window_s


@pytest.mark.parametrize(
    ("language", "said", "odd"),
    [
        pytest.param("en", ChunkTranscript(words=WORDS, avg_logprob=-0.2), False, id="sure words"),
        pytest.param("en", ChunkTranscript(words=WORDS, avg_logprob=-0.6), True, id="improbable"),
        pytest.param("en", ChunkTranscript(words=WORDS, compression_ratio=2.5), True, id="repeated"),
        pytest.param("en", ChunkTranscript(), True, id="no words"),
        pytest.param(None, ChunkTranscript(languages={"en": 0.7, "cy": 0.3}), False, id="a language"),
        pytest.param(None, ChunkTranscript(languages={"en": 0.5, "cy": 0.3}), True, id="an unsure language"),
        pytest.param(None, ChunkTranscript(), False, id="a model of one language"),
    ],
)
@pytest.mark.parametrize(("frames", "is_short"), [(1500, True), (3000, False)])
def test_only_the_answer_from_a_short_window_is_doubtful(
    language: str | None,
    said: ChunkTranscript,
    odd: bool,  # noqa: FBT001 (a table)
    frames: int,
    is_short: bool,  # noqa: FBT001 (the same)
) -> None:
    request = Request(np.zeros((80, frames), dtype=np.float32), 5.0, language)
    assert is_odd(request, said) == (odd and is_short)


def test_a_doubtful_answer_comes_from_a_whole_window_which_is_read_once() -> None:
    asked: list[list[int]] = []

    def read(requests: Sequence[Request]) -> list[ChunkTranscript]:
        asked.append([request.frames for request in requests])
        return [
            ChunkTranscript(f"{request.duration_s}", WORDS, -0.1 if request.frames > 1000 else -0.9)
            for request in requests
        ]

    doubtful = Request(np.zeros((80, 1000), dtype=np.float32), 3.0, "en", memory=Memory())
    sure = Request(np.zeros((80, 1500), dtype=np.float32), 7.0, "en")
    for _ in range(2):
        found = answered([sure, doubtful], read)
        assert [(one.text, one.avg_logprob) for one in found] == [("7.0", -0.1), ("3.0", -0.1)]
    assert asked == [[1500, 1000], [3000], [1500, 1000]]


def test_what_another_thread_learns_meanwhile_does_not_mix_up_the_answers() -> None:
    chunks = [Request(np.zeros((80, 1000), dtype=np.float32), float(n), "en", memory=Memory()) for n in range(3)]
    chunks[0].remember(ChunkTranscript("known"))

    def read(requests: Sequence[Request]) -> list[ChunkTranscript]:
        chunks[1].remember(ChunkTranscript("from another thread"))
        return [ChunkTranscript(f"{request.duration_s:.0f}") for request in requests]

    assert [answer.text for answer in remembered(chunks, read)] == ["known", "1", "2"]
    assert [answer.text for answer in remembered(chunks, read)][2] == "2"
