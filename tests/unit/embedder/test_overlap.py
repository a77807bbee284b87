"""Who speaks at the same time as the speaker of a passage."""

from __future__ import annotations

import pytest

from ingest.embedder.overlap import TurnsInOrder, also_speaking, said
from ingest.shared.artifacts.transcript import Turn

TURNS = tuple(
    Turn(start_s=start_s, end_s=end_s, cluster=cluster, speaker=speaker)
    for start_s, end_s, cluster, speaker in (
        (0, 10, "S1", "Ada"),
        (4, 5, "S2", "Bob"),
        (6, 8, "S3", "Eve"),
        (9, 10, "S4", "Ada"),  # of the same person
        (9.9, 20, "S2", "Bob"),
        (11, 12, "S3", "Eve"),
        (21, 22, "S3", "Eve"),
        (23, 30, "S1", "Ada"),
    )
)


@pytest.mark.parametrize(
    ("start_s", "end_s", "speaker", "others"),
    [
        pytest.param(0, 9, "Ada", ("Eve", "Bob"), id="the longer one first"),
        pytest.param(0, 3.9, "Ada", (), id="others speak later"),
        pytest.param(4.9, 5.9, "Ada", (), id="less than a syllable"),
        pytest.param(9, 10, "Ada", (), id="the turns touch"),
        pytest.param(4, 12, "Bob", ("Ada", "Eve"), id="as seen by another"),
        pytest.param(20.5, 30, "Ada", (), id="before the speaker begins"),
        pytest.param(4, 5, None, (), id="no speaker"),
        pytest.param(40, 50, "Ada", (), id="no turn"),
    ],
)
def test_those_who_speak_while_the_speaker_does_are_found(
    start_s: float, end_s: float, speaker: str | None, others: tuple[str, ...]
) -> None:
    assert also_speaking(start_s, end_s, speaker, TURNS) == others


def test_one_speaks_and_two_speak() -> None:
    assert [said(names) for names in ((), ("Bob",), ("Bob", "Eve"))] == [
        "",
        "Bob speaks, too",
        "Bob and Eve speak, too",
    ]


def test_the_turns_in_a_time_are_found_whatever_their_order() -> None:
    ordered = TurnsInOrder(reversed(TURNS))
    for start_s in range(32):
        for end_s in range(start_s + 1, 33):
            found = [turn for turn in TURNS if turn.start_s < end_s and turn.end_s > start_s]
            assert ordered.within(start_s, end_s) == sorted(found, key=lambda turn: turn.start_s)
    assert TurnsInOrder(()).within(0, 1) == []
