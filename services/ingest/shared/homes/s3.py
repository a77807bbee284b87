"""A volume in an S3-compatible object store: the only file that imports obstore.

An upload is complete or absent by itself (large files in parts). A small file is replaced by a conditional PUT
(If-None-Match, If-Match). A missing object is only believed where the bucket answers: a bucket that is gone must not
look like lost recordings.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from ingest.shared import outgoing
from ingest.shared.artifacts.files import sha256_of, translate_os_errors
from ingest.shared.artifacts.home import ConflictError, Entry, StoredFile, checked
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from obstore import PutMode
    from obstore.store import S3Config

    from ingest.shared.homes.cache import Cache

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
REQUEST_S = 60.0
RETRY_S = 60.0
RETRIES = 6
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3}[ \w]{0,40})")
_FULL: Final = frozenset(
    {"InsufficientStorage", "QuotaExceeded", "ServiceQuotaExceeded", "StorageFull", "XMinioStorageFull"}
)
_ADVICE: Final = {
    "NoSuchBucket": "the bucket does not exist",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
}


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is, and by which keys it is reached. Without keys, those of the platform's identity are used."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


def _store(bucket: Bucket) -> S3Store:
    config: S3Config = {}
    if bucket.access_key and bucket.secret_key:
        config |= {"access_key_id": bucket.access_key, "secret_access_key": bucket.secret_key}
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    if bucket.region or bucket.endpoint:
        config["region"] = bucket.region or "us-east-1"
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=config,
        client_options={
            "timeout": timedelta(seconds=REQUEST_S),
            "allow_http": bool(bucket.endpoint and bucket.endpoint.startswith("http://")),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
    )


class S3Home:
    """The objects below a prefix of a bucket."""

    def __init__(self, bucket: Bucket, cache: Cache) -> None:
        self._store = _store(bucket)
        self._cache = cache

    # -- writing ------------------------------------------------------------------------------------------------------

    def put_file(self, folder: str, file: Path | bytes, name_for: Callable[[str], str]) -> StoredFile:
        """Upload a file; an upload that is repeated has the same name and content."""
        with translate_os_errors("keep"):
            sha256, size = sha256_of(file)
            name = f"{folder}/{name_for(sha256)}"
            with _translated("upload"):
                obstore.put(self._store, name, file, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            if not isinstance(file, bytes):
                self._cache.adopt(name, file)
        return StoredFile(name, sha256, size)

    def put(self, name: str, data: bytes, before: str | None) -> None:
        """Store a small object by a conditional PUT."""
        with _translated("write"):
            try:
                mode: PutMode = "create" if before is None else {"e_tag": before}
                obstore.put(self._store, checked(name), data, use_multipart=False, mode=mode)
            except (AlreadyExistsError, PreconditionError) as error:
                raise ConflictError(name) from error
            except FileNotFoundError as error:  # If-Match of an object that was deleted
                self._require_bucket()
                raise ConflictError(name) from error

    def remove(self, name: str) -> None:
        """Delete an object and those below its name."""
        with _translated("delete"):
            with suppress(FileNotFoundError):
                obstore.delete(self._store, checked(name))
            below = [entry.name for entry in self.list(f"{name}/")]
            if below:
                obstore.delete(self._store, below)
        self._cache.drop(name)

    # -- reading ------------------------------------------------------------------------------------------------------

    def version(self, name: str) -> str | None:
        """Return the ETag of an object."""
        found = self._head(name)
        return None if found is None else found[1]

    def size(self, name: str) -> int | None:
        """Return the size of an object."""
        found = self._head(name)
        return None if found is None else found[0]

    def get(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small object."""
        with _translated("read"):
            try:
                found = obstore.get(self._store, checked(name))
            except FileNotFoundError:
                self._require_bucket()
                return None
            data = bytes(found.bytes()) if found.meta["size"] <= limit_bytes else None
        if data is None:
            raise ValueError(f"is longer than {limit_bytes} bytes")
        return data

    def local(self, name: str) -> Path | None:
        """Return a copy of an object, downloaded in parts unless the cache has it."""
        size = self.size(name)
        if size is None:
            return None
        found = self._cache.find(name, size)
        if found is not None:
            return found
        with self._cache.new(name) as path, path.open("xb") as file:
            for start in range(0, size, PART_BYTES):
                file.write(self._part(name, start, min(PART_BYTES, size - start)))
        return self._cache.find(name, size)

    def forget_copy(self, name: str) -> bool:
        """Delete the copy of an object on this machine; the object may be what was written."""
        return self._cache.drop(name)

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return a part of an object."""
        length = self.size(name) or 0
        return self._part(name, start, min(size, length - start)) if start < length else b""

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield objects. The store lists whole folders: the rest of a prefix is compared here."""
        folder, _, _ = prefix.rpartition("/")
        with _translated("list"):
            for batch in obstore.list(self._store, folder):
                for found in batch:
                    if found["path"].startswith(prefix):
                        yield Entry(found["path"], found["size"], found["last_modified"].timestamp())

    def used_bytes(self) -> int:
        """Return the sum of the sizes of all files of videos."""
        return sum(entry.size_bytes for entry in self.list("videos/"))

    def name_of(self, path: Path) -> str | None:  # noqa: ARG002 (of the interface)
        """Return None: no local path is a part of a bucket."""
        return None

    def _head(self, name: str) -> tuple[int, str | None] | None:
        with _translated("read"):
            try:
                found = obstore.head(self._store, checked(name))
            except FileNotFoundError:
                self._require_bucket()
                return None
        return found["size"], found["e_tag"]

    def _part(self, name: str, start: int, size: int) -> bytes:
        with _translated("read"):
            try:
                data = bytes(obstore.get_range(self._store, checked(name), start=start, length=size))
            except FileNotFoundError as error:
                raise IngestError(Code.ENV_VOLUME, f"read: {name} was deleted meanwhile") from error
        if len(data) != size:
            raise IngestError(Code.ENV_VOLUME, f"read: {len(data)} of {size} bytes of {name} came")
        return data

    def _require_bucket(self) -> None:
        """Raise ENV_VOLUME where the bucket does not answer a list: an object is missing only in a bucket that is."""
        for _ in obstore.list(self._store, "videos/--", chunk_size=1):
            return


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn errors of the store into codes: full is ENV_DISK_FULL, anything else ENV_VOLUME."""
    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError) as error:
        text = str(error)
        code, status = _CODE.search(text), _STATUS.search(text)
        name = code[1] if code else ""
        reason = _ADVICE.get(name) or " ".join(filter(None, (status and status[1].strip(), name)))
        is_full = name in _FULL or (status is not None and status[1].startswith("507"))
        shown = reason or outgoing.redact(first_line(error))
        raise IngestError(Code.ENV_DISK_FULL if is_full else Code.ENV_VOLUME, f"{what}: {shown}") from None
