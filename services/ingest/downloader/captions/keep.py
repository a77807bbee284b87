"""Reads a file with captions in a child process without network, and stores them on the volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader.captions import cues
from ingest.shared import languages
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.artifacts.captions import Captions, Cue
from ingest.shared.artifacts.files import sha256_of, translate_os_errors
from ingest.shared.artifacts.volume import NewArtifact
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from ingest.downloader.captions.found import CaptionFile
    from ingest.shared.artifacts.volume import Volume

READING = ChildLimits(deadline_s=60.0, cpu_s=30.0, file_bytes=0)


def read(video_id: str, file: CaptionFile) -> Captions:
    """Return the captions in a file; raise BAD_CAPTIONS for what is none."""
    path = Path(file.path)
    with translate_os_errors("captions"):
        if path.stat().st_size > cues.LARGEST_BYTES:
            raise IngestError(Code.BAD_CAPTIONS, f"larger than {cues.LARGEST_BYTES >> 20} MiB")
        digest, _ = sha256_of(path)
    limits = replace(READING, reads=(file.path, str(path.resolve())))
    found = child.run(cues.read_file, (file.path,), limits)
    return Captions(
        video_id=video_id,
        kind=file.kind,
        origin=file.origin,
        language=languages.code(file.language or ""),
        sha256=digest,
        has_times=found.has_times,
        cues=tuple(Cue(start_s=cue.start_s, end_s=cue.end_s, text=cue.text) for cue in found.cues),
    )


def write(volume: Volume, captions: Captions, folder: Path, generation: int) -> None:
    """Store captions on the volume, by way of a file in a folder."""
    path = folder / "captions.json"
    with translate_os_errors("scratch folder"):
        captions_file.write(captions, path)
    extension = captions_file.EXTENSION
    volume.keep(captions.video_id, NewArtifact(path, "captions", extension, captions.end_s, captions.key, generation))
