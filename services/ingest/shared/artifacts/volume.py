"""Files on the shared volume: written whole or not at all, verified when read.

    <root>/videos/<2 hex digits>/<video id>/audio.json              what the audio is (manifest)
                                           audio-<16 hex>.<ext>     the audio, named by its content
                                           transcript.json          what the transcript is
                                           transcript-<16 hex>.zst  the transcript
                                           voices.json              what the voiceprints are
                                           voices-<16 hex>.zst      turns with voice embeddings
           voices/                         the profiles of enrolled voices

A file is written under a temporary name in the same folder, flushed and renamed, and the folder is flushed. The
manifest is written last. File names are made from content and ids, never from titles. A file is
never overwritten while it is read, since another content has another name. A link in the place of a folder or manifest
is not followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from ingest.shared.artifacts.no_links import opened_folder, read_file
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import VIDEO_ID_PATTERN, Artifact, Metadata, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["audio", "transcript", "voices"]
KINDS: tuple[Kind, ...] = ("audio", "transcript", "voices")
BLOCK_BYTES = 1 << 20
LONGEST_MANIFEST = 100_000
LATE_FILE_S = 10.0  # another machine may see a new file this much later (NFS attribute cache)
TEMPORARY_PREFIX = ".tmp-"
LINK = "{} is a link, or leads through one: remove it from the volume"
_CODES: dict[int | None, Code] = {
    errno.ENOSPC: Code.ENV_DISK_FULL,
    errno.EDQUOT: Code.ENV_DISK_FULL,
    errno.ENAMETOOLONG: Code.BAD_FIELD,  # the name comes from a message
}


class Manifest(Part):
    """An artifact of a stage, its generation, and its `origin`: the input and the model that it was made from.

    `metadata` is what the source announced with the file: it is not asked again where the file is found.
    """

    artifact: Artifact
    origin: str
    generation: int
    metadata: Metadata = Metadata()


@dataclass(frozen=True)
class NewArtifact:
    """A finished file outside the volume, and the fields of its manifest."""

    file: Path
    kind: Kind
    extension: str
    duration_s: float
    origin: str
    generation: int
    metadata: Metadata = field(default_factory=Metadata)


class Volume:
    """The shared volume at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def folder(self, video_id: str) -> Path:
        """Return the folder of a video; raise BAD_VIDEO_ID for an invalid id, BAD_FIELD for a link in its place."""
        folder = self._folder(video_id)
        if _is_linked(folder):
            raise IngestError(Code.BAD_FIELD, LINK.format(folder.relative_to(self.root)))
        return folder

    def _folder(self, video_id: str) -> Path:
        if not re.fullmatch(VIDEO_ID_PATTERN, video_id):
            raise IngestError(Code.BAD_VIDEO_ID, "must match [A-Za-z0-9_-]{11}")
        shard = hashlib.sha256(video_id.encode()).hexdigest()[:2]
        return self.root / "videos" / shard / video_id

    def resolve(self, relative: str) -> Path:
        """Return the file at a path relative to the root; raise BAD_FIELD if it is outside, also through a link."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root):
            raise IngestError(Code.BAD_FIELD, "artifact path leaves the volume")
        return path

    # -- writing ----------------------------------------------------------------------------------------------------

    def keep(self, video_id: str, made: NewArtifact, check: Callable[[str], None] = lambda _sha256: None) -> Artifact:
        """Copy a finished file into the folder of its video and write its manifest; return the artifact.

        `check` gets the SHA-256 of the copy. The copy is not kept if it raises an error.
        """
        with translate_os_errors("keep"):
            folder = self.folder(video_id).relative_to(self.root)
            with opened_folder(self.root, *folder.parts, create=True) as held:
                temporary = held / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
                try:
                    sha256, size = _copy(made.file, temporary)
                    check(sha256)
                    target = held / f"{made.kind}-{sha256[:16]}.{made.extension}"
                    _remove_folder(target)
                    temporary.replace(target)
                finally:
                    temporary.unlink(missing_ok=True)
                path = str(folder / target.name)
                artifact = Artifact(path=path, sha256=sha256, size_bytes=size, duration_s=made.duration_s)
                manifest = Manifest(
                    artifact=artifact, origin=made.origin, generation=made.generation, metadata=made.metadata
                )
                write_atomically(held / f"{made.kind}.json", manifest.model_dump_json(exclude_defaults=True).encode())
                flush_folder(held / "..")
                return artifact

    def discard(self, video_id: str, kind: Kind) -> None:
        """Delete an artifact: its manifest, so that `find` returns None, and its file."""
        manifest = self.manifest(video_id, kind)
        folder = self.folder(video_id)
        names = [f"{kind}.json"]
        with translate_os_errors("discard"):
            path = self.resolve(manifest.artifact.path) if manifest is not None else folder
            if path.parent == folder:  # a manifest could name another video's file
                names.append(path.name)
            with suppress(FileNotFoundError), opened_folder(self.root, *folder.relative_to(self.root).parts) as held:
                for name in names:
                    _remove_folder(held / name)
                    (held / name).unlink(missing_ok=True)

    def discard_older(self, video_id: str, kind: Kind) -> None:
        """Delete the files of earlier versions of an artifact: all but the one that its manifest names.

        Only for a video that no worker has in work: a file is written before its manifest.
        """
        manifest = self.manifest(video_id, kind)
        if manifest is None:
            return
        present = Path(manifest.artifact.path).name
        folder = self.folder(video_id)
        with translate_os_errors("discard"), opened_folder(self.root, *folder.relative_to(self.root).parts) as held:
            for path in list(held.glob(f"{kind}-*")):
                if path.name != present:
                    path.unlink(missing_ok=True)

    # -- reading ----------------------------------------------------------------------------------------------------

    def manifest(self, video_id: str, kind: Kind) -> Manifest | None:
        """Return the manifest of an artifact, unverified; None when there is none, or an unreadable one, or a link."""
        path = self._folder(video_id) / f"{kind}.json"
        if _is_linked(path):
            return None
        with translate_os_errors("read"):
            try:
                return Manifest.model_validate_json(read_file(path, LONGEST_MANIFEST))
            except (FileNotFoundError, ValueError):  # a ValidationError is one
                return None

    def find(self, video_id: str, kind: Kind, origin: str, generation: int = 0) -> Artifact | None:
        """Return the artifact of a video if it was made from `origin`, not before `generation`, and verifies."""
        manifest = self.manifest(video_id, kind)
        if manifest is None or manifest.origin != origin or manifest.generation < generation:
            return None
        try:
            self.verified(manifest.artifact, patience_s=0)
        except IngestError as error:
            if error.code in (Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH):
                return None
            raise
        return manifest.artifact

    def verified(self, artifact: Artifact, patience_s: float = LATE_FILE_S) -> Path:
        """Return the path of an artifact whose size and checksum are right.

        Raise ARTIFACT_MISSING (after `patience_s`: a shared folder may show it late) or CHECKSUM_MISMATCH.
        """
        deadline = time.monotonic() + patience_s
        with translate_os_errors("read"):
            path = self.resolve(artifact.path)
            while not is_file(path):
                if time.monotonic() >= deadline:
                    raise IngestError(Code.ARTIFACT_MISSING, f"{artifact.path} is not on the volume")
                time.sleep(min(0.5, patience_s))
            with path.open("rb") as file:
                digest, size = hashlib.sha256(), 0
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    size += len(block)
        if size != artifact.size_bytes or digest.hexdigest() != artifact.sha256:
            raise IngestError(Code.CHECKSUM_MISMATCH, f"{artifact.path} is not what was written ({size} bytes)")
        return path

    def used_bytes(self) -> int:
        """Return the bytes of the files of all videos; files may be added and deleted meanwhile.

        Raise ENV_VOLUME when a folder cannot be read: it must not count as empty.
        """
        used = 0
        with translate_os_errors("measure"):
            for folder, _, names in os.walk(self.root / "videos", onerror=_unless_gone):
                for name in names:
                    with suppress(FileNotFoundError):
                        used += Path(folder, name).lstat().st_size
        return used


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file: readers see all of it or none. After the return it survives a power cut."""
    with opened_atomically(path) as file:
        file.write(data)


@contextmanager
def opened_atomically(path: Path) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of `path` when it is complete, and is deleted after an error."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            yield file
            _flush(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


@contextmanager
def translate_os_errors(what: str) -> Iterator[None]:
    """Turn errors of the file system into codes: full is ENV_DISK_FULL, nearly anything else ENV_VOLUME."""
    try:
        yield
    except OSError as error:
        code = _CODES.get(error.errno, Code.ENV_VOLUME)
        raise IngestError(code, f"{what}: {error.strerror or error}") from error


def is_file(path: Path) -> bool:
    """Return whether there is a regular file; raise the OSError of a file system that cannot say.

    `Path.is_file` returns False for such an error on Python 3.14: an unreadable volume would look like a missing file.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise


def refuse_links(root: Path, *names: str) -> Path:
    """Return the path of a folder on the volume; raise ENV_VOLUME when it, or a folder above it, is a link."""
    path = root.resolve().joinpath(*names)
    if _is_linked(path):
        raise IngestError(Code.ENV_VOLUME, LINK.format(Path(*names)))
    return path


def _is_linked(path: Path) -> bool:
    """Return whether a path, or a folder above it, is a link; `path` begins with the volume's resolved root."""
    return os.path.realpath(path) != str(path)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            writer.write(block)
        _flush(writer)
    return digest.hexdigest(), size


def _remove_folder(path: Path) -> None:
    """Remove a folder that has the name of an artifact; leave anything else."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk: renamed files keep their names after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
