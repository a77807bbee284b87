"""The oracle of all faults: eight invariants of the pipeline, checked after each round on the real state.

I1  every submitted video has reached exactly one end, without help
I2  its passages are complete: numbered 0 to n-1, as many as its row says, each with its vector; and of the run that
    its row says
I3  a reader has read all the time, and only ever saw all passages of one run
I4  every indexed video has its files, and every file matches its manifest; only workers that have ended have left
    unfinished writes
I5  broker and table agree: no message waits, no message is in progress, no event is unread
I6  no stage starts a video more often than the faults of the round account for, nor one of an earlier round
I7  no worker has more open files, or memory, than a new one may
I8  a failure in a log names its video and its code; no secret is in any log
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.broker.topology import EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM, later_consumer
from ingest.shared.errors import IngestError
from ingest.shared.messages import EventKind, Stage
from ingest.shared.video_state import ENDED, VideoState
from tests.faults.processes import open_files, resident_bytes
from tests.faults.recordings import Flaw
from tests.faults.stored import stored
from tests.faults.trials import MADE
from tests.support.s3_server import SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.fleet import Fleet
    from tests.faults.reader import Reader

MOST_OPEN_FILES = 60  # pool, broker, logs, and a file or two for each slot
MOST_MEMORY_BYTES = 250_000_000  # a new worker of this test build takes 80 MB: three times that, and no model is loaded
FAILURES = {"failed", "retrying", "postponed", "skipped", "deferred"}
BEGINS = {
    EventKind.STARTED: 1,
    EventKind.POSTPONED: -1,
    EventKind.RETRYING: -1,
}  # a reported end accounts for the next start


class Oracle:
    """Checks a fleet at the end of each round; `begin` marks the start of a round."""

    def __init__(self, fleet: Fleet, reader: Reader) -> None:
        self._fleet = fleet
        self._reader = reader
        self.begin()

    def begin(self) -> None:
        """Record the state at the start of a round."""
        self._told = len(self._fleet.events())
        self._ended = self._fleet.ended
        self._asked = dict(self._fleet.generations)
        self._reads = self._reader.reads

    def judge(self, failures: Mapping[str, str], repeats: Mapping[Stage, int]) -> list[str]:
        """Return the violated invariants.

        `failures` are the videos that must fail, with their codes; `repeats` counts for each stage how many extra
        starts of a video the faults of this round account for.
        """
        return [
            *_ends(self._fleet, failures),
            *_rows(self._fleet),
            *self._seen(),
            *_files(self._fleet),
            *self._unfinished(),
            *_queues(self._fleet),
            *self._begins(repeats),
            *_processes(self._fleet),
            *_logs(self._fleet),
        ]

    def _seen(self) -> list[str]:
        wrong = [f"I3: {video_id} was seen as a mix of runs" for video_id in sorted(self._reader.mixed)]
        if self._reader.reads == self._reads:
            wrong.append(f"I3: no read since the round began ({self._reader.trouble[:80]})")
        return wrong

    def _unfinished(self) -> list[str]:
        if self._fleet.ended > self._ended:
            return []
        return [f"I4: {name} is unfinished, and no worker has ended" for name in unfinished_writes(self._fleet)]

    def _begins(self, repeats: Mapping[Stage, int]) -> list[str]:
        began: Counter[tuple[str, int, Stage]] = Counter()
        for event in self._fleet.events()[self._told :]:
            began[event.video_id, event.generation, event.stage] += BEGINS.get(event.kind, 0)
        wrong = []
        for (video_id, generation, stage), count in began.items():
            most = 0 if generation <= self._asked.get(video_id, 0) else _most(video_id, repeats.get(stage, 0))
            if count > most:
                wrong.append(f"I6: {stage} has started {video_id}.{generation} {count} times, {most} are accounted for")
        return wrong


def _most(video_id: str, repeats: int) -> int:
    """Return how often a stage may start a video.

    A kill may come when the message of a recording that is retried later is in two queues: each copy is repeated then.
    """
    is_twice = repeats > 0 and video_id.startswith(Flaw.LATE)
    return (1 + repeats) * (2 if is_twice else 1)


def unfinished_writes(fleet: Fleet) -> list[str]:
    """Return the unfinished writes: on the volume, and in the scratch of each machine."""
    names = [name.rpartition("/")[2] for name in _names(fleet)]
    found = [name for name in names if name.startswith(TEMPORARY_PREFIX)]
    return found + [path.name for scratch in scratches(fleet) for path in scratch.glob("*")]


def scratches(fleet: Fleet) -> set[Path]:
    """Return the folders of temporary files; one for all workers if they share a folder."""
    return {fleet.machine(worker.name) / "scratch" for worker in fleet.workers}


def _names(fleet: Fleet) -> list[str]:
    return [entry.name for entry in fleet.volume.home.list("videos/")]


def _ends(fleet: Fleet, failures: Mapping[str, str]) -> list[str]:
    states = fleet.states(list(fleet.generations))
    wrong = []
    for video_id, generation in fleet.generations.items():
        state, reached, code = states.get(video_id, ("lost", 0, None))
        wanted = ("failed", failures[video_id]) if video_id in failures else ("indexed", None)
        if (state, code) != wanted or reached != generation or state not in ENDED:
            wrong.append(f"I1: {video_id} is {state} {code or ''} in run {reached}, not {wanted} in {generation}")
    return wrong


def _rows(fleet: Fleet) -> list[str]:
    return [f"I2: {one.video_id} has {what}" for one in stored(fleet.archive) for what in one.wrong]


def _files(fleet: Fleet) -> list[str]:
    wrong = []
    states = fleet.states(list(fleet.generations))
    names = set(_names(fleet))
    folders = {name.split("/")[2] for name in names}
    for video_id in sorted(folders | set(fleet.generations)):
        is_indexed = video_id in states and states[video_id][0] == VideoState.INDEXED
        wants_files = is_indexed and video_id not in fleet.without_files
        for kind in MADE:
            named = f"{fleet.volume.folder(video_id)}/{kind}.json"
            manifest = fleet.volume.manifest(video_id, kind)
            try:
                if manifest is not None:
                    fleet.volume.home.forget_copy(manifest.artifact.path)
                    fleet.volume.verified(manifest.artifact, patience_s=0)
                elif wants_files or named in names:
                    wrong.append(f"I4: {video_id} has no readable {kind}.json")
            except IngestError as error:
                wrong.append(f"I4: {video_id}: {error}")
    return wrong


def _queues(fleet: Fleet) -> list[str]:
    consumers = [(str(stage), WORK_STREAM) for stage in Stage]
    consumers += [(later_consumer(stage), LATER_STREAM) for stage in Stage]
    wrong = []
    for consumer, stream in (*consumers, (LEDGER, EVENT_STREAM)):
        lag = fleet.bus.lag(consumer, stream)
        if lag.waiting or lag.in_flight:
            wrong.append(f"I5: {consumer} has {lag.waiting} waiting and {lag.in_flight} in progress")
    return wrong + [f"I5: {stream} is not empty" for stream in (WORK_STREAM, LATER_STREAM) if fleet.bus.stored(stream)]


def _processes(fleet: Fleet) -> list[str]:
    wrong = []
    for worker in fleet.workers:
        try:
            count = open_files(worker.process.pid)
            resident = resident_bytes(worker.process.pid)
        except FileNotFoundError:
            continue
        if count > MOST_OPEN_FILES:
            wrong.append(f"I7: {worker.name} has {count} files open")
        if resident > MOST_MEMORY_BYTES:
            wrong.append(f"I7: {worker.name} takes {resident / 1e6:.0f} MB of memory")
    return wrong


def _logs(fleet: Fleet) -> list[str]:
    secrets = (fleet.servers.nats.password, SECRET_KEY, "SIGNATURE")
    wrong = []
    for path in sorted(fleet.logs.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if any(secret in line for secret in secrets):
                wrong.append(f"I8: a secret in {path.name}: {line[:200]}")
            said = _whole(line)
            if said.get("event") in FAILURES and not (said.get("video_id") and said.get("code")):
                wrong.append(f"I8: {path.name}: {line[:200]}")
    return wrong


def _whole(line: str) -> dict[str, Any]:
    """Return the fields of a log line. A killed worker may have left a partial line before it, or only that."""
    for start in (line.find("{"), line.rfind('{"service": ')):
        try:
            said: dict[str, Any] = json.loads(line[start:]) if start >= 0 else {}
        except ValueError:
            continue
        return said
    return {}
