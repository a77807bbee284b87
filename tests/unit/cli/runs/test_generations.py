"""The number of the next run of a video."""

from __future__ import annotations

import pytest

from ingest.shared.bounds import LARGEST_GENERATION
from ingest.shared.broker.requests import next_generation
from ingest.shared.errors import Code, IngestError
from ingest.shared.video_state import VideoRecord


@pytest.mark.parametrize("known", [0, 1, LARGEST_GENERATION - 1])
def test_each_run_has_the_next_number(known: int) -> None:
    assert next_generation(VideoRecord("abcdefghijk", generation=known)) == known + 1


def test_a_video_whose_message_has_the_largest_number_is_refused_with_a_code() -> None:
    with pytest.raises(IngestError, match="abcdefghijk has the largest generation") as refused:
        next_generation(VideoRecord("abcdefghijk", generation=LARGEST_GENERATION))
    assert refused.value.code is Code.BAD_FIELD
