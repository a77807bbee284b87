"""A bucket of files on JetStream: chunks, infos, lists. Every method blocks, and may be called from any thread.

`file_info` has the layout, `nats_requests` the errors. `homes/jetstream.py` makes a home of a volume of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, TypeVar

from ingest.shared.broker import file_info
from ingest.shared.broker.bus import BusConflictError, BusFullError, BusRefusedError, BusUnavailableError
from ingest.shared.broker.nats_requests import NatsRequests
from ingest.shared.broker.topology import file_subjects, files_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.shared.broker.file_info import FileInfo
    from ingest.shared.broker.nats_connection import BusOptions, NatsConnection

CHUNK_BYTES = 512 << 10
HEADER_BYTES = 4096  # of max_payload, for the headers of a message
LEAST_PAYLOAD = 64 << 10
CHUNKS_TIMEOUT_S = 60.0  # over a slow network, to a server that flushes each chunk
WATCH_S = 0.5
BATCHES_AT_ONCE = 4  # the server gives up a client for which too much is waiting
PAGE = 500  # infos in an answer
KEPT_FREE_BYTES, KEPT_FREE_SHARE = 256 << 20, 8  # of a bucket: a file is deleted by messages, which take room first
ROLLUP = {"Nats-Rollup": "sub"}  # the message takes the place of all others of its subject
ENDING = {**ROLLUP, "Nats-TTL": "1s"}  # and is gone soon itself
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
T = TypeVar("T")
NOTHING = 0  # the sequence of a subject without messages


@dataclass(frozen=True)
class InfoMessage:
    """What the subject of a file holds: the file (None where it is deleted), sequence and time of the message."""

    info: FileInfo | None
    sequence: int
    at_s: float


class NatsFiles:
    """The files of a bucket."""

    def __init__(self, options: BusOptions, bucket: str) -> None:
        self._bucket = options.names.bucket(bucket)
        self._nats = NatsRequests(options, files_stream(self._bucket))
        self._batches = BoundedSemaphore(BATCHES_AT_ONCE)

    def close(self) -> None:
        """Close the connection."""
        self._nats.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def chunk_bytes(self) -> int:
        """Return the size of a chunk that the server takes; raise BusRefusedError where that is too little."""
        limit = self._nats.connection().client.max_payload
        if limit < LEAST_PAYLOAD:
            raise BusRefusedError(f"max_payload of NATS is {limit} bytes, files need at least {LEAST_PAYLOAD}")
        return min(CHUNK_BYTES, limit - HEADER_BYTES)

    def add_chunks(self, place: str, chunks: Sequence[bytes]) -> list[int]:
        """Store chunks, in this order; return their sequences.

        It is not repeated: where an answer is missing, it is unknown what is stored. The upload begins again elsewhere.
        Raise BusFullError where files would take the room without which none can be deleted.
        """
        self._require_room(sum(map(len, chunks)))
        subject, _ = file_subjects(self._bucket, place)

        async def work(nats: NatsConnection) -> list[int]:
            sent = (nats.stream.publish(subject, chunk, timeout=CHUNKS_TIMEOUT_S) for chunk in chunks)
            return [answer.seq for answer in await _while_connected(nats, asyncio.gather(*sent))]

        found = self._nats.once(subject, work)
        if any(after <= before for before, after in pairwise(found)):
            raise BusUnavailableError("chunks were stored in another order")
        return found

    def _require_room(self, size: int) -> None:
        found = self._nats.state()
        limit = int(found["config"]["max_bytes"])
        if limit > 0 and found["state"]["bytes"] + size > limit - min(KEPT_FREE_BYTES, limit // KEPT_FREE_SHARE):
            raise BusFullError("the bucket on NATS is full: `ingest purge` makes room")

    def replace(self, name: str, info: FileInfo | None, before: int) -> bool:
        """Put an info, or with None a tombstone, in the place of message `before`; return whether it is there.

        Where another writer was faster, it is not. Where an answer was lost, the present info says what has happened.
        """
        _, subject = file_subjects(self._bucket, file_info.path(name))
        if info is None:
            data, headers = file_info.tombstone(name, self._bucket), ENDING
        else:
            data, headers = info.encode(self._bucket, datetime.now(UTC)), ROLLUP
        try:
            self._nats.publish(subject, data, {**headers, EXPECTED: str(before)})
        except BusConflictError:
            return self.find(name).info == info
        return True

    def drop_chunks(self, place: str) -> None:
        """Delete the chunks of an upload."""
        subject, _ = file_subjects(self._bucket, place)
        self._nats.publish(subject, b"", ENDING)

    # -- reading ------------------------------------------------------------------------------------------------------

    def find(self, name: str) -> InfoMessage:
        """Return what the subject of a file holds, as the leader of the stream knows it."""
        _, subject = file_subjects(self._bucket, file_info.path(name))
        message = self._nats.last(subject)
        if message is None:
            return InfoMessage(None, NOTHING, 0.0)
        info = file_info.decode(message.data or b"")
        return InfoMessage(info if info and info.name == name else None, message.seq or NOTHING, 0.0)

    def read_chunks(self, info: FileInfo, first: int, count: int) -> bytes:
        """Return chunks of a file from number `first` on; less where they were deleted."""
        anchor = first // file_info.ANCHOR_EVERY
        if anchor >= len(info.anchors):
            return b""
        skipped = first - anchor * file_info.ANCHOR_EVERY
        subject, _ = file_subjects(self._bucket, info.place)
        with self._batches:
            messages = self._nats.messages(seq=info.anchors[anchor], next_by_subj=subject, batch=skipped + count)
        return b"".join(message.data for message in messages[skipped:])

    def files(self, folder: str) -> Iterator[InfoMessage]:
        """Yield the files below a folder; one that is written again meanwhile may come twice."""
        _, subject = file_subjects(self._bucket, _below(folder))
        sequence = 1
        while True:
            page = self._nats.messages(seq=sequence, next_by_subj=subject, batch=PAGE)
            for message in page:
                headers = message.headers or {}
                sequence = int(headers["Nats-Sequence"]) + 1
                info = file_info.decode(message.data)
                if info is not None:
                    at_s = datetime.fromisoformat(headers["Nats-Time-Stamp"]).timestamp()
                    yield InfoMessage(info, sequence - 1, at_s)
            if len(page) < PAGE:
                return

    def places(self, folder: str) -> dict[str, int]:
        """Return the places of chunks below a folder, with the number of their chunks."""
        subject, _ = file_subjects(self._bucket, _below(folder))
        ending, _ = file_subjects(self._bucket, "")
        places: dict[str, int] = {}
        while True:
            state = self._nats.state(subjects_filter=subject, offset=len(places))["state"]
            found = {name.removeprefix(ending): count for name, count in (state.get("subjects") or {}).items()}
            if not found.keys() - places.keys():
                return places
            places |= found

    def last_chunk(self, place: str) -> tuple[int, float] | None:
        """Return the size of the last chunk of an upload and when it was stored; None where it was deleted."""
        subject, _ = file_subjects(self._bucket, place)
        message = self._nats.last(subject)
        if message is None or not message.data:
            return None
        return len(message.data), message.time.timestamp() if message.time else 0.0

    def used_bytes(self) -> int:
        """Return the space that the bucket takes on the server."""
        return int(self._nats.state()["state"]["bytes"])

    def stored(self) -> int:
        """Return how many messages the bucket holds."""
        return int(self._nats.state()["state"]["messages"])


async def _while_connected(nats: NatsConnection, work: asyncio.Future[T]) -> T:
    """Await `work`; raise BusUnavailableError when the connection is lost: its answers do not come any more."""
    while not (await asyncio.wait({work}, timeout=WATCH_S))[0]:
        if nats.away_s:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)  # else its error is reported when it is collected
            raise BusUnavailableError("the connection to NATS was lost")
    return await work


def _below(folder: str) -> str:
    return f"{file_info.path(folder)}.>" if folder else ">"
