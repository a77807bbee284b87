"""The one loop of all stages: fetch a message, let the handler do the work, publish what came of it, acknowledge.

    fetch ─► decode ─► handler ─► publish the result ─► ack
                │          └ IngestError ─► retry.decide ─► dead letter | comes back later | settled ─► ack
                └ BAD_* ─► dead letter ─► ack

A slot is a thread that works on one message. The handler has no part in this: it takes a message and returns a
StageResult. Publish first, acknowledge after: work may be repeated, never lost.

SIGTERM (`stop`): no more messages are fetched. Messages in flight may finish within the grace period; the others get a
nak, and the attempt is not counted. A job that has ended its worker before runs alone, so that it cannot end others.
If the broker is unreachable, nothing is sent: it redelivers the message after `ack_wait`, uncounted.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Generic

from ingest.shared.broker.bus import Bus, BusError, Delivery
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind, decode
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import bound, get_logger
from ingest.shared.worker.isolation import SuspectLock
from ingest.shared.worker.retry import Attempts, crash_loop
from ingest.shared.worker.settlement import InFlight, Settlement
from ingest.shared.worker.stage import In, Report, StageResult, StageWork, WorkerOptions
from ingest.shared.worker.watchdog import PROCESS_WATCHDOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.shared.worker.crash_journal import CrashJournal
    from ingest.shared.worker.watchdog import Watchdog

PAUSED_WAIT_S = 1.0
BUS_TROUBLE_WAIT_S = 2.0
PROGRESS_EVERY_S = 2.0
GIVE_BACK_S = 2.0
NOTES_S = 180.0  # so long a store may take to answer, or to fail; what never answers must not hold a message

log = get_logger(__name__)


class Worker(Generic[In]):
    """Runs one stage with up to `work.slots` messages in flight.

    The workers of one process share a `suspect_lock`, so that a suspect runs alone in the process.
    """

    def __init__(
        self,
        work: StageWork[In],
        bus: Bus,
        journal: CrashJournal,
        options: WorkerOptions,
        *,
        watchdog: Watchdog = PROCESS_WATCHDOG,
        suspect_lock: SuspectLock | None = None,
    ) -> None:
        self._work = work
        self._bus = bus
        self._journal = journal
        self._options = options
        self._watchdog = watchdog
        self._suspect_lock = suspect_lock or SuspectLock()
        self._stop = threading.Event()
        self._in_flight: set[InFlight] = set()
        self._settlement = Settlement(work, bus, journal, options)
        metrics.begin(work.stage)
        self._threads = [
            threading.Thread(target=self._slot, name=f"{work.stage}-{number}", daemon=True)
            for number in range(work.slots)
        ]

    def start(self) -> None:
        """Start the slots."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Fetch no more messages."""
        self._stop.set()

    def drain(self, deadline: float) -> None:
        """Wait for the messages in flight until `deadline` (monotonic seconds), then nak the others.

        This takes at most `GIVE_BACK_S`: an unreachable broker redelivers them by itself.
        """
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        left = list(self._in_flight)
        if left:
            self._journal.abandon()
            giving = threading.Thread(target=self._give_back, args=(left,), name="give-back", daemon=True)
            giving.start()
            giving.join(GIVE_BACK_S)

    def _give_back(self, items: Sequence[InFlight]) -> None:
        for item in items:
            if item.claim():
                log.info("handed_back", job=item.job)
                with suppress(BusError):
                    self._bus.nak(item.delivery)

    @property
    def in_flight(self) -> int:
        """Return how many messages are in flight."""
        return len(self._in_flight)

    # -- one slot ---------------------------------------------------------------------------------------------------

    def _slot(self) -> None:
        held = None
        while not self._stop.is_set():
            reason = self._work.held()
            if reason != held:
                log.warning("held", reason=reason) if reason else log.info("goes_on")
                held = reason
            if reason:
                with self._work.pausing():
                    self._stop.wait(PAUSED_WAIT_S)
                continue
            try:
                delivery = self._bus.fetch(self._work.stage, WORK_STREAM, self._options.fetch_wait_s)
                if delivery is not None:
                    self._handle(delivery)
            except BusError as error:
                log.warning("bus_trouble", error=str(error))
                with self._work.talking():
                    self._stop.wait(BUS_TROUBLE_WAIT_S)

    def _handle(self, delivery: Delivery) -> None:
        if delivery.delivered > 1:
            metrics.REDELIVERIES.labels(self._work.stage).inc()
        try:
            message = decode(self._work.spec.reads, delivery.data)
        except IngestError as error:
            self._settlement.refuse(delivery, error)
            return
        self._bus.keep_alive(delivery, NOTES_S)
        try:
            self._settle(delivery, message, f"{self._work.stage}.{message.job}")
        finally:
            self._bus.release(delivery)  # a settled message has no beats; another one must be redelivered

    def _settle(self, delivery: Delivery, message: In, job: str) -> None:
        """Try a job, unless it has ended its worker too often, and settle its message."""
        attempts, refusal = self._judged(delivery, job)
        item = InFlight(delivery, message, attempts, job)
        self._in_flight.add(item)
        try:
            with bound(stage=self._work.stage, video_id=message.video_id, attempt=attempts.number):
                self._bus.keep_alive(delivery, math.inf)  # until the work begins: a suspect waits for the other jobs
                if refusal is not None:
                    self._settlement.fail(item, refusal)
                else:
                    self._try(item, message)
        finally:
            self._in_flight.discard(item)

    def _judged(self, delivery: Delivery, job: str) -> tuple[Attempts, IngestError | None]:
        """Return how often a job was tried, and why it is not to be tried now."""
        attempts = Attempts.from_headers(delivery.headers)
        try:
            attempts = replace(attempts, crash=self._journal.crashes(job))
        except IngestError as error:
            return attempts, error
        return attempts, crash_loop(attempts)

    def _try(self, item: InFlight, message: In) -> None:
        deadline_s = self._work.deadline_s(message)
        with ExitStack() as alone:
            with self._work.talking():
                alone.enter_context(self._suspect_lock.entered(suspect=item.attempts.is_suspect))
                self._settlement.publish_event(item, EventKind.STARTED)
            self._bus.keep_alive(item.delivery, deadline_s + self._options.grace_s)
            log.info("started")
            began = time.monotonic()
            try:
                outcome = self._outcome(item, message, deadline_s)
                with self._work.talking():
                    if isinstance(outcome, IngestError):
                        self._settlement.fail(item, outcome)
                    else:
                        self._settlement.succeed(item, outcome, time.monotonic() - began)
            finally:
                self._journal.end(item.job)

    def _outcome(self, item: InFlight, message: In, deadline_s: float) -> StageResult | IngestError:
        """Return the handler's result or error; raise BusError when it needs a broker that is unreachable."""
        try:
            with self._watchdog.limit(deadline_s), metrics.handling(self._work.stage):
                self._journal.begin(item.job)
                return self._work.handle(message, self._reporter(item))
        except IngestError as error:
            return error
        except BusError:  # not the video's fault: the broker redelivers the message
            raise
        except Exception as error:
            log.exception("unexpected_error")
            return IngestError(Code.UNEXPECTED, f"{type(error).__name__}: {error}")

    def _reporter(self, item: InFlight) -> Report:
        last = time.monotonic()

        def report(numbers: dict[str, float]) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_EVERY_S:
                last = time.monotonic()
                self._settlement.publish_progress(item, numbers)

        return report
