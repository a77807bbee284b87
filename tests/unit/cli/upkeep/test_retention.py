"""Which files are deleted: a table of ages, budgets and kinds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.cli.upkeep.retention import Audio, Limits, Stray, audio_to_remove, strays_to_remove

NOW = datetime(2026, 1, 10, tzinfo=UTC)
LIMITS = Limits(timedelta(days=7), timedelta(hours=6), timedelta(hours=24), excess_bytes=0.0)


def audio(video_id: str, days: float, size: int = 100) -> Audio:
    return Audio(video_id, None, size, NOW - timedelta(days=days))


def test_audio_is_deleted_when_its_video_was_indexed_long_enough_ago() -> None:
    gone = audio_to_remove([audio("old", 7), audio("young", 6.9), audio("older", 30)], LIMITS, NOW)
    assert [(one.what, one.reason) for one in gone] == [("older", "indexed"), ("old", "indexed")]


@pytest.mark.parametrize(
    ("excess", "gone"),
    [(0, ["old"]), (100, ["old"]), (101, ["old", "second"]), (250, ["old", "second", "third"]), (1e9, 3)],
)
def test_above_the_budget_only_the_oldest_audio_is_deleted(excess: float, gone: list[str] | int) -> None:
    limits = Limits(LIMITS.keep, LIMITS.longest_job, LIMITS.grace, excess)
    found = [audio("third", 1), audio("old", 8), audio("second", 2)]
    removals = audio_to_remove(found, limits, NOW)
    assert [one.what for one in removals] == gone or len(removals) == gone
    assert {one.reason for one in removals[1:]} <= {"budget"}


@pytest.mark.parametrize(
    ("kind", "hours", "goes"),
    [
        ("unfinished", 5.9, False),
        ("unfinished", 6, True),
        ("replaced", 6, False),
        ("replaced", 24, True),
        ("unknown", 23.9, False),
        ("unknown", 24, True),
        ("earlier", 24, False),
        ("earlier", 7 * 24 - 1, False),
        ("earlier", 7 * 24, True),
    ],
)
def test_strays_are_deleted_after_the_longest_job_or_a_day(kind: str, hours: float, goes: bool) -> None:  # noqa: FBT001 (a table)
    stray = Stray("a/b", kind, 1, NOW - timedelta(hours=hours))
    assert bool(strays_to_remove([stray], LIMITS, NOW)) is goes
