"""Runs a service: settings, logs, bus, crash journal, health page, signals, shutdown.

A service's `__main__` names its stages; this file runs them. Services are crash-only: an error that the process cannot
repair ends it with a status other than 0, and its supervisor starts it again.

With `--until-settled RUN` a service ends by itself. Only then it has a status for its end by a signal: a Job of
Kubernetes would take 0 for the end of the work.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from ingest.shared.broker.backlog import BacklogWatch, WatchedConsumer
from ingest.shared.broker.bus import BusError, BusUnavailableError
from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.broker.topology import EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM, later_consumer
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.homes.chosen import is_folder
from ingest.shared.messages import Stage
from ingest.shared.runs.record import settled
from ingest.shared.runs.verdict import has_failures
from ingest.shared.runs.watch import RunWatch, Standings
from ingest.shared.settings import Settings, load
from ingest.shared.telemetry import health, logs
from ingest.shared.worker.arguments import parse
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.delayed import delayed_redelivery
from ingest.shared.worker.ending import (
    EXIT_BROKEN,
    EXIT_CONFIGURATION,
    EXIT_PASSING,
    EXIT_SOME_FAILED,
    EXIT_STOPPED,
    PASSING,
    give_up,
    leave,
    leave_after,
)
from ingest.shared.worker.isolation import SuspectLock
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.notes import FOLDER, notes_of
from ingest.shared.worker.retry import Pauses
from ingest.shared.worker.stage import StageWork, WorkerOptions
from ingest.shared.worker.stop_signals import StopSignals, on_stop_signals

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.runs.verdict import Fate

CHECK_EVERY_S = 0.5
STREAMS_WAIT_S = 2.0
OVERTIME_S = 3.0

S = TypeVar("S", bound=Settings)
log = logs.get_logger(__name__)


@dataclass(frozen=True)
class ServiceSpec:
    """A service: its stages, what has to be closed at the end, and the reason why it cannot go on (None: it can).

    The service that keeps the ledger also exports its lag and the number of dead letters, and finds out by `standings`
    when a run is settled.
    """

    stages: Sequence[StageWork[Any]]
    stop: Callable[[], None] = lambda: None
    broken: Callable[[], str | None] = lambda: None
    keeps_ledger: bool = False
    standings: Standings | None = None


@dataclass(frozen=True)
class Purpose:
    """What a service works for: a run, or none that ends. One that reports failures has a status for them."""

    run: str | None
    reports_failures: bool

    def end(self, bus: NatsBus) -> Counter[Fate] | None:
        """Return how the run has ended, before the service has started; None while it is open."""
        end = settled(bus, self.run) if self.run is not None else None
        if end is not None:
            log.info("run_settled", run=self.run, recordings=dict(end))
        return end

    def status(self, end: Counter[Fate] | None) -> int:
        """Return the exit status at the end of the run; None is the end by a signal."""
        if self.run is None:
            return 0
        if end is None:
            return EXIT_STOPPED
        return EXIT_SOME_FAILED if self.reports_failures and has_failures(end) else 0


class Runner(Protocol):
    """Threads that start, take no more work, and finish the messages in flight."""

    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """Take no more work."""

    def drain(self, deadline: float) -> None:
        """Finish by `deadline` (monotonic seconds)."""


def main(
    name: str,
    kind: type[S],
    build: Callable[[S, NatsBus], ServiceSpec],
    words: Sequence[str] = (),
    *,
    reports_failures: bool = False,
) -> NoReturn:
    """Run a service until SIGTERM or SIGINT, or until its run is settled; never returns.

    `words` are its command line. With `reports_failures`, its status then says whether recordings have failed.
    """
    purpose = Purpose(parse(name, words).until_settled, reports_failures=reports_failures)
    status = 0
    try:
        settings = load(kind)
        as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
        logs.configure(json_lines=as_json, level=settings.log_level, service=name, worker=settings.worker_name)
        status = purpose.status(_serve(name, settings, build, purpose))
    except ConfigurationError as error:
        give_up(EXIT_CONFIGURATION, "wrong_configuration", error=str(error))
    except IngestError as error:
        status = EXIT_PASSING if error.code in PASSING else EXIT_CONFIGURATION
        give_up(status, "cannot_start", code=error.code, error=error.message)
    except BusError as error:
        status = EXIT_PASSING if isinstance(error, BusUnavailableError) else EXIT_CONFIGURATION
        give_up(status, "cannot_start", error=str(error))
    leave(status)


def _serve(
    name: str, settings: S, build: Callable[[S, NatsBus], ServiceSpec], purpose: Purpose
) -> Counter[Fate] | None:
    """Run a service; return how its run has ended, None after a signal."""
    journal = _journal(name, settings)
    stopping = threading.Event()
    on_stop_signals(lambda: leave(purpose.status(None)))  # before the first message there is nothing to finish

    def lost(reason: str) -> None:
        if not stopping.is_set():  # else the service is stopping anyway
            give_up(EXIT_PASSING, "bus_lost", journal, error=reason)

    threading.excepthook = partial(_thread_failed, journal, stopping)

    ready: list[str] = ["starting"]
    bus = connect(settings, f"{name}.{settings.worker_name}", lost)
    if settings.metrics_port:
        reasons = partial(_unready, ready, bus)
        health.serve(settings.metrics_port, list, reasons, host=settings.metrics_host)
    _await_streams(bus, settings)
    if (end := purpose.end(bus)) is not None:
        return end
    began = time.monotonic()
    service = build(settings, bus)
    watch = RunWatch(bus, purpose.run, service.standings) if purpose.run is not None else None
    workers = _workers(settings, service, bus, journal)
    runners = _runners(settings, service, bus, workers, watch)
    signals = StopSignals()
    _start(runners)
    ready.clear()
    log.info("ready", took_s=round(time.monotonic() - began, 2))
    end = _until_end(signals, service, workers, watch, journal)
    stopping.set()
    log.info("stopping", in_flight=sum(worker.in_flight for worker in workers))
    leave_after(settings.grace_s + OVERTIME_S, journal, purpose.status(end))
    _drain(runners, settings.grace_s)
    service.stop()
    bus.close()
    log.info("stopped")
    return end


def _runners(
    settings: Settings, service: ServiceSpec, bus: NatsBus, workers: Sequence[Worker[Any]], watch: RunWatch | None
) -> list[Runner]:
    """Return the threads of a service."""
    redeliveries = [delayed_redelivery(work.stage, bus) for work in service.stages]
    watches = [_backlog(service, bus).thread()] if settings.metrics_port else []
    return [*workers, *redeliveries, *watches, *([watch.thread()] if watch is not None else [])]


def _until_end(
    signals: StopSignals,
    service: ServiceSpec,
    workers: Sequence[Worker[Any]],
    watch: RunWatch | None,
    journal: CrashJournal,
) -> Counter[Fate] | None:
    """Wait until a signal arrives, or the run is settled; return how it has ended, None after a signal."""
    while not signals.wait(CHECK_EVERY_S):
        if watch is not None and watch.settled is not None:
            log.info("run_settled", run=watch.run, recordings=dict(watch.settled))
            return watch.settled
        reason = service.broken() or (watch.trouble() if watch is not None else None)
        if reason and not any(worker.in_flight for worker in workers):
            give_up(EXIT_BROKEN, "broken", journal, error=reason)
    return None


def _unready(ready: list[str], bus: NatsBus) -> list[str]:
    """Return the reasons why the service is not ready: those of its start, and a lost connection."""
    return ready + ([] if bus.is_connected else ["no NATS"])


def _start(runners: Sequence[Runner]) -> None:
    for runner in runners:
        runner.start()


def _drain(runners: Sequence[Runner], grace_s: float) -> None:
    """Take no more work, and finish the messages in flight within the grace period."""
    deadline = time.monotonic() + grace_s
    for runner in runners:
        runner.stop()
    for runner in runners:
        runner.drain(deadline)


def _thread_failed(journal: CrashJournal, stopping: threading.Event, failed: threading.ExceptHookArgs) -> None:
    """End the process without charging a job: a service that lacks a thread has to be restarted.

    A service that is stopping goes on stopping.
    """
    details = {"thread": failed.thread and failed.thread.name, "exc_info": failed.exc_value}
    if stopping.is_set():
        log.error("thread_failed", **details)
    else:
        give_up(EXIT_BROKEN, "thread_failed", journal, **details)


def _await_streams(bus: NatsBus, settings: Settings) -> None:
    """Create or verify streams and consumers; without that right, wait until `ingest migrate` has created them."""
    deadline = time.monotonic() + settings.bus_patience_s
    while True:
        try:
            bus.provision(bus_topology(settings))
        except BusError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("waiting_for_streams", error=str(error), advice="`ingest migrate` creates them")
            time.sleep(STREAMS_WAIT_S)
        else:
            return


def _journal(name: str, settings: Settings) -> CrashJournal:
    own = None if is_folder(settings) else settings.volume / FOLDER
    return CrashJournal(notes_of(settings), f"{name}-{settings.worker_name}", own)


def _workers(settings: Settings, service: ServiceSpec, bus: NatsBus, journal: CrashJournal) -> list[Worker[Any]]:
    suspect_lock = SuspectLock()  # one for the process: a crash of one stage ends all of them
    pauses = Pauses(settings.retry_first_s, settings.retry_longest_s, settings.postponed_s)
    options = WorkerOptions(settings.worker_name, settings.grace_s, pauses)
    return [Worker(work, bus, journal, options, suspect_lock=suspect_lock) for work in service.stages]


def _backlog(service: ServiceSpec, bus: NatsBus) -> BacklogWatch:
    """Watch all stages, not only this service's: a stage without workers has to show, too."""
    consumers = [WatchedConsumer(stage, WORK_STREAM, (later_consumer(stage), LATER_STREAM)) for stage in Stage]
    if service.keeps_ledger:
        consumers.append(WatchedConsumer(LEDGER, EVENT_STREAM))
    return BacklogWatch(bus, consumers, dead_letters=service.keeps_ledger)
