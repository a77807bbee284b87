"""What the download stage does with captions: keeps them beside the audio, or makes the transcript of them alone.

Captions of `ingest import` are not replaced by those of a source.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader.captions import keep
from ingest.shared.artifacts import captions as captions_file
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.captions import CaptionUse
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import TranscriptReady, VideoAccessible
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.worker.stage import StageResult

if TYPE_CHECKING:
    from ingest.downloader.captions.found import CaptionFile
    from ingest.shared.artifacts.captions import Captions

Find = Callable[[VideoAccessible, Path], "CaptionFile | None"]
IMPORTED = "captions:import:"
UNKNOWN_LANGUAGE = "und"
UNREADABLE = frozenset({Code.BAD_CAPTIONS, Code.NO_CAPTIONS, Code.DEADLINE_EXCEEDED, Code.JOB_CRASHED})
FOUND, LEFT_OUT = "captions_found", "captions_left_out"
log = get_logger(__name__)


def keep_found(
    volume: Volume,
    message: VideoAccessible,
    found: CaptionFile | None,
    folder: Path,
    inside: Callable[[], CaptionFile | None] = lambda: None,
) -> dict[str, float]:
    """Keep what a source has beside a recording, else what is `inside`; return figures.

    What cannot be read costs no recording.
    """
    if imported(volume, message.video_id) is not None:
        return {FOUND: 1.0}
    try:
        found = found or inside()
        if found is None:
            return {FOUND: 0.0}
        _kept(volume, message, found, folder)
    except IngestError as error:
        if error.code not in UNREADABLE:
            raise
        return _left_out(message, error)
    return {FOUND: 1.0}


def beside(volume: Volume, message: VideoAccessible, folder: Path, find: Find) -> dict[str, float]:
    """Keep the captions of a recording whose audio is there already, where they are wanted and not there yet."""
    wish = message.captions
    if wish is None or wish.use is CaptionUse.IGNORE:
        return {}
    if volume.manifest(message.video_id, "captions") is not None and not message.fresh_from:
        return {FOUND: 1.0}
    try:
        found = find(message, folder)
    except IngestError as error:
        if error.rule.outcome is Outcome.POSTPONED:
            raise
        return _left_out(message, error)
    return keep_found(volume, message, found, folder)


def alone(volume: Volume, message: VideoAccessible, folder: Path, find: Find) -> StageResult:
    """Return the transcript that the captions of a recording are; raise NO_CAPTIONS where there are none."""
    captions = imported(volume, message.video_id)
    if captions is None:
        found = find(message, folder)
        if found is None:
            raise IngestError(Code.NO_CAPTIONS, "the source has no captions in the language of the recording")
        try:
            captions = _kept(volume, message, found, folder)
        except IngestError as error:
            if error.code not in UNREADABLE:
                raise
            raise IngestError(Code.NO_CAPTIONS, f"its captions cannot be read: {error}") from error
    if not captions.has_times:
        raise IngestError(Code.NO_CAPTIONS, "its transcript has no times")
    return _transcribed(volume, message, captions, folder)


def imported(volume: Volume, video_id: str) -> Captions | None:
    """Return the captions that a person has given to a recording; None without any."""
    manifest = volume.manifest(video_id, "captions")
    is_imported = manifest is not None and manifest.origin.startswith(IMPORTED)
    return captions_file.kept(volume, video_id) if is_imported else None


def _kept(volume: Volume, message: VideoAccessible, found: CaptionFile, folder: Path) -> Captions:
    """Keep the captions in a file, in the language of the recording where they name none; return them."""
    captions, known = keep.read(message.video_id, found), message.metadata
    language = captions.language or known.given_language or known.likely_language
    captions = captions.model_copy(update={"language": language})
    keep.write(volume, captions, folder, message.generation)
    return captions


def _left_out(message: VideoAccessible, error: IngestError) -> dict[str, float]:
    log.warning("captions_left_out", video_id=message.video_id, code=error.code, error=error.message)
    return {FOUND: 0.0, LEFT_OUT: 1.0}


def _transcribed(volume: Volume, message: VideoAccessible, captions: Captions, folder: Path) -> StageResult:
    """Store captions as the transcript of a recording; return the message about it."""
    duration_s = max(message.metadata.duration_s or 0.0, captions.end_s)
    made = captions_file.transcript(captions, duration_s, captions.language or UNKNOWN_LANGUAGE)
    path = folder / "transcript"
    with translate_os_errors("scratch folder"):
        transcript_file.write(made, path)
    extension, generation = transcript_file.EXTENSION, message.generation
    new = NewArtifact(path, "transcript", extension, made.duration_s, captions.key, generation)
    artifact = volume.keep(message.video_id, new)
    metadata = message.metadata.model_copy(update={"duration_s": message.metadata.duration_s or made.duration_s})
    ready = message.next(TranscriptReady, metadata=metadata, transcript=artifact)
    return StageResult(ready, numbers={"audio_s": made.duration_s, "fresh": 0.0, FOUND: 1.0}, metadata=metadata)
