"""When a waiting message is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.shared.broker.bus import Delivery
from ingest.shared.broker.topology import DELAY, DUE
from ingest.shared.worker.delayed import seconds_left

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def waiting(due: str, *, delivered: int = 1, published_at: datetime = NOW) -> Delivery:
    return Delivery("later", b"{}", 1, delivered, published_at, "reply", {DUE: due} if due else {})


@pytest.mark.parametrize("delivered", [1, 2])
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
def test_the_time_left_is_read_from_the_header(due: str, left_s: float, delivered: int) -> None:
    assert seconds_left(waiting(due, delivered=delivered), NOW) == left_s


def test_a_written_time_is_read_back() -> None:
    assert seconds_left(waiting(NOW.replace(hour=14).isoformat()), NOW) == 7200.0


@pytest.mark.parametrize(
    ("delivered", "put_back_s", "left_s"),
    [
        pytest.param(1, 3600, 3630.0, id="its timer does not run yet"),
        pytest.param(2, 3600, 0.0, id="its timer is over, the clock is an hour back"),
        pytest.param(2, 86_400, 0.0, id="its timer is over, the clock is a day back"),
        pytest.param(2, 10, 40.0, id="the clocks of two machines differ"),
        pytest.param(2, -86_400, 30.0 - 86_400, id="the clock is a day ahead"),
    ],
)
def test_a_message_does_not_wait_longer_when_the_clock_is_put_back(
    delivered: int, put_back_s: float, left_s: float
) -> None:
    due = (NOW + timedelta(seconds=30)).isoformat()
    now = NOW - timedelta(seconds=put_back_s)
    assert seconds_left(waiting(due, delivered=delivered), now) == left_s


@pytest.mark.parametrize(
    ("after_s", "left_s"),
    [
        pytest.param(10, 20.0, id="the clock is right again"),
        pytest.param(40, 0.0, id="and the delay is over"),
        pytest.param(3610, 20.0, id="the clock is still ahead"),
        pytest.param(-100, 30.0, id="the clock is behind the broker's"),
    ],
)
def test_a_message_of_a_worker_whose_clock_was_ahead_waits_no_longer_than_its_delay(
    after_s: float, left_s: float
) -> None:
    due = (NOW + timedelta(seconds=3630)).isoformat()
    sent = Delivery("later", b"{}", 1, 1, NOW, "reply", {DUE: due, DELAY: "30.000"})
    assert seconds_left(sent, NOW + timedelta(seconds=after_s)) == left_s
