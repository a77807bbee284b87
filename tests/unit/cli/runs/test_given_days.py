"""A day that is given with `--published` reaches recordings that are indexed already, without a new reading of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.cli.runs.request import Request
from ingest.cli.selection import Selection
from ingest.shared.about import DateSource
from ingest.shared.captions import CaptionUse, CaptionWish
from ingest.shared.messages import Metadata, Policy
from ingest.shared.video_state import VideoRecord, VideoState

DAY, OTHER = datetime(2024, 5, 3, tzinfo=UTC), datetime(2024, 5, 4, tzinfo=UTC)
ONLY = Policy(captions=CaptionWish(use=CaptionUse.ONLY))


def selection(day: datetime | None = DAY, *, force: bool = False) -> Selection:
    return Selection(force=force, known=Metadata(published_at=day, date_source=DateSource.GIVEN if day else None))


def video(day: datetime | None, state: VideoState = VideoState.INDEXED, policy: Policy | None = None) -> VideoRecord:
    known = Metadata(published_at=day, date_source=DateSource.GIVEN if day else None)
    return VideoRecord("abcdefghijk", 1, state, metadata=known, policy=policy or Policy())


@pytest.mark.parametrize(
    ("wanted", "known", "gives"),
    [
        pytest.param(selection(), video(None), True, id="none before"),
        pytest.param(selection(), video(OTHER), True, id="another before"),
        pytest.param(selection(), video(DAY), False, id="the same"),
        pytest.param(selection(None), video(OTHER), False, id="none given"),
        pytest.param(selection(force=True), video(None), False, id="everything again"),
        pytest.param(selection(), video(None, VideoState.FAILED), False, id="not indexed"),
        pytest.param(selection(), video(None, policy=ONLY), False, id="captions, which are recognised now"),
    ],
)
def test_an_indexed_recording_gets_another_day(wanted: Selection, known: VideoRecord, *, gives: bool) -> None:
    assert Request((), wanted).gives_day(known) is gives


def test_a_day_that_was_given_can_be_given_anew() -> None:
    assert selection().known.over(video(OTHER).metadata).published_at == DAY
