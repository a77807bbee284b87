"""Faults of recordings and messages: one function for a round of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ingest.shared.broker.connect import connect
from ingest.shared.broker.requests import publish
from ingest.shared.broker.topology import DEAD_STREAM, INPUT_OF, REQUESTED, event_subject
from ingest.shared.errors import Code
from ingest.shared.messages import EventKind, Stage, VideoRequested, encode
from tests.faults.fleet import SOURCE
from tests.faults.recordings import REFUSAL, Flaw
from tests.faults.trials import Trial, demand_letters, events_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus

CRASHES = 3
ASKING = 50
CONNECTIONS = 10
POISON = {
    b"\xff\xfe": Code.BAD_MESSAGE,
    b"[]": Code.BAD_MESSAGE,
    b"{}": Code.BAD_FIELD,
    b'{"schema_version": 0}': Code.BAD_VERSION,
    b'{"schema_version": 2}': Code.BAD_VERSION,
    b'{"video_id": "%b"}' % (b"x" * 1_200_000): Code.MESSAGE_TOO_LARGE,
}


def poison_jobs(action: str) -> Callable[[Trial], None]:
    """Return a round in which a recording ends each worker that runs it; its neighbours must not be affected."""

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        before = fleet.bus.position(DEAD_STREAM)[1]
        (poison,) = fleet.submit(1, action)
        good = fleet.submit(4)
        trial.failures[poison] = Code.CRASH_LOOP if action != "bomb" else Code.UNEXPECTED
        trial.harm("downloader", times=CRASHES)
        trial.recover([poison, *good])
        trial.come_to_rest()
        demand_letters(trial, [(poison, trial.failures[poison])], before)

    return play


def published_twice(trial: Trial) -> None:
    """The same request is published three times, with three message ids."""
    fleet = trial.fleet
    ids = fleet.submit(4)
    for video_id in ids:
        message = VideoRequested(video_id=video_id, source=SOURCE)
        for copy in ("a", "b"):
            fleet.bus.publish(REQUESTED, encode(message), f"copy:{copy}:{video_id}")
    trial.harm("downloader", times=2)
    trial.recover(ids)


def poison_messages(trial: Trial) -> None:
    """Every stage gets messages that it cannot read."""
    fleet = trial.fleet
    before = fleet.bus.position(DEAD_STREAM)[1]
    for stage in Stage:
        for number, payload in enumerate(POISON):
            fleet.bus.publish(INPUT_OF[stage], payload, f"poison:{time.time_ns()}:{stage}:{number}")
    ids = fleet.submit(4)
    trial.recover(ids)
    trial.come_to_rest()
    demand_letters(trial, [(None, code) for code in POISON.values()] * len(Stage), before)


def submitted_by_many(trial: Trial) -> None:
    """Fifty clients submit two videos at the same moment; one of the videos is refused at once.

    One more client submits both after their end. The broker detects duplicates for two minutes only, so the events of a
    later submission are published as well.
    """
    fleet = trial.fleet
    before = fleet.bus.position(DEAD_STREAM)[1]
    good, bad = ids = [*fleet.new_ids(1), *fleet.new_ids(1, Flaw.BAD.at(Stage.CHECK))]
    fleet.generations |= dict.fromkeys(ids, 1)
    trial.failures[bad] = REFUSAL
    buses = [connect(fleet.settings, f"many-{number}") for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(ASKING) as clients:
        at_once = threading.Barrier(ASKING)
        asked = [clients.submit(_ask, buses[number % CONNECTIONS], ids, at_once) for number in range(ASKING)]
        for one in asked:
            one.result()
    trial.recover(ids)
    _ask(buses[0], ids)
    submitted = [event for event in events_of(fleet, ids) if event.kind is EventKind.SUBMITTED]
    trial.demand({event.video_id for event in submitted} == set(ids), "a submission has no event")
    for event in submitted:
        fleet.bus.publish(event_subject(Stage.CHECK), encode(event), f"late:{event.video_id}")
    for bus in buses:
        bus.close()
    trial.come_to_rest()
    began = Counter((event.video_id, event.stage) for event in events_of(fleet, ids) if event.kind is EventKind.STARTED)
    once = dict.fromkeys([(bad, Stage.CHECK), *((good, stage) for stage in Stage)], 1)
    trial.demand(began == once, f"the stages have begun two videos {dict(began)} times")
    demand_letters(trial, [(bad, REFUSAL)], before)


def _ask(bus: NatsBus, ids: list[str], at_once: threading.Barrier | None = None) -> None:
    """Submit videos as `ingest submit` does."""
    if at_once is not None:
        at_once.wait()
    for video_id in ids:
        publish(bus, VideoRequested(video_id=video_id, source=SOURCE))
