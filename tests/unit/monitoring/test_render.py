"""Values in the pictures of the dashboards."""

from __future__ import annotations

import math

import pytest

from monitoring.render import shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.93, "percentunit", "93 %"),
        (61.04, "percent", "61 %"),
        (4.66e9, "bytes", "4.66 GB"),
        (1_710_000_000, "hertz", "1.71 GHz"),
        (35.0, "celsius", "35 \N{DEGREE SIGN}C"),
        (210.0, "watt", "210 W"),
        (1500.0, "s", "1,500 s"),
        (45.712, "suffix: h/h", "45.71 h/h"),
        (1234.5, "suffix: /h", "1,234 /h"),
        (7.0, "short", "7"),
        (math.nan, "s", "-"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
