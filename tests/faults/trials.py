"""The trial of a row with its notes, and queries of a fleet that rows use."""

from __future__ import annotations

import itertools
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM
from ingest.shared.errors import Code
from ingest.shared.messages import DeadLetter, EventKind, Stage, decode
from tests.faults.fleet import ACK_WAIT_S, Fleet
from tests.faults.needs import Needs

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ingest.shared.artifacts.volume import Kind
    from ingest.shared.messages import Event

RECOVERY_S = ACK_WAIT_S + 10.0
REST_S = 60.0
ACKNOWLEDGED_S = 1.0  # after its last event, a message is acknowledged, and the broker has stored that
ENDS = frozenset({EventKind.FINISHED, EventKind.INDEXED, EventKind.FAILED, EventKind.SKIPPED})
CALL_S = 25.0  # a call gets a connection within 10 s, has a deadline of 5 s, and its end is published
LOAD = 24
LOAD_WORK_S = 1.5
LOAD_S = 45.0  # with the rest of the load
FINISHED_WITH: dict[Kind, tuple[Kind, ...]] = {"audio": ("audio",), "transcript": ("transcript", "voices")}
MADE: tuple[Kind, ...] = ("audio", "transcript", "voices")  # of each indexed video: no source has captions here
STAGES_OF = {
    "downloader": (Stage.CHECK, Stage.DOWNLOAD),
    "asr": (Stage.ASR,),
    "embedder": (Stage.EMBEDDER,),
}


@dataclass
class Trial:
    """The fleet of a row, and its notes: recovery times, videos that must fail, number of faults."""

    fleet: Fleet
    rng: random.Random
    recoveries_s: list[float] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    faults: int = 0
    repeats: Counter[Stage] = field(default_factory=Counter)  # extra starts that the faults of this round account for
    wrong: list[str] = field(default_factory=list)

    def harm(self, *services: str, times: int = 1) -> None:
        """Note a fault of these services, or of all: each of them may start each video once more."""
        self.faults += times
        for service in services or STAGES_OF:
            self.repeats.update(dict.fromkeys(STAGES_OF[service], times))

    def recover(self, ids: list[str], since: float | None = None, limit_s: float = 300.0) -> None:
        """Wait for videos, and note the time since the fault."""
        began = since or time.monotonic()
        self.fleet.wait(ids, limit_s)
        self.recoveries_s.append(time.monotonic() - began)

    def recover_uncharged(self, ids: list[str], since: float | None = None) -> None:
        """Wait for videos that a fault of the environment has delayed, and demand that it cost no attempt.

        The recovery ends when no message is in progress and the table has all events.
        """
        began = since or time.monotonic()
        self.fleet.wait(ids)
        self.demand_uncharged(ids)
        self.recoveries_s.append(time.monotonic() - began)

    def demand_uncharged(self, ids: list[str]) -> None:
        """Wait for the end of all work, and note if a fault of the environment has cost a video an attempt."""
        self.come_to_rest()
        charged = {
            f"{event.stage} {event.code or event.kind} ({event.text[:80]})"
            for event in events_of(self.fleet, ids)
            if event.attempt > 1 or event.kind in (EventKind.RETRYING, EventKind.FAILED)
        }
        self.demand(not charged, f"a fault of the environment was charged: {', '.join(sorted(charged))}")

    def come_to_rest(self) -> None:
        """Wait until the queues are empty and the table has all events."""
        self.fleet.until(lambda: is_quiet(self.fleet) and is_folded(self.fleet), REST_S, "messages are left")

    def demand(self, condition: bool, what: str) -> None:  # noqa: FBT001 (reads like an assertion)
        """Note a broken promise unless the condition holds."""
        if not condition:
            self.wrong.append(what)


@dataclass(frozen=True)
class Row:
    """A row: its number in the table, the fault, the promise, one round of it, and the longest recovery promised."""

    number: str
    fault: str
    promise: str
    play: Callable[[Trial], None]
    limit_s: float = RECOVERY_S
    needs: Needs = field(default_factory=Needs)

    @property
    def family(self) -> str:
        """Return the number of the row's group."""
        return _family(self.number)


@dataclass(frozen=True)
class BareRow:
    """A row without a fleet; `play` returns the broken promises of a round in an empty folder."""

    number: str
    fault: str
    promise: str
    play: Callable[[Path, random.Random], list[str]]
    limit_s: float  # of a round

    @property
    def family(self) -> str:
        """Return the number of the row's group."""
        return _family(self.number)


def _family(number: str) -> str:
    """Return the number of a group: 24 for 24a, 1 for 1.12."""
    return re.split("[^0-9]", number, maxsplit=1)[0]


def under_load(trial: Trial) -> list[str]:
    """Submit many videos, and return at a random moment while some are in progress."""
    fleet, began = trial.fleet, time.monotonic()
    fleet.send(signal.SIGSTOP)  # all of the load is queued before any of it is processed
    ids = fleet.submit(LOAD)
    fleet.send(signal.SIGCONT)
    if time.monotonic() - began > ACK_WAIT_S:  # what a stopped worker had asked for was given to another, too
        trial.repeats[Stage.CHECK] += 1
    fleet.let_pass(trial.rng.uniform(0.2, 1.5))
    done = [video for video, (state, _, _) in fleet.states(ids).items() if state == "indexed"]
    trial.demand(len(done) < len(ids), "the load had ended before the fault")
    return ids


def is_postponed(fleet: Fleet, ids: list[str], code: Code) -> bool:
    """Return whether an attempt of one of these videos was postponed with this code."""
    return any(event.kind is EventKind.POSTPONED and event.code is code for event in events_of(fleet, ids))


def until_postponed(fleet: Fleet, ids: list[str], code: Code, limit_s: float) -> None:
    """Wait until an attempt of one of these videos was postponed with this code."""
    fleet.until(lambda: is_postponed(fleet, ids, code), limit_s, f"nothing was postponed for {code}")


def until_calls_end(fleet: Fleet, ids: list[str]) -> None:
    """Wait until all calls of a silent database have ended: those for videos, and those of both ledgers."""
    put_off = _put_off(fleet)
    until_postponed(fleet, ids, Code.ENV_DB_UNAVAILABLE, CALL_S)
    begun = _in_embedder(fleet, ids, EventKind.STARTED)
    fleet.until(
        lambda: (
            begun <= _in_embedder(fleet, ids, EventKind.POSTPONED)
            and all(count > put_off[name] for name, count in _put_off(fleet).items())
        ),
        CALL_S,
        "a call of the database does not end",
    )


def _in_embedder(fleet: Fleet, ids: list[str], kind: EventKind) -> set[str]:
    told = (event for event in events_of(fleet, ids) if event.stage is Stage.EMBEDDER)
    return {event.video_id for event in told if event.kind is kind}


def _put_off(fleet: Fleet) -> dict[str, int]:
    """Return how often each ledger has postponed its work."""
    return {log.stem: log.read_text(errors="replace").count('"ledger_waits"') for log in fleet.logs.glob("embedder-*")}


def events_of(fleet: Fleet, ids: list[str]) -> list[Event]:
    """Return the events of videos."""
    wanted = set(ids)
    return [event for event in fleet.events() if event.video_id in wanted]


def demand_letters(trial: Trial, wanted: Sequence[tuple[str | None, str]], since: int) -> None:
    """Demand exactly these dead letters since a place in their stream: each with its video (if known) and code.

    Dead letters of other videos that must fail are ignored.
    """
    fleet = trial.fleet
    wanted_ids = {video for video, _ in wanted}
    found: list[tuple[str | None, str]] = []
    while (message := fleet.bus.after(DEAD_STREAM, "ingest.dead.*", since)) is not None:
        since, data = message
        letter = decode(DeadLetter, data)
        if letter.video_id in wanted_ids or letter.video_id not in trial.failures:
            found.append((letter.video_id, letter.code))
    missing, surplus = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    trial.demand(not missing, f"no dead letters for {list(missing.elements())}")
    trial.demand(not surplus, f"unexpected dead letters: {list(surplus.elements())}")


def done_again(told: list[Event], since: float) -> list[str]:
    """Return the stages of videos that started after a time (seconds since 1970) and had ended well before it."""
    ended = {
        (event.stage, event.video_id)
        for event in told
        if event.kind in ENDS and event.at.timestamp() < since - ACKNOWLEDGED_S
    }
    begun = {
        (event.stage, event.video_id)
        for event in told
        if event.kind is EventKind.STARTED and event.at.timestamp() > since
    }
    return [f"{stage} of {video}" for stage, video in sorted(ended & begun)]


def is_folded(fleet: Fleet) -> bool:
    """Return whether the table has all events."""
    lag = fleet.bus.lag(LEDGER, EVENT_STREAM)
    return not lag.waiting and not lag.in_flight


def is_quiet(fleet: Fleet) -> bool:
    """Return whether no video has a message in a queue."""
    return not any(fleet.bus.stored(stream) for stream in (WORK_STREAM, LATER_STREAM))


def finished_files(fleet: Fleet, ids: Iterable[str]) -> dict[tuple[str, Kind], float]:
    """Return when the files of finished stages were stored; asr stores its transcript last."""
    found: dict[tuple[str, Kind], float] = {}
    for video, (last, kinds) in itertools.product(ids, FINISHED_WITH.items()):
        if fleet.volume.manifest(video, last) is None:
            continue
        for kind in kinds:
            manifest = fleet.volume.manifest(video, kind)
            if manifest is not None:
                found[video, kind] = max(one.changed_at_s for one in fleet.volume.home.list(manifest.artifact.path))
    return found
