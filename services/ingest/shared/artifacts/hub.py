"""Models on the hub, and their folders in its cache: the only file of `shared` that imports huggingface_hub."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BLOCK_BYTES = 1 << 20
SHA256_LENGTH = 64
LEFTOVER_AFTER_S = 3600.0  # a running download writes more often


def snapshot(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    local_only: bool = False,
) -> Path:
    """Return the folder of a model: the named folder, or the hub's snapshot, downloaded unless the cache has it.

    A download is resumed when its connection breaks; after the end of the process, complete files are kept. Raise
    ENV_MODEL when the model is not there.
    """
    if Path(name).is_dir():
        return Path(name)
    snapshot_download = _client().snapshot_download
    return located(
        name,
        lambda: snapshot_download(
            name,
            revision=revision,
            token=token,
            allow_patterns=allow,
            ignore_patterns=ignore,
            local_files_only=local_only,
        ),
    )


def located(name: str, download: Callable[[], str]) -> Path:
    """Return the folder that a download returns; raise ENV_MODEL with the model's name when it fails."""
    if name.startswith(("/", ".", "~")):
        raise IngestError(Code.ENV_MODEL, f"model {name}: no such folder")
    try:
        return Path(download())
    except Exception as error:
        raise IngestError(Code.ENV_MODEL, f"model {name}: {first_line(error)}") from error


def discard(path: Path) -> None:
    """Delete a file of a snapshot from the cache, so that the next download fetches it again."""
    path.resolve().unlink()
    path.unlink()


def discard_leftovers(folder: Path) -> None:
    """Delete the partial files that killed downloads have left beside a snapshot: the client never reads them again."""
    for path in (folder.parent.parent / "blobs").glob("*.incomplete"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LEFTOVER_AFTER_S:
                path.unlink()


def damaged_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a snapshot whose content is not what the hub announced.

    The cache names each file by its ETag: the SHA-256 of a large file, the git object id of another.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and path.resolve().name != _etag(path, path.resolve().name):
            yield path


def _etag(path: Path, announced: str) -> str:
    if len(announced) == SHA256_LENGTH:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _client() -> Any:  # noqa: ANN401 (a module)
    """Return huggingface_hub, which only the extras asr and embedder install."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigurationError("huggingface_hub is missing: install ingest with the extra asr or embedder") from error
    return huggingface_hub
