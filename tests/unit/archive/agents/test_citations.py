"""Texts for agents: parts of recordings, and long ones that are continued."""

from __future__ import annotations

import pytest

from ingest.archive.agents import citations
from ingest.archive.agents.inputs import Part
from ingest.archive.web.shapes import Passage


def passage(index: int, start_s: float, end_s: float, letters: int = 10) -> Passage:
    return Passage(
        index=index,
        start_s=start_s,
        end_s=end_s,
        text="a" * letters,
        speaker=None,
        score=None,
        named_by=None,
        is_overlap=False,
        also_speaking=(),
        flags=(),
        link=None,
        words=None,
    )


def test_a_long_text_is_read_whole_part_by_part() -> None:
    passages = [passage(number, number * 30.0, number * 30.0 + 30, 1200) for number in range(100)]
    read: list[int] = []
    at: float | None = 0.0
    while at is not None:
        part = Part.model_validate({"recording": "a" * 11, "from": at})
        shown, at = citations.fitting(citations.within(passages, part))
        assert sum(len(item.text) for item in shown) <= citations.MOST_LETTERS
        read += [item.index for item in shown]
    assert read == list(range(100))


def test_one_passage_is_shown_however_long_it_is() -> None:
    assert len(citations.fitting([passage(0, 0, 9, 10 * citations.MOST_LETTERS)])[0]) == 1


@pytest.mark.parametrize(
    ("from_s", "to_s", "indexes"),
    [
        pytest.param(0, 10, [0], id="one"),
        pytest.param(5, 12, [0, 1], id="two, in part"),
        pytest.param(10, 20, [1, 2], id="an empty passage at its second"),
        pytest.param(30, 40, [], id="after the end"),
    ],
)
def test_a_part_has_the_passages_that_are_spoken_in_it(from_s: float, to_s: float, indexes: list[int]) -> None:
    passages = [passage(0, 0, 10), passage(1, 10, 15), passage(2, 15, 15), passage(3, 20, 30)]
    part = Part.model_validate({"recording": "a" * 11, "from": from_s, "to": to_s})
    assert [item.index for item in citations.within(passages, part)] == indexes


@pytest.mark.parametrize(
    ("second", "speaker", "text"),
    [(3723.9, "Ada", "Talk, 1:02:03, Ada"), (59.9, None, "Talk, 0:59")],
)
def test_a_heading_has_the_time_and_the_speaker(second: float, speaker: str | None, text: str) -> None:
    assert citations.heading("Talk", second, speaker) == text
