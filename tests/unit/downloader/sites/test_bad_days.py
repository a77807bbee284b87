"""Five hundred recordings of YouTube on bad days, in simulated time: none fails, and none loses an attempt.

The site is a stand-in; tests/integration/downloader/youtube has the same days with the real yt-dlp.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.exits import Exit, parsed
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import HOUR_S
from ingest.downloader.sites.rate_limiter import REQUEST_COST
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Stage, VideoAccessible, VideoMessage, VideoRequested
from tests.support.bad_days import Fleet, Plan

if TYPE_CHECKING:
    from datetime import datetime

EXITS = parsed(
    "direct\nhttp://anna:s3cret-one@one.example:8080\nsocks5://ben:s3cret-two@two.example:1080\n"
    "http://three.example:8080 cookies=/run/second.txt\n"
)
PLAN = Plan()
PER_HOUR = PLAN.budget.per_hour


class Site:
    """A fleet, and YouTube: what it refuses depends on how many recordings it has given, and through which exit."""

    def __init__(self) -> None:
        self.asked: defaultdict[int, list[datetime]] = defaultdict(list)
        self.fleet = Fleet(PLAN, EXITS, lambda _url, way: self.answer(way))
        self.fleet.run({Stage.CHECK: self.check, Stage.DOWNLOAD: self.download})

    def answer(self, way: Exit | None) -> Exit:
        assert way is not None
        day = self.fleet.day
        self.asked[way.number].append(self.fleet.keys.now)
        if day.is_refused(way.number):
            raise IngestError(Code.SOURCE_RATE_LIMITED, "Sign in to confirm you're not a bot")
        if day.has_ended() and way.cookies_file:
            raise IngestError(Code.ENV_COOKIES, "the login of second.txt has ended")
        if day.is_changed():
            raise IngestError(Code.SITE_CHANGED, "Failed to extract any player response")
        return way

    def check(self, message: VideoMessage) -> VideoMessage:
        assert isinstance(message, VideoRequested)
        with self.fleet.permit(message, False) as way:
            self.answer(way)
        assert way is not None
        return message.next(VideoAccessible, exit=way.number)

    def download(self, message: VideoMessage) -> VideoMessage:
        assert isinstance(message, VideoAccessible)
        with self.fleet.permit(message, False) as way:
            self.answer(way)
        return message


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


def test_every_recording_is_indexed_without_a_hand_and_none_has_lost_an_attempt(site: Site) -> None:
    assert site.fleet.lost == []
    assert len(site.fleet.day.downloaded) == PLAN.recordings
    assert set(site.fleet.counted) == {0}
    assert Troubles(site.fleet.keys).holds() == []


def test_the_pace_is_the_sum_of_what_the_healthy_exits_allow(site: Site) -> None:
    """Without the half an hour in which the page is another one, and the pauses between the probes after it."""
    day = site.fleet.day
    assert day.changed_at is not None
    phases = [
        ("four exits", day.downloaded[0], day.changed_at, (1, 2, 3, 4)),
        ("the page is back", day.downloaded[PLAN.changes_at + 2], day.downloaded[PLAN.refuses_at - 1], (1, 2, 3, 4)),
        ("two are refused", day.downloaded[PLAN.refuses_at], day.downloaded[-1], (1, 4)),
    ]
    for name, since, until, healthy in phases:
        asked = sum(since <= at < until for number in healthy for at in site.asked[number])
        allowed = len(healthy) * PER_HOUR * (until - since).total_seconds() / HOUR_S / REQUEST_COST
        burst = len(healthy) * PLAN.budget.burst / REQUEST_COST
        print(f"{name:20} {asked:4} requests; the healthy exits allow {allowed:.0f}, and {burst:.0f} at once")  # noqa: T201 (pytest -s)
        assert 0.98 * allowed <= asked <= allowed + burst + len(healthy)


def test_exits_that_are_refused_get_only_probes(site: Site) -> None:
    since = site.fleet.day.downloaded[PLAN.refuses_at] + timedelta(seconds=1)
    assert sum(at > since for number in (2, 3) for at in site.asked[number]) <= 2


def test_no_login_is_in_the_state_and_in_what_is_said(site: Site) -> None:
    keys = site.fleet.keys
    shown = " ".join(entry.data.decode() for entry in keys.values.values()) + " ".join(site.fleet.said)
    shown += str(site.fleet.limiter.sites()) + repr(EXITS)
    assert "second.txt" in shown
    assert not [secret for secret in ("anna", "ben", "s3cret") if secret in shown.replace("bench", "")]
