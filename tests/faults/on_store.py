"""Faults of an object store and of a bucket on the broker: one function for a round of each."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.shared.errors import Code, IngestError
from tests.faults.on_servers import AWAY_S
from tests.faults.on_volume import AFTERWARDS_S
from tests.faults.trials import Trial, under_load, until_postponed
from tests.support.lying_store import lost, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ingest.shared.artifacts.home import Home
    from tests.support.lying_store import Answer, Forward, Lie, Request

NOTICED_S = 60.0  # a client asks again before it gives up, for a minute at most
BALLAST = "ballast"
BALLAST_BYTES = (1 << 20, 32 << 10, 1 << 10)
PLACES = ("/audio-", "/audio.json", "/voices-", "/transcript-", "/transcript.json", "/workers/")


def says(status: int, code: str) -> Lie:
    """Return the lie by which a request is refused, and not carried out."""
    return lambda _request, _forward: refusal(status, code)


BUSY: dict[str, Lie] = {
    "SlowDown": says(503, "SlowDown"),
    "InternalError": says(500, "InternalError"),
    "InsufficientStorage": says(507, "InsufficientStorage"),
    "no answer to what it has stored": lost,
}
DENIED: dict[str, Lie] = {
    "ExpiredToken": says(400, "ExpiredToken"),
    "RequestTimeTooSkewed": says(403, "RequestTimeTooSkewed"),
    "AccessDenied": says(403, "AccessDenied"),
}


def store_says(lies: Mapping[str, Lie]) -> Callable[[Trial], None]:
    """Return a round in which the store gives one of these answers to the PUT of a file, a manifest or a note, once."""

    def play(trial: Trial) -> None:
        what, where = trial.rng.choice(sorted(lies)), trial.rng.choice(PLACES)
        told = threading.Event()

        def once(request: Request, forward: Forward) -> Answer:
            if told.is_set() or request.method != "PUT" or where not in request.path:
                return forward(request)
            told.set()
            return lies[what](request, forward)

        with trial.fleet.servers.store.telling(once):
            ids = trial.fleet.submit(3)
            trial.harm()
            trial.recover_uncharged(ids)
        trial.demand(told.is_set(), f"{where}: the store has never said {what}")

    return play


def store_refuses(lie: Lie, code: Code, *methods: str) -> Callable[[Trial], None]:
    """Return a round in which the store refuses such requests until an attempt is postponed, and some time longer."""

    def refuse(request: Request, forward: Forward) -> Answer:
        return lie(request, forward) if request.method in methods else forward(request)

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        ids = under_load(trial)
        trial.harm()
        with fleet.servers.store.telling(refuse):
            until_postponed(fleet, ids, code, NOTICED_S)
            fleet.let_pass(AFTERWARDS_S)
        trial.recover_uncharged(ids)

    return play


def store_killed(trial: Trial) -> None:
    """The S3 server is killed under load, and started again."""
    ids = under_load(trial)
    trial.harm()
    since = time.monotonic()
    with trial.fleet.servers.store.away(signal.SIGKILL):
        pass
    trial.recover_uncharged(ids, since)


def store_stalled(trial: Trial) -> None:
    """The network to the S3 server stalls: every connection is half open."""
    ids = under_load(trial)
    trial.harm()
    with trial.fleet.servers.store.network.stalled():
        trial.fleet.let_pass(AWAY_S)
    trial.recover_uncharged(ids)


def bucket_full(trial: Trial) -> None:
    """The bucket on the broker is full until an attempt is postponed, and some time longer."""
    fleet = trial.fleet
    ids = under_load(trial)
    trial.harm()
    with _filled(fleet.volume.home):
        until_postponed(fleet, ids, Code.ENV_DISK_FULL, NOTICED_S)
        fleet.let_pass(AFTERWARDS_S)
    trial.recover_uncharged(ids)


@contextmanager
def _filled(home: Home) -> Iterator[None]:
    """Fill a home for the time of a block, so that it has no room for a note of a kilobyte."""
    number = 0
    for size in BALLAST_BYTES:
        while _is_taken(home, f"{BALLAST}/{number}", bytes(size)):
            number += 1
    try:
        yield
    finally:
        home.remove(BALLAST)


def _is_taken(home: Home, name: str, data: bytes) -> bool:
    try:
        home.put(name, data, None)
    except IngestError as error:
        if error.code is not Code.ENV_DISK_FULL:
            raise
        return False
    return True
