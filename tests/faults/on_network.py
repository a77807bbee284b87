"""Faults of the network between the workers and their servers: one function for a round of each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ingest.shared.messages import EventKind
from tests.faults.on_servers import AWAY_S
from tests.faults.trials import Trial, events_of, under_load, until_calls_end

if TYPE_CHECKING:
    from tests.faults.fleet import Fleet

SLOW_BYTES_PER_S = 4_000
FELT_S = 2.0  # of all clients together, within 8 s
RESETS = 5


def broker_stalled(trial: Trial) -> None:
    """The network to the broker stalls: every connection is half open, until pings without answer end it."""
    fleet = trial.fleet
    ids = under_load(trial)
    before = _reconnections(fleet)
    trial.harm()
    with fleet.servers.to_nats.stalled():
        fleet.let_pass(AWAY_S)
    trial.recover_uncharged(ids)
    unaware = [name for name, count in _reconnections(fleet).items() if count <= before[name]]
    trial.demand(not unaware, f"{', '.join(unaware)} have not noticed that the broker does not answer")


def _reconnections(fleet: Fleet) -> dict[str, int]:
    """Return how often each worker has reconnected to the broker."""
    return {path.stem: path.read_text(errors="replace").count('"bus_reconnected"') for path in fleet.logs.glob("*")}


def postgres_stalled(trial: Trial) -> None:
    """The network to Postgres stalls until calls have ended by their own deadline."""
    fleet = trial.fleet
    ids = under_load(trial)
    trial.harm()
    with fleet.servers.to_postgres.stalled():
        until_calls_end(fleet, ids)
    trial.recover_uncharged(ids)


def slow(trial: Trial) -> None:
    """The network to all servers is slow for a while."""
    servers = trial.fleet.servers
    ids = under_load(trial)
    trial.harm()
    before = {name: proxy.held_s for name, proxy in servers.proxies.items()}
    with ExitStack() as slowed:
        for proxy in servers.proxies.values():
            slowed.enter_context(proxy.slowed(SLOW_BYTES_PER_S))
        trial.fleet.let_pass(AWAY_S)
    trial.recover_uncharged(ids)
    for name, proxy in servers.proxies.items():
        held_s = proxy.held_s - before[name]
        trial.demand(held_s > FELT_S, f"data to {name} was delayed by {held_s:.1f} s only")


def reset(trial: Trial) -> None:
    """Every connection to a server is reset, five times."""
    servers = trial.fleet.servers
    ids = under_load(trial)
    trial.harm()
    for _ in range(RESETS):
        for proxy in servers.proxies.values():
            proxy.reset()
        trial.fleet.let_pass(trial.rng.uniform(0.2, 1.5))
    trial.recover_uncharged(ids)


def commit_unknown(trial: Trial) -> None:
    """The connection that stores rows is cut after its COMMIT, before the answer arrives."""
    fleet = trial.fleet
    proxy = fleet.servers.to_postgres
    before = proxy.cuts
    proxy.cut_after(b"COPY segments", b"COMMIT")
    ids = fleet.submit(3)
    trial.harm("embedder")
    trial.recover_uncharged(ids)
    trial.demand(proxy.cuts == before + 1, "no commit was cut")
    ends = [event for event in events_of(fleet, ids) if event.kind is EventKind.INDEXED]
    found = [event.video_id for event in ends if not event.numbers["fresh"]]
    trial.demand(len(found) == 1, f"{len(found)} videos were found committed, not the one that was cut")
