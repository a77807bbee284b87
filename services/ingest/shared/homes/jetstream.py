"""A volume in a bucket of an Object Store on NATS JetStream, the server that the services use already.

A file is uploaded in chunks, which no reader sees, and then made known by one message, its info. That message replaces
the one of a known sequence: of two writers of a small file the later one loses. An upload that was interrupted is
listed under a temporary name, as in a folder.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING

from ingest.shared import outgoing
from ingest.shared.artifacts.files import opened, sha256_of, translate_os_errors
from ingest.shared.artifacts.home import TEMPORARY_PREFIX, ConflictError, Entry, StoredFile, checked
from ingest.shared.broker import file_info
from ingest.shared.broker.bus import BusError, BusFullError, BusRefusedError
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.jetstream_upload import CHUNKS_AT_ONCE, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.broker.file_info import FileInfo
    from ingest.shared.broker.nats_files import InfoMessage, NatsFiles
    from ingest.shared.homes.cache import Cache

MOST_CONFLICTS = 20
READINGS = 3  # of a file that others replace meanwhile
LONGEST_PATH = 1000  # of a subject


class JetStreamHome:
    """The files of a bucket."""

    def __init__(self, files: NatsFiles, cache: Cache) -> None:
        self.files = files
        self._cache = cache

    # -- writing ------------------------------------------------------------------------------------------------------

    def put_file(self, folder: str, file: Path | bytes, name_for: Callable[[str], str]) -> StoredFile:
        """Upload a file; an upload that is repeated has the same name and content."""
        with translate_os_errors("keep"):
            sha256, size = sha256_of(file)
            name = _checked(f"{folder}/{name_for(sha256)}")
            with _translated("upload"), opened(file) as content:
                info = upload(self.files, name, content)
                if (info.sha256, info.size_bytes) != (sha256, size):
                    self.files.drop_chunks(info.place)
                    raise IngestError(Code.ENV_VOLUME, f"upload: {name} was changed meanwhile")
                with self._dropped_if_refused(info):
                    replaced = self._make_known(info)
                self._drop(replaced)
            if not isinstance(file, bytes):
                self._cache.adopt(name, file)
        return StoredFile(name, sha256, size)

    def put(self, name: str, data: bytes, before: str | None) -> None:
        """Store a small file in the place of a message, or of none."""
        with _translated("write"):
            found = self._expected(name, before)
            info = upload(self.files, name, BytesIO(data))
            with self._dropped_if_refused(info):
                replaced = self._replace(info, found, before)
            self._drop(replaced)

    def _replace(self, info: FileInfo, found: InfoMessage, before: str | None) -> FileInfo | None:
        """Put an info in the place of the version that was found, and return that.

        Where a file was deleted, its subject has a message for a second. Its end meanwhile is no conflict.
        """
        for _ in range(MOST_CONFLICTS):
            if self.files.replace(info.name, info, found.sequence):
                return found.info
            found = self._expected(info.name, before)
        raise ConflictError(info.name)

    def _expected(self, name: str, version: str | None) -> InfoMessage:
        """Return what the subject of a file holds; raise ConflictError where it is not this version."""
        found = self.files.find(_checked(name))
        if version != (None if found.info is None else str(found.sequence)):
            raise ConflictError(name)
        return found

    def remove(self, name: str) -> None:
        """Delete a file and those below its name."""
        with _translated("delete"):
            self._remove_one(name)
            for entry in list(self.list(f"{name}/")):
                self._remove_one(entry.name)
        self._cache.drop(name)

    def _remove_one(self, name: str) -> None:
        folder, _, last = _checked(name).rpartition("/")
        if last.startswith(TEMPORARY_PREFIX):
            self.files.drop_chunks(f"{file_info.path(folder)}.{last.removeprefix(TEMPORARY_PREFIX)}")
            return
        for _ in range(MOST_CONFLICTS):
            found = self.files.find(name)
            if found.info is None:
                return
            if self.files.replace(name, None, found.sequence):
                self.files.drop_chunks(found.info.place)
                return
        raise IngestError(Code.ENV_VOLUME, f"delete: {name} is written by others all the time")

    def _make_known(self, info: FileInfo) -> FileInfo | None:
        """Put the info of a file in the place of any other, and return that."""
        for _ in range(MOST_CONFLICTS):
            found = self.files.find(info.name)
            if self.files.replace(info.name, info, found.sequence):
                return found.info
        raise IngestError(Code.ENV_VOLUME, f"upload: {info.name} is written by others all the time")

    def _drop(self, info: FileInfo | None) -> None:
        if info is not None:
            self.files.drop_chunks(info.place)

    @contextmanager
    def _dropped_if_refused(self, info: FileInfo) -> Iterator[None]:
        """Delete the chunks of an upload that is refused in the block.

        Where no answer came, it may be a file by now, or become one: then it stays, and is listed as unfinished if not.
        """
        try:
            yield
        except (ConflictError, IngestError, BusRefusedError):
            with suppress(BusError):
                if self.files.find(info.name).info != info:
                    self.files.drop_chunks(info.place)
            raise

    # -- reading ------------------------------------------------------------------------------------------------------

    def version(self, name: str) -> str | None:
        """Return the sequence of the info of a file."""
        with _translated("read"):
            found = self.files.find(_checked(name))
        return None if found.info is None else str(found.sequence)

    def size(self, name: str) -> int | None:
        """Return the size of a file."""
        with _translated("read"):
            info = self.files.find(_checked(name)).info
        return None if info is None else info.size_bytes

    def get(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small file, compared with its digest."""
        with _translated("read"):
            for _ in range(READINGS):
                info = self.files.find(_checked(name)).info
                if info is None:
                    return None
                if info.size_bytes > limit_bytes:
                    raise ValueError(f"is longer than {limit_bytes} bytes")
                data = self.files.read_chunks(info, 0, info.chunks)
                if hashlib.sha256(data).hexdigest() == info.sha256:
                    return data
        raise ValueError("is not what was written")

    def local(self, name: str) -> Path | None:
        """Return a copy of a file, downloaded in parts unless the cache has it."""
        for _ in range(READINGS):
            with _translated("read"):
                info = self.files.find(_checked(name)).info
            if info is None:
                return None
            found = self._cache.find(name, info.size_bytes)
            if found is None:
                with self._cache.new(name) as path, path.open("xb") as file, _translated("read"):
                    for first in range(0, info.chunks, CHUNKS_AT_ONCE):
                        file.write(self.files.read_chunks(info, first, CHUNKS_AT_ONCE))
                found = self._cache.find(name, info.size_bytes)
            if found is not None:
                return found
        raise IngestError(Code.CHECKSUM_MISMATCH, f"{name} is not what was written: chunks are missing")

    def forget_copy(self, name: str) -> bool:
        """Delete the copy of a file on this machine; the file may be what was written."""
        return self._cache.drop(name)

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return a part of a file."""
        with _translated("read"):
            for _ in range(READINGS):
                info = self.files.find(_checked(name)).info
                if info is None or start >= info.size_bytes:
                    return b""
                end = min(start + size, info.size_bytes)
                first = start // info.chunk_bytes
                data = self.files.read_chunks(info, first, -(-end // info.chunk_bytes) - first)
                skipped = start - first * info.chunk_bytes
                part = data[skipped : skipped + end - start]
                if len(part) == end - start:
                    return part
        raise IngestError(Code.CHECKSUM_MISMATCH, f"{name} is not what was written: chunks are missing")

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield files, and uploads that have not ended under temporary names."""
        folder, _, _ = prefix.rpartition("/")
        with _translated("list"):
            places = self.files.places(folder)  # before the infos: an upload that ends meanwhile has one
            found = {one.info.name: one for one in self.files.files(folder) if one.info is not None}
            entries = [Entry(name, one.info.size_bytes, one.at_s) for name, one in found.items() if one.info]
            for one in found.values():
                places.pop(one.info.place if one.info else "", None)
            entries += [entry for place, count in places.items() if (entry := self._unfinished(place, count))]
        yield from sorted((entry for entry in entries if entry.name.startswith(prefix)), key=lambda entry: entry.name)

    def _unfinished(self, place: str, count: int) -> Entry | None:
        last = self.files.last_chunk(place)
        if last is None:
            return None
        folder, _, unique = file_info.name_of(place).rpartition("/")
        return Entry(f"{folder}/{TEMPORARY_PREFIX}{unique}", count * last[0], last[1])

    def used_bytes(self) -> int:
        """Return the space that the bucket takes on the server."""
        with _translated("measure"):
            return self.files.used_bytes()

    def name_of(self, path: Path) -> str | None:  # noqa: ARG002 (of the interface)
        """Return None: no local path is a part of a bucket."""
        return None


def _checked(name: str) -> str:
    """Return a name that a subject can have; raise BAD_FIELD for another."""
    if len(file_info.path(checked(name))) > LONGEST_PATH:
        raise IngestError(Code.BAD_FIELD, "a name is too long")
    return name


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn errors of NATS into codes: full is ENV_DISK_FULL, anything else ENV_VOLUME."""
    try:
        yield
    except BusError as error:
        code = Code.ENV_DISK_FULL if isinstance(error, BusFullError) else Code.ENV_VOLUME
        raise IngestError(code, f"{what}: {outgoing.redact(str(error))}") from error
