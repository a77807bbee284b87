"""The volume: the files of all videos, written whole or not at all, verified when read.

    videos/<2 hex digits>/<video id>/audio.json              what the audio is (manifest)
                                     audio-<16 hex>.<ext>     the audio, named by its content
                                     captions.json            what the captions are
                                     captions-<16 hex>.zst    captions that the source has, where they are wanted
                                     transcript.json          what the transcript is
                                     transcript-<16 hex>.zst  the transcript
                                     before.json              what the transcript before it was, of another model
                                     voices.json              what the voiceprints are
                                     voices-<16 hex>.zst      turns with voice embeddings
    voices/                          the profiles of enrolled voices
    vocabulary/words.json            words and names that the recognizer may expect

Where these files are is the matter of a `Home`. The manifest is written last. File names are made from content and
ids, never from titles. A file is never overwritten while it is read, since another content has another name. Of two
writers of a manifest the one of the newer run wins.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingest.shared.artifacts.files import sha256_of, translate_os_errors
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.home import ConflictError
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import VIDEO_ID_PATTERN, Artifact, Metadata, Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.artifacts.home import Home

Kind = Literal["audio", "captions", "transcript", "voices", "before"]
KINDS: tuple[Kind, ...] = ("audio", "captions", "transcript", "voices")  # with files of their own
LONGEST_MANIFEST = 100_000
LATE_FILE_S = 10.0  # another machine may see a new file this much later (NFS attribute cache)
MOST_CONFLICTS = 20


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
    """A finished file outside the volume, or its content, and the fields of its manifest."""

    file: Path | bytes
    kind: Kind
    extension: str
    duration_s: float
    origin: str
    generation: int
    metadata: Metadata = field(default_factory=Metadata)


class Volume:
    """The volume in a home; a path is a folder."""

    def __init__(self, home: Home | Path) -> None:
        self.home: Home = FolderHome(home) if isinstance(home, Path) else home

    def folder(self, video_id: str) -> str:
        """Return the name of the folder of a video; raise BAD_VIDEO_ID for an invalid id."""
        if not re.fullmatch(VIDEO_ID_PATTERN, video_id):
            raise IngestError(Code.BAD_VIDEO_ID, "must match [A-Za-z0-9_-]{11}")
        shard = hashlib.sha256(video_id.encode()).hexdigest()[:2]
        return f"videos/{shard}/{video_id}"

    # -- writing ----------------------------------------------------------------------------------------------------

    def keep(self, video_id: str, made: NewArtifact, check: Callable[[str], None] = lambda _sha256: None) -> Artifact:
        """Store a finished file in the folder of its video and write its manifest; return the artifact.

        `check` gets the SHA-256 of the file. The file is not kept if it raises an error.
        """

        def name_for(sha256: str) -> str:
            check(sha256)
            return f"{made.kind}-{sha256[:16]}.{made.extension}"

        folder = self.folder(video_id)
        before = self.home.version(f"{folder}/{made.kind}.json")
        stored = self.home.put_file(folder, made.file, name_for)
        artifact = Artifact(
            path=stored.name, sha256=stored.sha256, size_bytes=stored.size_bytes, duration_s=made.duration_s
        )
        manifest = Manifest(artifact=artifact, origin=made.origin, generation=made.generation, metadata=made.metadata)
        self._write_manifest(video_id, made.kind, manifest, before)
        return artifact

    def _write_manifest(self, video_id: str, kind: Kind, manifest: Manifest, before: str | None) -> None:
        """Write a manifest, unless a newer run has written one in the meantime."""
        name, data = f"{self.folder(video_id)}/{kind}.json", manifest.model_dump_json(exclude_defaults=True).encode()
        for _ in range(MOST_CONFLICTS):
            try:
                self.home.put(name, data, before)
            except ConflictError:
                before = self.home.version(name)
                present = self.manifest(video_id, kind)
                if present is not None and (present == manifest or present.generation > manifest.generation):
                    return
            else:
                return
        raise IngestError(Code.ENV_VOLUME, f"{name} is written by others all the time")

    def keep_before(self, video_id: str, origin: str) -> None:
        """Keep the present transcript as the earlier one, before one from another origin takes its place."""
        present = self.manifest(video_id, "transcript")
        if present is not None and present.origin != origin:
            version = self.home.version(f"{self.folder(video_id)}/before.json")
            self._write_manifest(video_id, "before", present, version)

    def go_back(self, video_id: str) -> None:
        """Put the earlier transcript in the place of the present one, which becomes the earlier one."""
        earlier, present = self.manifest(video_id, "before"), self.manifest(video_id, "transcript")
        if earlier is None or present is None:
            raise IngestError(Code.ARTIFACT_MISSING, f"the volume has no earlier transcript of {video_id}")
        back = earlier.model_copy(update={"generation": present.generation})
        for kind, manifest in (("transcript", back), ("before", present)):
            name = f"{self.folder(video_id)}/{kind}.json"
            self.home.put(name, manifest.model_dump_json(exclude_defaults=True).encode(), self.home.version(name))

    def forget_before(self, video_id: str) -> None:
        """Forget the earlier transcript; `discard_older` deletes its file."""
        self.home.remove(f"{self.folder(video_id)}/before.json")

    def discard(self, video_id: str, kind: Kind) -> None:
        """Delete an artifact: its manifest, so that `find` returns None, and its file."""
        manifest = self.manifest(video_id, kind)
        self.home.remove(f"{self.folder(video_id)}/{kind}.json")
        if manifest is not None and self._is_of(video_id, manifest.artifact):
            self.home.remove(manifest.artifact.path)

    def discard_older(self, video_id: str, kind: Kind) -> None:
        """Delete the files of earlier versions of an artifact: all but the one that its manifest names.

        Only for a video that no worker has in work: a file is written before its manifest.
        """
        manifest = self.manifest(video_id, kind)
        if manifest is None:
            return
        for entry in list(self.home.list(f"{self.folder(video_id)}/{kind}-")):
            if entry.name != manifest.artifact.path:
                self.home.remove(entry.name)

    # -- reading ----------------------------------------------------------------------------------------------------

    def manifest(self, video_id: str, kind: Kind) -> Manifest | None:
        """Return the manifest of an artifact, unverified; None when there is none, or an unreadable one, or a link."""
        try:
            data = self.home.get(f"{self.folder(video_id)}/{kind}.json", LONGEST_MANIFEST)
            return None if data is None else Manifest.model_validate_json(data)
        except ValueError:  # a ValidationError is one
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
        """Return a local path of an artifact whose size and checksum are right: open it at once.

        Raise ARTIFACT_MISSING (after `patience_s`: a shared folder may show it late) or CHECKSUM_MISMATCH.
        """
        path = self._local(artifact, patience_s)
        wrong_bytes = _difference(path, artifact)
        if wrong_bytes is not None and self.home.forget_copy(artifact.path):  # only the copy may be damaged
            path = self._local(artifact, 0)
            wrong_bytes = _difference(path, artifact)
        if wrong_bytes is not None:
            raise IngestError(Code.CHECKSUM_MISMATCH, f"{artifact.path} is not what was written ({wrong_bytes} bytes)")
        return path

    def _local(self, artifact: Artifact, patience_s: float) -> Path:
        deadline = time.monotonic() + patience_s
        while (path := self.home.local(artifact.path)) is None:
            if time.monotonic() >= deadline:
                raise IngestError(Code.ARTIFACT_MISSING, f"{artifact.path} is not on the volume")
            time.sleep(min(0.5, patience_s))
        return path

    def stored(self, video_id: str, kind: Kind) -> Artifact | None:
        """Return the artifact that a video has now, unverified; None where its manifest or its file is missing."""
        manifest = self.manifest(video_id, kind)
        if manifest is None or not self._is_of(video_id, manifest.artifact):
            return None
        size = self.home.size(manifest.artifact.path)
        return None if size is None else manifest.artifact.model_copy(update={"size_bytes": size})

    def unverified(self, video_id: str, kind: Kind) -> Path | None:
        """Return a local path of the artifact that a video has now; None where there is none."""
        artifact = self.stored(video_id, kind)
        return None if artifact is None else self.home.local(artifact.path)

    def used_bytes(self) -> int:
        """Return the bytes of the files of all videos; files may be added and deleted meanwhile.

        Raise ENV_VOLUME when they cannot be listed: the volume must not count as empty.
        """
        return self.home.used_bytes()

    def _is_of(self, video_id: str, artifact: Artifact) -> bool:
        """Return whether an artifact is in the folder of a video: a manifest could name another video's file."""
        folder, _, name = artifact.path.rpartition("/")
        return folder == self.folder(video_id) and name not in {"", ".", ".."}


def _difference(path: Path, artifact: Artifact) -> int | None:
    """Return the size of a file that is not what was written, else None."""
    with translate_os_errors("read"):
        digest, size = sha256_of(path)
    return None if (digest, size) == (artifact.sha256, artifact.size_bytes) else size
