"""Fifty corrections of a real recording, under what whisper-base recognises in it with another beam and other chunks.

`recognised.json` has the words of `beam5`, of `beam1`, and of `beam1-cut`: without its first 0.35 s, so that all chunks
begin elsewhere. It was made once.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from ingest.embedder.corrections import places, said, words
from ingest.embedder.corrections.places import WordCorrection
from ingest.shared.artifacts.transcript import Segment, Word, join

RUNS = json.loads((Path(__file__).parent / "recognised.json").read_text(encoding="utf-8"))
COUNT = 50
SAME_PLACE_S = 0.8


def segments(run: str) -> list[Segment]:
    return [segment([word(*one) for one in group]) for group in RUNS[run] if group]


def word(start_s: float, end_s: float, text: str) -> Word:
    blank = text[: len(text) - len(text.lstrip())]
    return Word(start_s=start_s, end_s=end_s, before=blank, text=text.lstrip(), probability=0.9)


def segment(spoken: list[Word]) -> Segment:
    return Segment(
        start_s=spoken[0].start_s,
        end_s=spoken[-1].end_s,
        text=join(spoken),
        words=tuple(spoken),
        avg_logprob=-0.2,
        compression_ratio=1.2,
        no_speech_prob=0.0,
    )


def corrections(seed: int) -> list[WordCorrection]:
    """Return corrections of one to three words each, none of which touch another."""
    spoken, draw = said.words_of(segments("beam5")), random.Random(seed)  # noqa: S311 (no secret)
    made: list[WordCorrection] = []
    free = set(range(1, len(spoken) - 4))
    while len(made) < COUNT and free:
        first = draw.choice(sorted(free))
        count = draw.choice((1, 1, 2, 3))
        free -= set(range(first - 4, first + count + 1))
        old = spoken[first : first + count]
        expected = words.shown(old).strip(".,;:!?\"'")
        if not places.letters(expected):
            continue
        before, after = spoken[first - 1].word.text, spoken[first + count].word.text
        replacement = f"corrected{len(made)}"
        span = (old[0].word.start_s, old[-1].word.end_s)
        made.append(WordCorrection(len(made) + 1, *span, expected, replacement, before, after))
    return made


@pytest.mark.parametrize("run", ["beam1", "beam1-cut"])
@pytest.mark.parametrize("seed", range(3))
def test_corrections_are_found_again_in_another_run_and_none_is_misapplied(run: str, seed: int) -> None:
    made = {one.id: one for one in corrections(seed)}
    assert len(made) > COUNT * 0.8
    found = words.apply(segments(run), made.values())
    assert {outcome.correction for outcome in found.outcomes} == made.keys()
    states = Counter(outcome.state for outcome in found.outcomes)
    assert states["needs a look"] <= 0.1 * len(made)
    text = [(one.word.text, one.word.start_s) for one in said.words_of(found.segments)]
    for outcome in found.outcomes:
        at_s = [start_s for word, start_s in text if made[outcome.correction].replacement in word]
        if outcome.state == "needs a look":
            assert not any(word.strip(".,;:!?\"'") == made[outcome.correction].replacement for word, _ in text)
        else:
            assert abs(outcome.at_s - made[outcome.correction].start_s) <= SAME_PLACE_S
            assert at_s
