"""Bad days of YouTube, in simulated time: a page that changes, cookies that end, exits that are refused.

The limiter, the breaker, the decisions about retries and what was given up are real. The broker and the clock are
stand-ins, and the queue is a heap: no time passes while recordings wait. What checks and downloads them is the test's.
"""

from __future__ import annotations

import heapq
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.given_up import GivenUp
from ingest.downloader.sites.rate_limit import Budget
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.shared.errors import IngestError
from ingest.shared.messages import Source, SourceKind, Stage, VideoAccessible, VideoMessage, VideoRequested
from ingest.shared.worker.retry import Again, Attempts, Pauses, decide
from tests.support.site_keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.downloader.exits import Exit

LONGEST = timedelta(days=3)
CHANGED_FOR = timedelta(minutes=30)


@dataclass(frozen=True)
class Plan:
    """How many recordings, what an exit may ask, and after how many of them what happens."""

    recordings: int = 500
    budget: Budget = field(default_factory=lambda: Budget(250, 10))

    def share(self, hundredths: int) -> int:
        return self.recordings * hundredths // 100

    @property
    def changes_at(self) -> int:
        return self.share(20)

    @property
    def ends_at(self) -> int:
        return self.share(40)

    @property
    def refuses_at(self) -> int:
        return self.share(60)


@dataclass
class Day:
    """What has happened so far: the time of each download, and since when the page has changed."""

    plan: Plan
    keys: Keys
    downloaded: list[datetime] = field(default_factory=list)
    changed_at: datetime | None = None

    def is_changed(self) -> bool:
        """Return whether the page is another one: once, for half an hour."""
        if self.changed_at is None and len(self.downloaded) >= self.plan.changes_at:
            self.changed_at = self.keys.now
        return self.changed_at is not None and self.keys.now - self.changed_at < CHANGED_FOR

    def has_ended(self) -> bool:
        """Return whether the cookies of the account have ended."""
        return len(self.downloaded) >= self.plan.ends_at

    def is_refused(self, number: int) -> bool:
        """Return whether an exit gets a bot check."""
        return len(self.downloaded) >= self.plan.refuses_at and number in (2, 3)


class Fleet:
    """The downloaders, their broker and its clock."""

    def __init__(self, plan: Plan, exits: tuple[Exit, ...], ask: Callable[[str, Exit | None], object]) -> None:
        self.keys = Keys(datetime.now(UTC))
        self.plan = plan
        self.day = Day(plan, self.keys)
        self.limiter = RateLimiter(self.keys, plan.budget, exits)
        given_up = {stage: GivenUp(self.keys, stage) for stage in (Stage.CHECK, Stage.DOWNLOAD)}
        self._breakers = {
            Stage.CHECK: Breaker(
                self.keys, Stage.CHECK, self.limiter.permit, self._in_its_time(ask), given_up[Stage.CHECK]
            ),
            Stage.DOWNLOAD: Breaker(self.keys, Stage.DOWNLOAD, self.limiter.permit, given_up=given_up[Stage.DOWNLOAD]),
        }
        self.counted: list[int] = []
        self.lost: list[str] = []
        self.said: list[str] = []
        self._queue: list[tuple[datetime, int, Stage, VideoMessage, Attempts]] = []
        self._rng = random.Random(7)  # noqa: S311 (jitter)
        self._number = 0

    @contextmanager
    def permit(self, message: VideoRequested | VideoAccessible, login: bool) -> Iterator[Exit | None]:  # noqa: FBT001 (a permit)
        """Grant a request as the downloader does; a time that a site names is one of the simulation."""
        stage = Stage.DOWNLOAD if isinstance(message, VideoAccessible) else Stage.CHECK
        with self._breakers[stage].permit(message, login) as way, self._moved():
            yield way

    def run(self, handlers: dict[Stage, Callable[[VideoMessage], VideoMessage]]) -> None:
        """Bring all recordings into the archive."""
        began = self.keys.now
        for number in range(self.plan.recordings):
            source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={number:010}A")
            self._put(began, Stage.CHECK, VideoRequested(video_id=f"{number:010}A", source=source), Attempts())
        while self._queue and self.keys.now - began < LONGEST:
            at, _, stage, message, attempts = heapq.heappop(self._queue)
            self.keys.now = max(self.keys.now, at)
            self._work(stage, message, attempts, handlers[stage])

    def _work(
        self, stage: Stage, message: VideoMessage, attempts: Attempts, handle: Callable[[VideoMessage], VideoMessage]
    ) -> None:
        try:
            following = handle(message)
        except IngestError as error:
            self._failed(stage, message, attempts, error)
            return
        self.counted.append(attempts.transient)
        if stage is Stage.CHECK:
            self._put(self.keys.now, Stage.DOWNLOAD, following, Attempts())
        else:
            self.day.downloaded.append(self.keys.now)

    def _failed(self, stage: Stage, message: VideoMessage, attempts: Attempts, error: IngestError) -> None:
        self.said.append(str(error))
        decision = decide(error, attempts, self.keys.now, Pauses(), self._rng)
        if isinstance(decision, Again):
            self._put(decision.at, stage, message, decision.attempts)
        else:
            self.lost.append(f"{message.video_id}: {error}")
            self._breakers[stage].gave_up(message, error)

    def _put(self, at: datetime, stage: Stage, message: VideoMessage, attempts: Attempts) -> None:
        self._number += 1
        heapq.heappush(self._queue, (at, self._number, stage, message, attempts))

    def _in_its_time(self, ask: Callable[[str, Exit | None], object]) -> Callable[[str, Exit | None], object]:
        def asked(url: str, way: Exit | None) -> object:
            with self._moved():
                return ask(url, way)

        return asked

    @contextmanager
    def _moved(self) -> Iterator[None]:
        try:
            yield
        except IngestError as error:
            if error.retry_at is None:
                raise
            later = error.retry_at + (self.keys.now - datetime.now(UTC))
            raise IngestError(error.code, error.message, retry_at=later) from error
