"""Runs a service: settings, logs, bus, crash journal, health page, signals, shutdown.

A service's `__main__` names its stages; this file runs them. Services are crash-only: an error that the process cannot
repair ends it with a status other than 0, and its supervisor starts it again.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from ingest.shared.broker.backlog import BacklogWatch, WatchedConsumer
from ingest.shared.broker.bus import BusError, BusUnavailableError
from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.broker.topology import EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM, later_consumer
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import Stage
from ingest.shared.settings import Settings, load
from ingest.shared.telemetry import health, logs
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.delayed import delayed_redelivery
from ingest.shared.worker.isolation import SuspectLock
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.notes import notes_of
from ingest.shared.worker.retry import Pauses
from ingest.shared.worker.stage import StageWork, WorkerOptions
from ingest.shared.worker.stop_signals import StopSignals, on_stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.shared.broker.nats_bus import NatsBus

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h
EXIT_PASSING = 75  # EX_TEMPFAIL: another start may find what this one has missed
EXIT_BROKEN = 70  # EX_SOFTWARE
CHECK_EVERY_S = 0.5
STREAMS_WAIT_S = 2.0
ABANDON_LIMIT_S = 2.0
OVERTIME_S = 3.0
PASSING = frozenset({Code.ENV_DB_UNAVAILABLE, Code.ENV_DB_FULL, Code.ENV_DISK_FULL, Code.ENV_VOLUME})

S = TypeVar("S", bound=Settings)
log = logs.get_logger(__name__)


@dataclass(frozen=True)
class ServiceSpec:
    """A service: its stages, what has to be closed at the end, and the reason why it cannot go on (None: it can).

    The service that keeps the ledger also exports its lag and the number of dead letters.
    """

    stages: Sequence[StageWork[Any]]
    stop: Callable[[], None] = lambda: None
    broken: Callable[[], str | None] = lambda: None
    keeps_ledger: bool = False


class Runner(Protocol):
    """Threads that start, take no more work, and finish the messages in flight."""

    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """Take no more work."""

    def drain(self, deadline: float) -> None:
        """Finish by `deadline` (monotonic seconds)."""


def main(name: str, kind: type[S], build: Callable[[S, NatsBus], ServiceSpec]) -> NoReturn:
    """Run a service until SIGTERM or SIGINT; never returns."""
    try:
        settings = load(kind)
        as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
        logs.configure(json_lines=as_json, level=settings.log_level, service=name, worker=settings.worker_name)
        _serve(name, settings, build)
    except ConfigurationError as error:
        _give_up(EXIT_CONFIGURATION, "wrong_configuration", error=str(error))
    except IngestError as error:
        status = EXIT_PASSING if error.code in PASSING else EXIT_CONFIGURATION
        _give_up(status, "cannot_start", code=error.code, error=error.message)
    except BusError as error:
        status = EXIT_PASSING if isinstance(error, BusUnavailableError) else EXIT_CONFIGURATION
        _give_up(status, "cannot_start", error=str(error))
    _leave(0)


def _serve(name: str, settings: S, build: Callable[[S, NatsBus], ServiceSpec]) -> None:
    journal = _journal(name, settings)
    stopping = threading.Event()
    on_stop_signals(lambda: _leave(0))  # before the first message there is nothing to finish

    def lost(reason: str) -> None:
        if not stopping.is_set():  # else the service is stopping anyway
            _give_up(EXIT_PASSING, "bus_lost", journal, error=reason)

    threading.excepthook = partial(_thread_failed, journal, stopping)

    ready: list[str] = ["starting"]
    bus = connect(settings, f"{name}.{settings.worker_name}", lost)
    if settings.metrics_port:
        reasons = partial(_unready, ready, bus)
        health.serve(settings.metrics_port, list, reasons, host=settings.metrics_host)
    _await_streams(bus, settings)
    began = time.monotonic()
    service = build(settings, bus)
    workers = _workers(settings, service, bus, journal)
    redeliveries = [delayed_redelivery(work.stage, bus) for work in service.stages]
    watches = [_backlog(service, bus).thread()] if settings.metrics_port else []
    runners: list[Runner] = [*workers, *redeliveries, *watches]
    signals = StopSignals()
    for runner in runners:
        runner.start()
    ready.clear()
    log.info("ready", took_s=round(time.monotonic() - began, 2))
    while not signals.wait(CHECK_EVERY_S):
        reason = service.broken()
        if reason and not any(worker.in_flight for worker in workers):
            _give_up(EXIT_BROKEN, "broken", journal, error=reason)
    stopping.set()
    log.info("stopping", in_flight=sum(worker.in_flight for worker in workers))
    _leave_after(settings.grace_s + OVERTIME_S, journal)
    _drain(runners, settings.grace_s)
    service.stop()
    bus.close()
    log.info("stopped")


def _unready(ready: list[str], bus: NatsBus) -> list[str]:
    """Return the reasons why the service is not ready: those of its start, and a lost connection."""
    return ready + ([] if bus.is_connected else ["no NATS"])


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
        _give_up(EXIT_BROKEN, "thread_failed", journal, **details)


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
    return CrashJournal(notes_of(settings), f"{name}-{settings.worker_name}")


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


def _give_up(status: int, event: str, journal: CrashJournal | None = None, **details: object) -> NoReturn:
    """Log the reason and exit immediately without charging any job; exit even if logging fails."""
    try:
        logs.get_logger(__name__).error(event, **details)
    finally:
        _end(status, journal)


def _leave_after(seconds: float, journal: CrashJournal) -> None:
    """Exit with status 0 after `seconds`, even if a thread still waits for a broker, a database or a device."""
    timer = threading.Timer(seconds, _end, (0, journal))
    timer.daemon = True
    timer.start()


def _end(status: int, journal: CrashJournal | None) -> NoReturn:
    """Exit immediately without charging any job; a volume that does not answer blocks only the thread that asks it."""
    try:
        if journal is not None:
            forgetting = threading.Thread(target=journal.abandon, name="abandon", daemon=True)
            forgetting.start()
            forgetting.join(ABANDON_LIMIT_S)
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit immediately: the broker redelivers the messages of the threads that still run."""
    for stream in (sys.stderr, sys.stdout):
        with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: a signal arrived within a write to it
            stream.flush()
    os._exit(status)
