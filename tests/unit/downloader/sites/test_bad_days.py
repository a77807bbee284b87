"""Five hundred recordings of YouTube on bad days, in simulated time: none fails, and none loses an attempt.

The limiter, the breaker, the decisions about retries and what was given up are real; the site, the broker and the
clock are stand-ins.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.exits import Exit, parsed
from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.given_up import GivenUp
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import HOUR_S, Budget
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Source, SourceKind, Stage, VideoAccessible, VideoMessage, VideoRequested
from ingest.shared.worker.retry import Again, Attempts, Pauses, decide
from tests.support.site_keys import Keys

if TYPE_CHECKING:
    from datetime import datetime

EXITS = parsed(
    "direct\nhttp://anna:s3cret-one@one.example:8080\nsocks5://ben:s3cret-two@two.example:1080\n"
    "http://three.example:8080 cookies=/run/second.txt\n"
)
RECORDINGS = 500
PER_HOUR = 250


@dataclass
class Site:
    """YouTube: what it refuses depends on how many recordings it has given, and through which exit it is asked."""

    keys: Keys
    given: int = 0
    changed_at: datetime | None = None
    asked: dict[int, list[datetime]] = field(default_factory=dict)

    def answer(self, way: Exit | None) -> None:
        assert way is not None
        now = self.keys.now
        self.asked.setdefault(way.number, []).append(now)
        if self.given >= 300 and way.number in (2, 3):
            raise IngestError(Code.SOURCE_RATE_LIMITED, "Sign in to confirm you're not a bot")
        if self.given >= 200 and way.cookies_file:
            raise IngestError(Code.ENV_COOKIES, "the login of second.txt has ended")
        if self.given >= 100 and self.changed_at is None:
            self.changed_at = now
        if self.changed_at is not None and now - self.changed_at < timedelta(minutes=30):
            raise IngestError(Code.SITE_CHANGED, "Failed to extract any player response")


class Fleet:
    """The downloaders, their broker and its clock."""

    def __init__(self, exits: tuple[Exit, ...] = EXITS) -> None:
        self.keys = Keys()
        self.site = Site(self.keys)
        self.limiter = RateLimiter(self.keys, Budget(PER_HOUR, 10), exits)
        self.breakers = {
            Stage.CHECK: Breaker(
                self.keys,
                Stage.CHECK,
                self.limiter.permit,
                lambda _url, way: self.site.answer(way),
                GivenUp(self.keys, Stage.CHECK),
            ),
            Stage.DOWNLOAD: Breaker(
                self.keys, Stage.DOWNLOAD, self.limiter.permit, given_up=GivenUp(self.keys, Stage.DOWNLOAD)
            ),
        }
        self.queue: list[tuple[datetime, int, Stage, VideoMessage, Attempts]] = []
        self.indexed: list[Attempts] = []
        self.lost: list[str] = []
        self.said: list[str] = []
        self._rng = random.Random(7)  # noqa: S311 (jitter)
        self._number = 0
        self.hours = 0.0

    def put(self, at: datetime, stage: Stage, message: VideoMessage, attempts: Attempts) -> None:
        self._number += 1
        heapq.heappush(self.queue, (at, self._number, stage, message, attempts))

    def run(self) -> None:
        """Bring all recordings into the archive."""
        began = self.keys.now
        for number in range(RECORDINGS):
            source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={number:011}")
            self.put(began, Stage.CHECK, VideoRequested(video_id=f"{number:011}", source=source), Attempts())
        while self.queue and self.keys.now - began < timedelta(days=3):
            at, _, stage, message, attempts = heapq.heappop(self.queue)
            self.keys.now = max(self.keys.now, at)
            self._work(stage, message, attempts)
        self.hours = (self.keys.now - began).total_seconds() / HOUR_S

    def _work(self, stage: Stage, message: VideoMessage, attempts: Attempts) -> None:
        assert isinstance(message, VideoRequested | VideoAccessible)
        try:
            with self.breakers[stage].permit(message) as way:
                self.site.answer(way)
        except IngestError as error:
            self._failed(stage, message, attempts, error)
            return
        assert way is not None
        if stage is Stage.CHECK:
            self.put(self.keys.now, Stage.DOWNLOAD, message.next(VideoAccessible, exit=way.number), Attempts())
        else:
            self.site.given += 1
        self.indexed += [attempts] if stage is Stage.DOWNLOAD else []

    def _failed(self, stage: Stage, message: VideoMessage, attempts: Attempts, error: IngestError) -> None:
        self.said.append(str(error))
        decision = decide(error, attempts, self.keys.now, Pauses(), self._rng)
        if isinstance(decision, Again):
            self.put(decision.at, stage, message, decision.attempts)
        else:
            self.lost.append(f"{message.video_id}: {error}")
            self.breakers[stage].gave_up(message, error)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    made = Fleet()
    made.run()
    return made


def test_every_recording_is_indexed_without_a_hand_and_none_has_lost_an_attempt(fleet: Fleet) -> None:
    assert fleet.lost == []
    assert len(fleet.indexed) == RECORDINGS
    assert {attempts.transient for attempts in fleet.indexed} == {0}
    assert Troubles(fleet.keys).holds() == []


def test_exits_that_are_refused_get_only_probes_and_the_others_their_whole_budget(fleet: Fleet) -> None:
    last = fleet.keys.now - timedelta(minutes=10)
    late = {number: sum(at > last for at in times) for number, times in fleet.site.asked.items()}
    assert late[2] + late[3] <= 2
    for healthy in (1, 4):  # 4 as a guest
        assert 2 * PER_HOUR / 6 * 0.5 <= late[healthy] <= 2 * PER_HOUR / 6 + 1


def test_the_pace_is_the_sum_of_what_the_healthy_exits_allow(fleet: Fleet) -> None:
    healthy = 300 / (4 * PER_HOUR) + 200 / (2 * PER_HOUR)
    held = 1.4  # the page is changed for half an hour; probes follow after 1, 5, 21 and 81 minutes
    assert healthy < fleet.hours < 1.1 * (healthy + held)


def test_no_login_is_in_the_state_and_in_what_is_said(fleet: Fleet) -> None:
    shown = " ".join(entry.data.decode() for entry in fleet.keys.values.values()) + " ".join(fleet.said)
    shown += str(fleet.limiter.sites()) + repr(EXITS)
    assert "second.txt" in shown
    assert not [secret for secret in ("anna", "ben", "s3cret") if secret in shown.replace("bench", "")]
