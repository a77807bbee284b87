"""Faults of the broker and the database: one function for a round of each."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from services.cli.resume import resume_lost
from services.embedder.catalog import Catalog
from services.shared.errors import Code
from tests.disks import full
from tests.faults.trials import CALL_S, Trial, is_folded, under_load, until_calls_end, until_postponed, written_at

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY_S = 8.0


def broker_ended(how: signal.Signals, away_s: float) -> Callable[[Trial], None]:
    """Return a round in which the broker ends, and is started again."""

    def play(trial: Trial) -> None:
        ids = under_load(trial)
        trial.harm()
        since = time.monotonic()
        with trial.fleet.servers.broker_away(how):
            trial.fleet.let_pass(away_s)
        trial.recover_uncharged(ids, since)

    return play


def broker_wiped(trial: Trial) -> None:
    """The broker loses everything; `ingest resume` rebuilds the queue, and what was done is not done again."""
    fleet = trial.fleet
    ids = under_load(trial)
    fleet.until(lambda: is_folded(fleet))
    fleet.events()
    fleet.send(signal.SIGKILL)
    since = time.monotonic()
    with fleet.servers.broker_away(wipe=True):
        fleet.forget_place()
    fleet.until(lambda: fleet.bus.is_connected, what="the driver is not connected")
    fleet.bus.provision(fleet.topology)
    trial.harm()
    done = [video for video, (state, _, _) in fleet.states(ids).items() if state == "indexed"]
    files = {video: written_at(fleet, video) for video in ids}
    asked = resume_lost(fleet.bus, Catalog(fleet.archive), dry_run=False)
    trial.demand(set(asked) == set(ids) - set(done), f"asked again for {len(asked)} of {len(ids) - len(done)}")
    for video in asked:
        fleet.generations[video] += 1
    trial.recover(ids, since)
    again = [video for video in ids if files[video] and written_at(fleet, video) != files[video]]
    trial.demand(not again, f"{len(again)} files were made again")


def broker_frozen(trial: Trial) -> None:
    """The broker stands still for longer than its clients' patience with one that does not answer a ping."""
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.broker_frozen():
        trial.fleet.let_pass(AWAY_S)
    trial.recover_uncharged(ids)


def broker_full(trial: Trial) -> None:
    """The broker's disk is full for 8 s; then there is room, and the broker is started again, as Kubernetes does.

    It may still hold what it knows to be acknowledged. Nobody is given that any more; `ingest migrate` removes it.
    """
    fleet = trial.fleet
    ids = under_load(trial)
    with full(fleet.folder / "nats"):
        trial.harm()
        fleet.let_pass(AWAY_S)
    since = time.monotonic()
    with fleet.servers.broker_away(signal.SIGTERM):
        pass
    trial.recover(ids, since)
    fleet.bus.provision(fleet.topology, update=True)
    trial.demand_uncharged(ids)


def postgres_full(trial: Trial) -> None:
    """Postgres's disk is full for 8 s; where the server has ended over it, it is started again when there is room."""
    fleet = trial.fleet
    ids = under_load(trial)
    with full(fleet.folder / "postgres"):
        trial.harm()
        fleet.let_pass(AWAY_S)
    since = time.monotonic()
    if fleet.servers.postgres.process.poll() is not None:
        fleet.servers.start_postgres()
    trial.recover_uncharged(ids, since)


def postgres_ended(how: signal.Signals) -> Callable[[Trial], None]:
    """Return a round in which Postgres ends, and is started again."""

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
    """Nothing answers, and nothing closes: only a deadline of the client's own ends a call, and it has to.

    Postgres goes on only when that was seen: until then it would free the call that has no deadline, too.
    """
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.postgres_frozen():
        until_calls_end(trial.fleet, ids)
    trial.recover_uncharged(ids)


def postgres_read_only(trial: Trial) -> None:
    """Postgres takes no writes for 8 s, as after a failover to a server that is not the first yet."""
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.postgres_read_only():
        until_postponed(trial.fleet, ids, Code.ENV_DB_UNAVAILABLE, CALL_S)
    trial.recover_uncharged(ids)
