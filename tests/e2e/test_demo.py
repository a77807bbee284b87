"""The demonstration: every sample is indexed, and each question finds its sentence."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ingest.cli.demo import QUESTIONS
from ingest.demo import ENROLLED, conversation, episodes, samples
from ingest.demo.accuracy import edits, words

if TYPE_CHECKING:
    from tests.e2e.conftest import Ingest

LIMIT_S = 90
WORST_WORD_ERROR_RATE = 0.10
WORST_START_S = 1.0
TITLES = ("Morning at the harbor", "A night in the hospital", "Notes from the concert")
ANSWERED_BY = dict(zip(QUESTIONS, TITLES, strict=True))


def test_the_demonstration_indexes_all_episodes_and_finds_each_answer(ingest: Ingest) -> None:
    began = time.monotonic()
    said = ingest("demo")
    assert time.monotonic() - began < LIMIT_S
    assert f"{len(episodes())} of {len(episodes())} indexed" in said
    assert_speakers_are_named(ingest)
    for question, title in ANSWERED_BY.items():
        hit = ingest.json("search", question, "--limit", "1")[0]
        assert hit["title"] == title, question
        (sample,) = (sample for sample in samples() if sample.title == title)
        meant = min(sample.said, key=lambda sentence: edits(words(sentence.text), words(hit["sentence"])))
        assert abs(hit["start_s"] - meant.start_s) <= WORST_START_S, (hit, meant)


def assert_speakers_are_named(ingest: Ingest) -> None:
    hits = ingest.json("search", "the moon and the stars", "--speaker", ENROLLED, "--limit", "20")
    assert {hit["speaker"] for hit in hits} == {ENROLLED}
    (video_id,) = {hit["video_id"] for hit in hits if hit["title"] == conversation().title}
    spoken = {row["speaker"]: row["duration_s"] for row in ingest.json("status", video_id)["speakers"]}
    assert set(spoken) == {ENROLLED, "Unknown 1"}
    said_s = sum(said.end_s - said.start_s for said in conversation().said if said.speaker == ENROLLED)
    assert abs(spoken[ENROLLED] - said_s) < 0.2 * said_s


def test_the_word_error_rate_of_every_sample_is_low(ingest: Ingest) -> None:
    printed = re.findall(r"^  (.+) \(word error rate ([\d.]+)%", ingest("demo"), re.MULTILINE)
    rates = {title: float(rate) for title, rate in printed}
    assert set(rates) == {sample.title for sample in episodes()}
    assert max(rates.values()) <= WORST_WORD_ERROR_RATE * 100, rates
