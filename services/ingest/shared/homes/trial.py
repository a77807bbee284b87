"""Tries what a home of a volume has to be able to do: put, conditional put, get, list, delete."""

from __future__ import annotations

import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shared.artifacts.home import ConflictError
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.artifacts.home import Home

FOLDER = "trials"
CONTENT = b"trial"


def trouble(home: Home) -> str | None:
    """Return what a home refuses, or does not do; None where everything works. Nothing is left behind."""
    folder = f"{FOLDER}/{uuid.uuid4().hex}"
    try:
        return next(_troubles(home, folder), None)
    except IngestError as error:
        return error.message
    finally:
        with suppress(IngestError):  # the trial has said why
            home.remove(folder)


def _troubles(home: Home, folder: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(CONTENT)
        file.flush()
        name = home.put_file(folder, Path(file.name), lambda _sha256: "file").name
    if home.read(name, 1, 3) != CONTENT[1:4]:
        yield "read: a part of a file is not what was written"
    small = f"{folder}/small"
    home.put(small, b"1", None)
    before = home.version(small)
    if not _refuses(home, small, None):
        yield "conditional put: a second writer replaces a file that it must not know (If-None-Match)"
    home.put(small, b"2", before)
    if not _refuses(home, small, before):
        yield "conditional put: a late writer replaces a newer file (If-Match)"
    if home.get(small, 10) != b"2":
        yield "get: a small file is not what was written last"
    if {entry.name for entry in home.list(f"{folder}/")} != {name, small}:
        yield "list: not all files, or others, are listed"
    home.remove(folder)
    home.forget_copy(name)
    if home.size(name) is not None:
        yield "delete: a deleted file is still there"


def _refuses(home: Home, name: str, before: str | None) -> bool:
    try:
        home.put(name, b"3", before)
    except ConflictError:
        return True
    return False
