"""The one judge of all faults: the eight invariants of the pipeline, checked on what is really there.

I1  every video that was asked for has come to exactly one end, without help
I2  its passages are complete: numbered 0 to n-1, as many as its row says, each with its vector
I3  no reader ever saw passages of two runs together
I4  every file is what its manifest says; what unfinished writes have left is swept away
I5  broker and table agree: nothing waits, nothing is in anybody's hands, no event is unread
I6  no stage has worked on a video more often than the faults explain
I7  no worker keeps more files open than when it was new
I8  a failure in a log names its video and its code; no secret is in any log
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.shared.bus import EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM, later_consumer
from services.shared.errors import IngestError
from services.shared.messages import EventKind, Stage
from services.shared.state import ENDED
from services.shared.volume import TEMPORARY_PREFIX

if TYPE_CHECKING:
    import psycopg

    from tests.faults.fleet import Fleet

INCOMPLETE = """
SELECT videos.video_id, passages, count(segments.idx), coalesce(max(segments.idx) + 1, 0), count(embeddings.idx)
FROM videos LEFT JOIN segments ON segments.video_id = videos.video_id
LEFT JOIN embeddings ON embeddings.video_id = videos.video_id AND embeddings.idx = segments.idx
WHERE state = 'indexed' GROUP BY videos.video_id, passages
"""
SEEN = "SELECT video_id, array_agg(text ORDER BY idx) FROM segments GROUP BY video_id"
RUN = re.compile(r"^Video (\S+) run (\d+) passage (\d+)\.$")
MOST_OPEN_FILES = 60  # pool, broker, logs, and a file or two for each slot
FAILURES = {"failed", "retrying", "postponed", "skipped", "deferred"}


class Reader(threading.Thread):
    """Reads the archive all the time, as a user's search would; keeps what must never be seen."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(name="reader", daemon=True)
        self._fleet = fleet
        self._done = threading.Event()
        self.mixed: set[str] = set()
        self.reads = 0

    def run(self) -> None:
        connection: psycopg.Connection | None = None
        while not self._done.wait(0.05):
            try:
                connection = connection or self._fleet.connection()
                rows = connection.execute(SEEN).fetchall()
            except Exception:  # noqa: BLE001 (the database may be the patient)
                connection = None
                continue
            self.reads += 1
            self.mixed.update(str(video_id) for video_id, texts in rows if is_mixed(str(video_id), texts))
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        self._done.set()
        self.join()


def is_mixed(video_id: str, texts: list[str]) -> bool:
    """Tell whether passages are not exactly those of one run of this video."""
    found = [match.groups() if (match := RUN.match(text)) else None for text in texts]
    runs = {one[1] for one in found if one}
    numbers = [int(one[2]) for one in found if one]
    return (
        None in found
        or len(runs) != 1
        or {one[0] for one in found if one} != {video_id}
        or numbers != list(range(len(numbers)))
    )


def judge(fleet: Fleet, reader: Reader, *, failures: dict[str, str], faults: int) -> list[str]:
    """Return what is violated. `failures` are the videos that must fail, with their codes; `faults` explain repeats."""
    return [
        *_ends(fleet, failures),
        *_rows(fleet),
        *(f"I3: {video_id} was seen in a mix" for video_id in sorted(reader.mixed)),
        *_files(fleet),
        *_queues(fleet),
        *_repeats(fleet, faults),
        *_open_files(fleet),
        *_logs(fleet),
    ]


def _ends(fleet: Fleet, failures: dict[str, str]) -> list[str]:
    states = fleet.states(list(fleet.generations))
    wrong = []
    for video_id, generation in fleet.generations.items():
        state, reached, code = states.get(video_id, ("lost", 0, None))
        wanted = ("failed", failures[video_id]) if video_id in failures else ("indexed", None)
        if (state, code) != wanted or reached != generation or state not in ENDED:
            wrong.append(f"I1: {video_id} is {state} {code or ''} in run {reached}, not {wanted} in {generation}")
    return wrong


def _rows(fleet: Fleet) -> list[str]:
    with fleet.archive.transaction() as connection:
        rows = connection.execute(INCOMPLETE).fetchall()
    return [f"I2: {row[0]} has {row[1:]} passages" for row in rows if len(set(row[1:])) != 1 or not row[1]]


def _files(fleet: Fleet) -> list[str]:
    wrong = []
    for folder in (fleet.settings.volume / "videos").glob("*/*"):
        for kind in ("audio", "transcript"):
            manifest = fleet.volume.manifest(folder.name, kind)
            try:
                if manifest is not None:
                    fleet.volume.verified(manifest.artifact, patience_s=0)
            except IngestError as error:
                wrong.append(f"I4: {folder.name}: {error}")
    return wrong


def unfinished_writes(fleet: Fleet) -> int:
    """Return how many unfinished writes the volume keeps."""
    return sum(1 for path in fleet.settings.volume.rglob("*") if path.name.startswith(TEMPORARY_PREFIX))


def _queues(fleet: Fleet) -> list[str]:
    consumers = [(str(stage), WORK_STREAM) for stage in Stage]
    consumers += [(later_consumer(stage), LATER_STREAM) for stage in Stage]
    wrong = []
    for consumer, stream in (*consumers, (LEDGER, EVENT_STREAM)):
        lag = fleet.bus.lag(consumer, stream)
        if lag.waiting or lag.in_hand:
            wrong.append(f"I5: {consumer} has {lag.waiting} waiting and {lag.in_hand} in hand")
    return wrong + [f"I5: {stream} is not empty" for stream in (WORK_STREAM, LATER_STREAM) if fleet.bus.stored(stream)]


def _repeats(fleet: Fleet, faults: int) -> list[str]:
    """Tell what was begun too often; a try that ended with "not your fault, later" (postponed) explains the next."""
    began: Counter[tuple[str, int, Stage]] = Counter()
    for _, event in fleet.events():
        if not event.video_id.startswith(("again", "segv", "bomb", "hang")):
            change = (event.kind is EventKind.STARTED) - (event.kind is EventKind.POSTPONED)
            began[event.video_id, event.generation, event.stage] += change
    return [
        f"I6: {job} was begun {count} times with {faults} faults" for job, count in began.items() if count > 1 + faults
    ]


def _open_files(fleet: Fleet) -> list[str]:
    wrong = []
    for worker in fleet.workers:
        try:
            count = len(list(Path(f"/proc/{worker.process.pid}/fd").iterdir()))
        except FileNotFoundError:
            continue
        if count > MOST_OPEN_FILES:
            wrong.append(f"I7: {worker.name} has {count} files open")
    return wrong


def _logs(fleet: Fleet) -> list[str]:
    password = fleet.nats.password
    wrong = []
    for path in sorted(fleet.logs.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if password in line or "SIGNATURE" in line:
                wrong.append(f"I8: a secret in {path.name}: {line[:200]}")
            said = _whole(line)
            if said.get("event") in FAILURES and not (said.get("video_id") and said.get("code")):
                wrong.append(f"I8: {path.name}: {line[:200]}")
    return wrong


def _whole(line: str) -> dict[str, Any]:
    """Return what a log line says. A killed worker may have left a part of a line in front of it, or nothing whole."""
    for start in (line.find("{"), line.rfind('{"service": ')):
        try:
            said: dict[str, Any] = json.loads(line[start:]) if start >= 0 else {}
        except ValueError:
            continue
        return said
    return {}
