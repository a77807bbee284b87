"""`bench.peers`: the choice of recordings, their errors, and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.peers import Figure, rows
from bench.peers_set import groups, spread, wrong_turns, wrong_words
from bench.real_speech_set import Recording

if TYPE_CHECKING:
    from pathlib import Path


def recording(file: str, seconds: float, text: str = "one two", rttm: str | None = None) -> Recording:
    return Recording(file, seconds, "en", text, rttm, None, is_silent=False, is_inside=False)


FOUND = [
    recording("audio/a/1.wav", 2.0),
    recording("audio/a/2.wav", 3.0),
    recording("audio/a/3.wav", 60.0),
    recording("audio/b/1.wav", 4.0),
    recording("audio/b/2.wav", 300.0),
]


def test_recordings_are_grouped_by_length() -> None:
    chosen = {name: [one.seconds for one in some] for name, some in groups(FOUND, 1000.0).items()}
    assert chosen == {"short": [2.0, 4.0, 3.0], "mixed": [2.0, 4.0, 60.0, 3.0], "long": [300.0]}


@pytest.mark.parametrize(
    ("most_s", "seconds"),
    [
        pytest.param(0.0, [2.0], id="at least one"),
        pytest.param(9.0, [2.0, 4.0, 3.0], id="a long one is passed over"),
        pytest.param(66.0, [2.0, 4.0, 60.0], id="the longest comes second"),
    ],
)
def test_recordings_of_a_group_come_from_all_folders(most_s: float, seconds: list[float]) -> None:
    assert [one.seconds for one in spread(FOUND, most_s)] == seconds


def test_the_errors_of_all_recordings_are_added_up(tmp_path: Path) -> None:
    assert wrong_words(FOUND[:2], ["one two", "one three four"]) == (2, 4)
    (tmp_path / "turns").write_text("SPEAKER x 1 0.0 10.0 <NA> <NA> ada <NA> <NA>\n")
    wrong_s, speech_s = wrong_turns(tmp_path, [recording("a", 20.0, rttm="turns")], [[(0.0, 6.0, "S1")]])
    assert [wrong_s, speech_s] == pytest.approx([3.875, 9.75])  # without half of the collar


def test_a_row_has_the_medians_and_the_ratios_to_the_first_way() -> None:
    ours = [Figure("short", "ours", 1, 10, took_s, 2.0, 10**8) for took_s in (1.0, 2.0, 3.0)]
    other = [Figure("short", "other", 2, 10, 2 * one.took_s, 6.0, 2 * 10**8) for one in ours]
    assert list(rows([*ours, *other])) == [
        ("short", "ours", "10.00 %", "2.0 s", "2.0 s", "1.00x", "1.00x", "100 MB"),
        ("short", "other", "20.00 %", "4.0 s", "6.0 s", "2.00x", "3.00x", "200 MB"),
    ]
