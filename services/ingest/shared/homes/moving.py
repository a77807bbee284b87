"""Copies a volume from one home to another: it can be interrupted, and what is there is whole and verified.

Files go first, manifests last. What is there already is not copied again, so an interrupted copy continues. The name of
an artifact says its content: each is compared with its name when it is read, and read back after it was written.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.shared.artifacts import vocabulary
from ingest.shared.artifacts.files import sha256_of
from ingest.shared.artifacts.home import TEMPORARY_PREFIX, ConflictError
from ingest.shared.artifacts.volume import KINDS
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.shared.artifacts.home import Entry, Home

PREFIXES = ("videos/", "voices/", "vocabulary/")
LARGEST_SMALL = 128 << 20  # a profile has 64 MiB of JSON at most, before it is compressed
BLOCK_BYTES = 8 << 20
_FOLDER = r"videos/[0-9a-f]{2}/[\w-]{11}"
_ARTIFACT = re.compile(rf"{_FOLDER}/(?:{'|'.join(KINDS)})-(?P<start>[0-9a-f]{{16}})\.[\w.]+", re.ASCII)
_SMALL = re.compile(_FOLDER + r"/\w+\.json|voices/[0-9a-f]{16}/\d+\.json\.zst|" + re.escape(vocabulary.FILE), re.ASCII)


@dataclass
class CopyReport:
    """What a copy has done; `refused` has the names of damaged files, which were left out."""

    copied: int = 0
    copied_bytes: int = 0
    present: int = 0
    refused: list[str] = field(default_factory=list)


def copy(source: Home, target: Home, copied: Callable[[str], None] = lambda _name: None) -> CopyReport:
    """Copy artifacts, manifests, profiles and the vocabulary; `copied` gets the name of each file.

    The source stays as it is.
    """
    report = CopyReport()
    for entry, is_small in _in_order(source):
        try:
            is_new = (_copy_small if is_small else _copy_artifact)(source, target, entry)
        except IngestError as error:
            if error.code is not Code.CHECKSUM_MISMATCH:
                raise
            report.refused.append(entry.name)
            continue
        if is_new:
            report.copied += 1
            report.copied_bytes += entry.size_bytes
            copied(entry.name)
        else:
            report.present += 1
    return report


def _in_order(source: Home) -> Iterator[tuple[Entry, bool]]:
    """Yield the files to copy, and whether they are small: artifacts, then all others."""
    for is_small, pattern in ((False, _ARTIFACT), (True, _SMALL)):
        for prefix in PREFIXES:
            for entry in source.list(prefix):
                if pattern.fullmatch(entry.name) and TEMPORARY_PREFIX not in entry.name:
                    yield entry, is_small


def _copy_artifact(source: Home, target: Home, entry: Entry) -> bool:
    if target.size(entry.name) == entry.size_bytes and _starts_as_named(entry.name, _sha256(target, entry)):
        return False
    path = source.local(entry.name)
    if path is None:  # it was deleted meanwhile
        return False
    folder, _, last = entry.name.rpartition("/")

    def name_for(sha256: str) -> str:
        _require_name(entry.name, sha256)
        return last

    try:
        _require_name(entry.name, sha256_of(path)[0])
        target.put_file(folder, path, name_for)
    finally:
        source.forget_copy(entry.name)
    if not _starts_as_named(entry.name, _sha256(target, entry)):
        raise IngestError(Code.ENV_VOLUME, f"{entry.name} is not there as it was written")
    return True


def _copy_small(source: Home, target: Home, entry: Entry) -> bool:
    data = source.get(entry.name, LARGEST_SMALL)
    before = target.version(entry.name)
    if data is None or (before is not None and target.get(entry.name, LARGEST_SMALL) == data):
        return False
    try:
        target.put(entry.name, data, before)
    except ConflictError as error:
        raise IngestError(Code.ENV_VOLUME, f"{entry.name} is written by others: stop the services first") from error
    return True


def _sha256(home: Home, entry: Entry) -> str:
    """Return the SHA-256 of a file, read from its home and not from a local copy."""
    digest = hashlib.sha256()
    for start in range(0, entry.size_bytes, BLOCK_BYTES):
        digest.update(home.read(entry.name, start, BLOCK_BYTES))
    return digest.hexdigest()


def _starts_as_named(name: str, sha256: str) -> bool:
    found = _ARTIFACT.fullmatch(name)
    return found is not None and sha256.startswith(found["start"])


def _require_name(name: str, sha256: str) -> None:
    if not _starts_as_named(name, sha256):
        raise IngestError(Code.CHECKSUM_MISMATCH, f"{name} is not what was written")
