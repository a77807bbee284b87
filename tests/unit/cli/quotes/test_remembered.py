"""What the recognizer answered for a citation is used for the others, as long as it is remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.recognition.whisper import ChunkTranscript, Request
from ingest.cli.quotes.remembered import RememberedAnswers

if TYPE_CHECKING:
    from collections.abc import Sequence


def request(value: float, language: str = "en", *, frames: int = 10, duration_s: float = 1.0) -> Request:
    return Request(np.full((4, frames), value, dtype=np.float32), duration_s, language)


class Recognizer:
    """Answers with its number of questions, and counts them."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        """Return a new answer to each request."""
        answers = [ChunkTranscript(f"answer {self.asked + number}") for number in range(len(requests))]
        self.asked += len(requests)
        return answers


def texts(remembered: RememberedAnswers, *requests: Request) -> list[str]:
    return [answer.text for answer in remembered.run(requests)]


def test_the_same_chunk_is_recognised_once_and_any_other_question_anew() -> None:
    recognizer = Recognizer()
    remembered = RememberedAnswers(recognizer.run)
    assert texts(remembered, request(1), request(2), request(1)) == ["answer 0", "answer 1", "answer 0"]
    assert texts(remembered, request(2)) == ["answer 1"]
    others = (request(1, "de"), request(3), request(1, frames=20), request(1, duration_s=2.0))
    assert len({*texts(remembered, *others[:1]), *texts(remembered, *others[1:])}) == len(others)
    assert recognizer.asked == 2 + len(others)


def test_the_answers_that_were_asked_for_last_are_remembered() -> None:
    recognizer = Recognizer()
    remembered = RememberedAnswers(recognizer.run, most=2)
    for value in (1, 2, 1, 3):
        remembered.run([request(value)])
    assert recognizer.asked == 3
    assert texts(remembered, request(1)) == ["answer 0"]
    assert texts(remembered, request(2)) == ["answer 3"]


def test_several_threads_get_their_own_answers() -> None:
    def answers(requests: Sequence[Request]) -> list[ChunkTranscript]:
        return [ChunkTranscript(f"{one.features[0, 0]:.0f}") for one in requests]

    remembered = RememberedAnswers(answers, most=3)
    wanted = [value % 7 for value in range(400)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda value: texts(remembered, request(value), request(value + 1)), wanted))
    assert found == [[f"{value}", f"{value + 1}"] for value in wanted]
