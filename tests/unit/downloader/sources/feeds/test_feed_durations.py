"""The durations of episodes in feeds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.sources.feeds.reader import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3723", 3723.0),
        ("62:03", 3723.0),
        ("1:02:03", 3723.0),
        ("01:02:03", 3723.0),
        (" 90 ", 90.0),
        ("90.5", 90.5),
        ("0:00:05", 5.0),
    ],
)
def test_a_duration_is_read_in_each_of_its_forms(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "00:00:00", "soon", "1h", "1:2:3:4", "-5", "1:-2", ":", "nan", "inf", "1e999", "1:nan"]
)
def test_any_other_text_is_no_duration(text: str) -> None:
    assert duration_s(text) is None


@given(text=st.text(st.sampled_from("0123456789:.-+einfa _")))
def test_a_duration_is_a_positive_number_or_none(text: str) -> None:
    seconds = duration_s(text)
    assert seconds is None or (seconds > 0 and math.isfinite(seconds))
