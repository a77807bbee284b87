"""The record of a run in the stream INGEST_RUNS: its recordings, and how it has ended.

A submission names the recordings after it has requested them. One that is repeated, or made again under the same name,
adds to them, and opens the run again.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from ingest.shared.bounds import MOST_OF_A_RUN
from ingest.shared.broker.topology import RUN_STREAM, run_settled_subject, run_subject
from ingest.shared.errors import IngestError
from ingest.shared.messages import decode, encode
from ingest.shared.runs.messages import RunEnd, RunRecordings
from ingest.shared.runs.queue_search import Reader
from ingest.shared.runs.verdict import Fate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ingest.shared.broker.nats_bus import NatsBus


class Broker(Reader, Protocol):
    """The part of the bus that keeps the record."""

    def publish(self, subject: str, data: bytes, message_id: str) -> None:
        """Store a message and return when the broker has it; one with an id of the last minutes is dropped."""


def publish_recordings(bus: Broker, run: str, videos: Iterable[tuple[str, int]]) -> None:
    """Add recordings with their generations to a run; their submission is complete with this.

    They may be too many for the memory.
    """
    left = iter(videos)
    part = dict(islice(left, MOST_OF_A_RUN))
    while following := dict(islice(left, MOST_OF_A_RUN)):
        _publish(bus, RunRecordings(run=run, videos=part, is_last=False))
        part = following
    _publish(bus, RunRecordings(run=run, videos=part, is_last=True))


def _publish(bus: Broker, part: RunRecordings) -> None:
    subject = run_subject(part.run)
    bus.publish(subject, encode(part), f"{subject}:{uuid4().hex}")


class Recordings:
    """The recordings of a run with their generations, as far as they were read."""

    def __init__(self, reader: Reader, run: str) -> None:
        self._reader = reader
        self._subject = run_subject(run)
        self.videos: dict[str, int] = {}
        self.is_complete = False
        self.sequence = 0

    def read(self) -> bool:
        """Read what was added; return whether that is anything."""
        before = self.sequence
        while (found := self._reader.after(RUN_STREAM, self._subject, self.sequence)) is not None:
            self.sequence, data = found
            try:
                part = decode(RunRecordings, data)
            except IngestError:
                continue  # of a newer version
            for video_id, generation in part.videos.items():
                self.videos[video_id] = max(generation, self.videos.get(video_id, 0))
            self.is_complete = self.is_complete or part.is_last
        return self.sequence > before


def is_known(reader: Reader, run: str) -> bool:
    """Return whether a submission under this name has named recordings."""
    return reader.after(RUN_STREAM, run_subject(run), 0) is not None


def publish_settled(bus: Broker, run: str, fates: Mapping[Fate, int], sequence: int) -> None:
    """Record how a run has ended whose recordings were read up to a sequence; several services may do so."""
    subject = run_settled_subject(run)
    counts = {str(fate): fates.get(fate, 0) for fate in Fate}
    settled = RunEnd.model_validate({"run": run, "at": datetime.now(UTC), **counts})
    bus.publish(subject, encode(settled), f"{subject}:{sequence}")


def settled(reader: Reader, run: str) -> Counter[Fate] | None:
    """Return what became of the recordings of a run, None while it is open: a later submission opens it again."""
    found = None
    for sequence, data in _messages(reader, run_settled_subject(run)):
        found = sequence, data
    if found is None or reader.after(RUN_STREAM, run_subject(run), found[0]) is not None:
        return None
    try:
        end = decode(RunEnd, found[1])
    except IngestError:
        return None
    return Counter({fate: getattr(end, fate) for fate in Fate if getattr(end, fate)})


def _messages(reader: Reader, subject: str) -> Iterator[tuple[int, bytes]]:
    sequence = 0
    while (found := reader.after(RUN_STREAM, subject, sequence)) is not None:
        yield found
        sequence = found[0]


def leave_out(bus: NatsBus, ids: Collection[str], *, erase: bool) -> Counter[str]:
    """Count the messages of all runs that name each video; with `erase`, store them again without these videos."""
    found: Counter[str] = Counter()
    _, last = bus.position(RUN_STREAM)
    for sequence, data in bus.read(RUN_STREAM, run_subject("*")):
        if sequence > last:
            break
        try:
            part = decode(RunRecordings, data)
        except IngestError:
            continue
        named = part.videos.keys() & set(ids)
        found.update(named)
        if erase and named:
            left = {video_id: generation for video_id, generation in part.videos.items() if video_id not in named}
            _publish(bus, part.model_copy(update={"videos": left}))
            bus.delete(RUN_STREAM, sequence)
    return found
