"""The times in the tags of media files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.shared.sandbox.tags import created_at

MAY = datetime(2024, 5, 3, 8, 11, 12, tzinfo=UTC)
DAY = MAY.replace(hour=0, minute=0, second=0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tags", "at"),
    [
        pytest.param({"creation_time": "2024-05-03T08:11:12.000000Z"}, MAY, id="QuickTime"),
        pytest.param({"creation_time": "2024-05-03T10:11:12+02:00"}, MAY, id="another zone"),
        pytest.param({"date": "2024-05-03T08:11:12"}, MAY, id="no zone"),
        pytest.param({"date": "20240503T081112"}, MAY, id="without marks"),
        pytest.param({"date": "2024-05-03"}, DAY, id="a day"),
        pytest.param({"creation_time": "soon", "date": "2024-05-03T08:11:12Z"}, MAY, id="the first that can be read"),
        pytest.param({"creation_time": "1904-01-01T00:00:00.000000Z"}, None, id="the zero of QuickTime"),
        pytest.param({"creation_time": "1970-01-01T00:00:00.000000Z"}, None, id="the zero of Unix"),
        pytest.param({"date": "0001-01-01T00:00:00+14:00"}, None, id="before the first year"),
        pytest.param({"date": "2019"}, None, id="a year"),
        pytest.param({"creation_time": "1970-01-01T01:00:12+01:00"}, None, id="some seconds behind a zero"),
        pytest.param({"creation_time": "1980-01-01T00:00:00Z"}, None, id="the zero of FAT"),
        pytest.param({"creation_time": "2031-05-03T08:11:12Z"}, None, id="years ahead"),
        pytest.param({"creation_time": "2031-05-03T08:11:12Z", "date": "2024-05-03"}, DAY, id="a clock that is wrong"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_time_of_a_file_is_its_first_whole_date(tags: dict[str, str], at: datetime | None) -> None:
    assert created_at({}, tags, now=NOW) == at
