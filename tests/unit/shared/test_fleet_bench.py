"""`bench.fleet`: how rounds are named, and how visits of messages are counted."""

from __future__ import annotations

import argparse

import pytest

from bench import report
from bench.fleet import joined
from bench.fleet_services import Visits, number_of, video_id
from ingest.shared.messages import Source, SourceKind, VideoRequested


def test_rounds_are_growing_numbers() -> None:
    assert report.sizes("40,1k,2.5k,1M") == [40, 1_000, 2_500, 1_000_000]
    for wrong in ("2k,1k", "1k,1k", "0"):
        with pytest.raises(argparse.ArgumentTypeError):
            report.sizes(wrong)


def test_a_video_has_a_valid_id_that_is_its_own_in_its_round() -> None:
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
    ids = [VideoRequested(video_id=video_id(*one), source=source).video_id for one in ((0, 7), (0, 99_999), (1, 7))]
    assert len(set(ids)) == len(ids)
    assert [number_of(one) for one in ids] == [7, 99_999, 7]


def test_a_video_that_is_worked_on_twice_is_counted_as_doubled_and_one_that_is_missing_as_lost() -> None:
    first, second, idle = (Visits(seen=bytearray(4)) for _ in range(3))
    for number in (0, 1, 3):
        first.note(number, began=2.0)
    second.note(1, began=1.0)  # in another process
    found = joined([one.figures() for one in (first, second, idle)])
    assert (found.total, found.distinct, found.began) == (4, 3, 1.0)
    assert found.ended == max(first.ended, second.ended)
