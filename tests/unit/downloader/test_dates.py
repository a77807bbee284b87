"""The day in the name of a recording."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.sources.dates import day_in


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2024-05-03 Board meeting", date(2024, 5, 3)),
        ("Board meeting 2024_05_03", date(2024, 5, 3)),
        ("2024.05.03", date(2024, 5, 3)),
        ("VID_20240503_101112", date(2024, 5, 3)),
        ("PXL_20240503_101112345.TS", date(2024, 5, 3)),
        ("Recording 2024 05 03", date(2024, 5, 3)),
        ("Of 2023-02-30, held on 2023-03-02", date(2023, 3, 2)),
        ("03-05-2024", None),
        ("2024-13-01", None),
        ("2024-05_03", None),
        ("episode 120240503", None),
        ("202405031", None),
        ("1080p 2024", None),
        ("GMT20240503-081112_Recording", date(2024, 5, 3)),
        ("Talk of 3 May 2024", date(2024, 5, 3)),
        ("May 3rd, 2024 - talk", date(2024, 5, 3)),
        ("2024 sept 3", date(2024, 9, 3)),
        ("13.05.2024", date(2024, 5, 13)),
        ("05-13-2024", date(2024, 5, 13)),
        ("03.05.2024", None),
        ("13.05-2024", None),
        ("31 Feb 2024", None),
        ("Dismay 3 2024", None),
        ("talk", None),
    ],
)
def test_a_name_with_a_whole_day_gives_it(name: str, day: date | None) -> None:
    found = day_in(name)
    assert (found and found.date()) == day


@given(st.text(), st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.sampled_from(["", "-", "_", ".", " "]), st.text())
def test_any_text_around_a_day_without_further_digits_changes_nothing(
    before: str, day: date, mark: str, after: str
) -> None:
    name = f"{_without_digits(before)}{day:%Y}{mark}{day:%m}{mark}{day:%d}{_without_digits(after)}"
    found = day_in(name)
    assert found is not None
    assert found.date() == day


def _without_digits(text: str) -> str:
    return "".join(letter for letter in text if not letter.isdigit())
