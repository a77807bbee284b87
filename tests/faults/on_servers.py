"""Faults of the broker, the database and the volume: one function for a round of each."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from services.cli.resume import resume_lost
from services.embedder.catalog import Catalog
from tests.disks import full
from tests.faults.trials import Trial, attempts, is_folded, send_to, under_load, written_at

if TYPE_CHECKING:
    from collections.abc import Callable


def broker_ended(how: signal.Signals, away_s: float) -> Callable[[Trial], None]:
    def play(trial: Trial) -> None:
        ids = under_load(trial)
        trial.harm()
        since = time.monotonic()
        trial.fleet.restart_broker(how, away_s)
        trial.recover_uncharged(ids, since)

    return play


def broker_wiped(trial: Trial) -> None:
    """The broker loses everything; `ingest resume` rebuilds the queue, and what was done is not done again."""
    fleet = trial.fleet
    ids = under_load(trial)
    fleet.until(lambda: is_folded(fleet))
    fleet.send(signal.SIGKILL)
    since = time.monotonic()
    fleet.restart_broker(wipe=True)
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
    ids = under_load(trial)
    trial.fleet.nats.process.send_signal(signal.SIGSTOP)
    trial.harm()
    trial.fleet.let_pass(8.0)
    trial.fleet.nats.process.send_signal(signal.SIGCONT)
    trial.recover_uncharged(ids)


def broker_full(trial: Trial) -> None:
    """The broker's disk is full for 8 s; then there is room, and the broker is started again, as Kubernetes does."""
    fleet = trial.fleet
    ids = under_load(trial)
    with full(fleet.folder / "nats"):
        trial.harm()
        fleet.let_pass(8.0)
    since = time.monotonic()
    fleet.restart_broker(signal.SIGTERM)
    trial.recover_uncharged(ids, since)


def postgres_full(trial: Trial) -> None:
    """Postgres's disk is full for 8 s; where the server has ended over it, it is started again when there is room."""
    fleet = trial.fleet
    ids = under_load(trial)
    with full(fleet.folder / "postgres"):
        trial.harm()
        fleet.let_pass(8.0)
    since = time.monotonic()
    if fleet.postgres.process.poll() is not None:
        fleet.restart_postgres()
    trial.recover_uncharged(ids, since)


def postgres_ended(how: signal.Signals) -> Callable[[Trial], None]:
    def play(trial: Trial) -> None:
        ids = under_load(trial)
        trial.harm()
        since = time.monotonic()
        trial.fleet.restart_postgres(how)
        trial.recover_uncharged(ids, since)

    return play


def backends_terminated(trial: Trial) -> None:
    ids = under_load(trial)
    with trial.fleet.connection() as connection:
        for _ in range(5):
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            trial.fleet.let_pass(0.2)
    trial.harm()
    trial.recover_uncharged(ids)


def postgres_frozen(trial: Trial) -> None:
    """Nothing answers, and nothing closes: only a deadline of the client's own helps."""
    fleet = trial.fleet
    ids = under_load(trial)
    processes = fleet.postgres_processes()
    for process in processes:
        send_to(process, signal.SIGSTOP)
    trial.harm()
    fleet.let_pass(8.0)
    for process in processes:
        send_to(process, signal.SIGCONT)
    trial.recover_uncharged(ids)


def commit_unknown(trial: Trial) -> None:
    trial.fleet.arm("embedder.committed", "database")
    ids = trial.fleet.submit(3)
    trial.harm()
    trial.recover(ids)
    trial.demand(trial.fleet.disarm("embedder.committed"), "the point was never reached")
    trial.demand(attempts(trial.fleet, ids) == {1}, "a fault of the database was charged")


def volume_says(names: tuple[str, ...], points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which the operating system refuses a step of writing a file."""

    def play(trial: Trial) -> None:
        point, name = trial.rng.choice(points), trial.rng.choice(names)
        trial.fleet.arm(point, f"errno:{name}")
        ids = trial.fleet.submit(3)
        trial.harm()
        trial.recover(ids)
        trial.demand(trial.fleet.disarm(point), f"{point} was never reached")
        trial.demand(attempts(trial.fleet, ids) == {1}, "a fault of the volume was charged")

    return play


def artifact_harmed(trial: Trial) -> None:
    """A file vanishes or changes between two stages: it is made once more."""
    fleet = trial.fleet
    fleet.send(signal.SIGSTOP, "asr")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.volume.manifest(video, "audio") is not None)
    manifest = fleet.volume.manifest(video, "audio")
    assert manifest is not None
    path = fleet.volume.resolve(manifest.artifact.path)
    if trial.rng.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(bytes(100))
    trial.harm()
    fleet.send(signal.SIGCONT, "asr")
    trial.recover([video])
