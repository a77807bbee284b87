"""Uploads a file to a bucket on JetStream in chunks. No reader sees them until the info of the file is stored."""

from __future__ import annotations

import hashlib
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from ingest.shared.broker import file_info
from ingest.shared.broker.bus import BusError, BusUnavailableError
from ingest.shared.broker.file_info import ANCHOR_EVERY, FileInfo

if TYPE_CHECKING:
    from ingest.shared.broker.nats_files import NatsFiles

CHUNKS_AT_ONCE = 16
UPLOAD_S = 60.0  # an upload begins again for so long
PAUSE_S = 0.5


def upload(files: NatsFiles, name: str, content: BinaryIO) -> FileInfo:
    """Store the chunks of a file; after a lost answer all of them again, at another place."""
    deadline, left = time.monotonic() + UPLOAD_S, list[str]()
    while True:
        place = f"{file_info.path(name.rpartition('/')[0])}.{uuid.uuid4().hex}"
        try:
            info = _upload_to(files, place, name, content)
        except BusUnavailableError:
            left.append(place)
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)
        except BusError:
            _drop(files, place)
            raise
        else:
            for other in left:
                _drop(files, other)
            return info


def _upload_to(files: NatsFiles, place: str, name: str, content: BinaryIO) -> FileInfo:
    content.seek(0)
    size_of_chunk, digest, size, sequences = files.chunk_bytes(), hashlib.sha256(), 0, list[int]()
    while block := content.read(size_of_chunk * CHUNKS_AT_ONCE):
        digest.update(block)
        size += len(block)
        chunks = [block[start : start + size_of_chunk] for start in range(0, len(block), size_of_chunk)]
        sequences += files.add_chunks(place, chunks)
    return FileInfo(name, place, size, digest.hexdigest(), size_of_chunk, tuple(sequences[::ANCHOR_EVERY]))


def _drop(files: NatsFiles, place: str) -> None:
    """Delete what an upload has left; if that fails, it is listed as unfinished."""
    with suppress(BusError):
        files.drop_chunks(place)
