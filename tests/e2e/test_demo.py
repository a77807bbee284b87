"""The demonstration: every sample is indexed, and each question finds its sentence."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.cli.operate.demo import QUESTIONS
from ingest.demo import ENROLLED, conversation, episodes, samples
from ingest.demo.accuracy import edits, words
from tests.e2e.conftest import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Ingest

pytestmark = pytest.mark.alone  # its time is measured

LIMIT_S = 90
WORST_WORD_ERROR_RATE = 0.10
WORST_START_S = 1.0
TITLES = ("Morning at the harbor", "A night in the hospital", "Notes from the concert")
ANSWERED_BY = dict(zip(QUESTIONS, TITLES, strict=True))


@dataclass(frozen=True)
class Demonstration:
    """The output of the demonstration, its duration, and its command line."""

    said: str
    took_s: float
    ingest: Ingest


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with command_line(tmp_path_factory.mktemp("demonstration")) as ingest:
        began = time.monotonic()
        said = ingest("demo")
        yield Demonstration(said, time.monotonic() - began, ingest)


def test_the_demonstration_indexes_all_episodes_and_finds_each_answer(demonstration: Demonstration) -> None:
    ingest = demonstration.ingest
    assert f"{len(episodes())} of {len(episodes())} indexed" in demonstration.said
    assert_speakers_are_named(ingest)
    for question, title in ANSWERED_BY.items():
        hit = ingest.json("search", question, "--limit", "1")[0]
        assert hit["title"] == title, question
        (sample,) = (sample for sample in samples() if sample.title == title)
        meant = min(sample.sentences, key=lambda sentence: edits(words(sentence.text), words(hit["sentence"])))
        assert abs(hit["start_s"] - meant.start_s) <= WORST_START_S, (hit, meant)


def assert_speakers_are_named(ingest: Ingest) -> None:
    hits = ingest.json("search", "the moon and the stars", "--speaker", ENROLLED, "--limit", "20")
    assert {hit["speaker"] for hit in hits} == {ENROLLED}
    (video_id,) = {hit["video_id"] for hit in hits if hit["title"] == conversation().title}
    spoken = {row["speaker"]: row["duration_s"] for row in ingest.json("status", video_id)["speakers"]}
    assert set(spoken) == {ENROLLED, "Unknown 1"}
    spoken_s = sum(
        sentence.end_s - sentence.start_s for sentence in conversation().sentences if sentence.speaker == ENROLLED
    )
    assert abs(spoken[ENROLLED] - spoken_s) < 0.2 * spoken_s


def test_the_demonstration_takes_a_minute(demonstration: Demonstration) -> None:
    assert demonstration.took_s < LIMIT_S


def test_the_word_error_rate_of_every_sample_is_low(demonstration: Demonstration) -> None:
    printed = re.findall(r"^  (.+) \(word error rate ([\d.]+)%", demonstration.said, re.MULTILINE)
    rates = {title: float(rate) for title, rate in printed}
    assert set(rates) == {sample.title for sample in episodes()}
    assert max(rates.values()) <= WORST_WORD_ERROR_RATE * 100, rates
