"""When a waiting message is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.shared.worker.delayed import seconds_left

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "left_s"),
    [
        pytest.param("2026-01-02T12:01:30+00:00", 90.0, id="later"),
        pytest.param("2026-01-02T12:00:00.500000+00:00", 0.5, id="soon"),
        pytest.param("2026-01-02T13:00:00+01:00", 0.0, id="now, in another zone"),
        pytest.param("2026-01-02T11:59:00+00:00", -60.0, id="long due"),
        pytest.param("2026-01-09T12:00:00Z", 7 * 86400.0, id="in a week"),
        pytest.param("", 0.0, id="no time"),
        pytest.param("soon", 0.0, id="no time at all"),
        pytest.param("2026-01-02T13:00:00", 0.0, id="no zone"),
    ],
)
def test_the_time_left_is_read_from_the_header(due: str, left_s: float) -> None:
    assert seconds_left(due, NOW) == left_s


def test_a_written_time_is_read_back() -> None:
    assert seconds_left(NOW.replace(hour=14).isoformat(), NOW) == 7200.0
