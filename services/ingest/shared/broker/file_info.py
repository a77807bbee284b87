"""The layout of a bucket of files on JetStream: the subjects and infos of an Object Store. Pure.

    $O.<bucket>.M.<folders>.<file>         the info of a file, in JSON: its size, its digest, and where its chunks are
    $O.<bucket>.C.<folders>.<unique id>    the chunks of one upload, in order

An info is published after its chunks, in the place of the one before: a file is there as a whole or not at all. A
subject has a part for each folder, so that the server can list one folder, and limit a user to some.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

ANCHOR_EVERY = 4  # chunks: a reader of a part begins at the last anchor before it
LONGEST_SUBJECT = 1000
_DIGEST = "SHA-256="


@dataclass(frozen=True)
class FileInfo:
    """A file: `place` ends the subject of its chunks, `anchors` has the sequence of every `ANCHOR_EVERY`th chunk."""

    name: str
    place: str
    size_bytes: int
    sha256: str
    chunk_bytes: int
    anchors: tuple[int, ...]

    @property
    def chunks(self) -> int:
        """Return the number of chunks."""
        return -(-self.size_bytes // self.chunk_bytes)

    def encode(self, bucket: str, now: datetime) -> bytes:
        """Return the message of a file."""
        digest = base64.urlsafe_b64encode(bytes.fromhex(self.sha256)).decode()
        found = {
            "name": self.name,
            "bucket": bucket,
            "nuid": self.place,
            "size": self.size_bytes,
            "chunks": self.chunks,
            "mtime": now.isoformat(),
            "digest": f"{_DIGEST}{digest}",
            "options": {"max_chunk_size": self.chunk_bytes},
            "metadata": {"anchors": " ".join(map(str, self.anchors))},
        }
        return json.dumps(found).encode()


def decode(data: bytes) -> FileInfo | None:
    """Return the file of a message; None for that of a deleted one, and for what another program has written."""
    try:
        found = json.loads(data)
        if found.get("deleted"):
            return None
        return FileInfo(
            name=str(found["name"]),
            place=str(found["nuid"]),
            size_bytes=int(found["size"]),
            sha256=base64.urlsafe_b64decode(str(found["digest"]).removeprefix(_DIGEST)).hex(),
            chunk_bytes=max(1, int(found["options"]["max_chunk_size"])),
            anchors=tuple(map(int, str(found["metadata"]["anchors"]).split())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None


def tombstone(name: str, bucket: str) -> bytes:
    """Return the message that a deleted file leaves for a moment."""
    return json.dumps({"name": name, "bucket": bucket, "nuid": "", "size": 0, "chunks": 0, "deleted": True}).encode()


def path(name: str) -> str:
    """Return the parts of a subject for the parts of a name; other letters than those of ids are written as =XX."""
    return ".".join(_part(part) for part in name.split("/"))


def name_of(subject: str) -> str:
    """Return the name of a path of a subject."""
    return "/".join(_letters(part) for part in subject.split("."))


def _part(part: str) -> str:
    return re.sub(
        r"[^A-Za-z0-9_-]", lambda found: "".join(f"={byte:02X}" for byte in found[0].encode(errors="replace")), part
    )


def _letters(part: str) -> str:
    raw = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), part.encode())
    return raw.decode(errors="replace")
