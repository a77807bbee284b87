"""Faults of the broker and the database: one function for a round of each."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from ingest.cli.upkeep.resume import resume
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.errors import Code
from ingest.shared.video_state import ENDED
from ingest.shared.worker.ending import EXIT_PASSING
from tests.faults.fleet import PATIENCE_S
from tests.faults.homes import HomeName
from tests.faults.trials import (
    CALL_S,
    MADE,
    Trial,
    done_again,
    events_of,
    finished_files,
    is_postponed,
    is_quiet,
    under_load,
    until_calls_end,
    until_postponed,
)
from tests.support.disks import full

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.shared.artifacts.volume import Kind
    from tests.faults.fleet import Fleet

AWAY_S = 8.0
LONG_AWAY_S = PATIENCE_S + 5
STILL_S = 4.0  # under load, videos reach their next stage more often than this


def broker_ended(how: signal.Signals, away_s: float) -> Callable[[Trial], None]:
    """Return a round in which the broker ends, and is restarted."""

    def play(trial: Trial) -> None:
        ids = under_load(trial)
        trial.harm()
        at, since = time.time(), time.monotonic()
        with trial.fleet.servers.broker_away(how):
            trial.fleet.let_pass(away_s)
        trial.recover_uncharged(ids, since)
        again = done_again(events_of(trial.fleet, ids), at)
        trial.demand(not again, f"{', '.join(again)}: acknowledged, and started again")

    return play


def broker_long_away(trial: Trial) -> None:
    """The broker is unreachable for longer than `bus_patience_s`: all workers exit, and are restarted."""
    workers = trial.fleet.workers
    before = {worker.name: len(worker.statuses) for worker in workers}
    broker_ended(signal.SIGKILL, LONG_AWAY_S)(trial)
    stayed = [worker.name for worker in workers if EXIT_PASSING not in worker.statuses[before[worker.name] :]]
    trial.demand(not stayed, f"{', '.join(stayed)} did not give up")


def broker_wiped(trial: Trial) -> None:
    """The broker loses everything; `ingest resume` rebuilds the queue, and finished work is not repeated.

    A volume on the broker is lost with it: the work is repeated, and what was indexed before has no files any more.
    """
    fleet = trial.fleet
    ids = under_load(trial)
    fleet.until(lambda: len(fleet.states(ids)) == len(ids), what="not every video is in the table")
    fleet.send(signal.SIGSTOP, "embedder")  # so that some videos have a transcript and are not indexed
    fleet.until(
        lambda: _has_each_kind(finished_files(fleet, _not_ended(fleet))), what="files of each kind are not there"
    )
    fleet.send(signal.SIGKILL)
    since = time.monotonic()
    fleet.events()
    with fleet.servers.broker_away(wipe=True):
        fleet.forget_place()
    fleet.until(lambda: fleet.bus.is_connected, what="the driver is not connected")
    fleet.bus.provision(fleet.topology)
    trial.harm()
    lost = _not_ended(fleet)
    keeps_files = fleet.home is not HomeName.JETSTREAM
    if not keeps_files:
        fleet.without_files |= set(fleet.generations) - lost
    files = finished_files(fleet, lost)
    trial.demand(_has_each_kind(files) == keeps_files, f"files of {len(files)} kinds and videos were there")
    asked = resume(fleet.bus, Catalog(fleet.archive), dry_run=False)
    trial.demand(set(asked) == lost, f"asked again for {len(asked)} of {len(lost)}")
    for video in asked:
        fleet.generations[video] += 1
    trial.recover(ids, since)
    then = finished_files(fleet, lost)
    again = [f"{kind} of {video}" for (video, kind), at in files.items() if then.get((video, kind)) != at]
    trial.demand(not again, f"made again: {', '.join(again)}")


def _not_ended(fleet: Fleet) -> set[str]:
    return {video for video, (state, _, _) in fleet.states(list(fleet.generations)).items() if state not in ENDED}


def _has_each_kind(files: Iterable[tuple[str, Kind]]) -> bool:
    return {kind for _, kind in files} == set(MADE)


def broker_frozen(trial: Trial) -> None:
    """The broker is frozen for longer than its clients wait for the answer to a ping."""
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.broker_frozen():
        trial.fleet.let_pass(AWAY_S)
    trial.recover_uncharged(ids)


def broker_full(trial: Trial) -> None:
    """The broker's disk is full for 8 s; then it has space, and the broker is restarted, as Kubernetes does.

    The broker may still hold acknowledged messages. No consumer delivers them; `ingest migrate` removes them.
    """
    fleet = trial.fleet
    ids = under_load(trial)
    with full(fleet.folder / "nats"):
        trial.harm()
        fleet.let_pass(AWAY_S - STILL_S)
        before = fleet.bus.position(WORK_STREAM)
        fleet.let_pass(STILL_S)
        stands_still = fleet.bus.position(WORK_STREAM) == before and not is_quiet(fleet)
        trial.demand(stands_still, "videos reach their next stage although the broker's disk is full")
    since = time.monotonic()
    trial.harm()
    with fleet.servers.broker_away(signal.SIGTERM):
        pass
    trial.recover(ids, since)
    fleet.bus.provision(fleet.topology, update=True)
    trial.demand_uncharged(ids)


def postgres_full(trial: Trial) -> None:
    """Postgres's disk is full for 8 s, and until an attempt fails or the server ends because of it.

    Then the disk has space, and a server that has ended is restarted.
    """
    fleet = trial.fleet
    server = fleet.servers.postgres
    ids = under_load(trial)
    with full(fleet.folder / "postgres"):
        trial.harm()
        fleet.let_pass(AWAY_S)
        fleet.until(
            lambda: server.process.poll() is not None or is_postponed(fleet, ids, Code.ENV_DB_FULL),
            CALL_S,
            "no attempt was refused for lack of space",
        )
    since = time.monotonic()
    if server.process.poll() is not None:
        fleet.servers.start_postgres()
    trial.recover_uncharged(ids, since)


def postgres_ended(how: signal.Signals) -> Callable[[Trial], None]:
    """Return a round in which Postgres ends, and is restarted."""

    def play(trial: Trial) -> None:
        ids = under_load(trial)
        trial.harm()
        since = time.monotonic()
        with trial.fleet.servers.postgres_away(how):
            pass
        trial.recover_uncharged(ids, since)

    return play


def backends_terminated(trial: Trial) -> None:
    """Every connection ends, five times."""
    ids = under_load(trial)
    with trial.fleet.servers.connection() as connection:
        for _ in range(5):
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            trial.fleet.let_pass(0.2)
    trial.harm()
    trial.recover_uncharged(ids)


def postgres_frozen(trial: Trial) -> None:
    """Postgres neither answers nor closes connections: only the client's own deadline ends a call.

    Postgres continues after the deadlines were observed. Earlier it would also answer a call without a deadline.
    """
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.postgres_frozen():
        until_calls_end(trial.fleet, ids)
    trial.recover_uncharged(ids)


def postgres_read_only(trial: Trial) -> None:
    """Postgres accepts no writes, as after a failover to a server that is not yet the primary."""
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.postgres_read_only():
        until_postponed(trial.fleet, ids, Code.ENV_DB_UNAVAILABLE, CALL_S)
    trial.recover_uncharged(ids)
