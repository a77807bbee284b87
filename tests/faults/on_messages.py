"""Faults of recordings, messages and files that workers are given: one function for a round of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from services.shared.bus import DEAD_STREAM, INPUT_OF, REQUESTED
from services.shared.errors import Code
from services.shared.messages import EventKind, Stage, VideoRequested, encode
from services.shared.service import connect
from tests.faults.fleet import SOURCE
from tests.faults.trials import Trial, demand_letters, events_of

if TYPE_CHECKING:
    from collections.abc import Callable

CRASHES = 3
ASKING = 50
POISON = {
    b"\xff\xfe": Code.BAD_MESSAGE,
    b"[]": Code.BAD_MESSAGE,
    b"{}": Code.BAD_FIELD,
    b'{"schema_version": 0}': Code.BAD_VERSION,
    b'{"schema_version": 2}': Code.BAD_VERSION,
    b'{"video_id": "%b"}' % (b"x" * 1_200_000): Code.MESSAGE_TOO_LARGE,
}


def poison_jobs(action: str) -> Callable[[Trial], None]:
    """Return a round in which a recording ends whatever worker touches it; its neighbours must not suffer."""

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
    """The same request comes three times, with three numbers."""
    fleet = trial.fleet
    ids = fleet.submit(4)
    for video_id in ids:
        message = VideoRequested(video_id=video_id, source=SOURCE)
        for copy in ("a", "b"):
            fleet.bus.publish(REQUESTED, encode(message), f"copy:{copy}:{video_id}")
    trial.harm("downloader", times=2)
    trial.recover(ids)


def poison_messages(trial: Trial) -> None:
    """Messages that no stage can read."""
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
    """Fifty ask for one video at the same moment."""
    fleet = trial.fleet
    video = f"many{time.time_ns() % 10**7:07}"
    message = VideoRequested(video_id=video, source=SOURCE)
    fleet.generations[video] = 1
    bus = connect(fleet.settings, "many")
    data = encode(message)
    threads = [
        threading.Thread(target=bus.publish, args=(REQUESTED, data, f"{REQUESTED}:{message.job}"))
        for _ in range(ASKING)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bus.close()
    trial.recover([video])
    began = Counter(event.stage for event in events_of(fleet, [video]) if event.kind is EventKind.STARTED)
    trial.demand(began == dict.fromkeys(Stage, 1), f"the stages have begun one video {dict(began)} times")
