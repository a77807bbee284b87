"""The download stage: stores a recording as a file on the volume, proven to be complete.

Two child processes: the first downloads, the second has no network and decodes the file. A download counts as complete
only when the file exists, decodes, and is as long as announced; yt-dlp's "success" alone is not enough.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections import deque
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader.check import AUDIO_ORIGIN
from ingest.downloader.sources.registry import connector_of
from ingest.shared.artifacts.volume import NewArtifact, Volume, translate_os_errors
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import MEDIA_SUFFIXES
from ingest.shared.messages import Artifact, AudioReady, Metadata, VideoAccessible
from ingest.shared.sandbox import child, decode
from ingest.shared.sandbox.decode import DecodeLimits, tolerance_s
from ingest.shared.telemetry.time_split import CHECKING, TRANSFERRING, WAITING_FOR_DISK
from ingest.shared.worker.stage import StageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ingest.downloader.sources.connector import Access, Download
    from ingest.shared.sandbox.child import ChildLimits, Reporter
    from ingest.shared.worker.stage import Report

EXTENSIONS = frozenset(suffix.removeprefix(".") for suffix in MEDIA_SUFFIXES)


@dataclass(frozen=True)
class Pace:
    """The slowest download that may go on: bytes a second, on average over a window of seconds."""

    min_bytes_s: float
    window_s: float


@dataclass(frozen=True)
class Fetch:
    """The handler of the download stage. `doing` is entered with the state of the slot: what it spends its time on."""

    volume: Volume
    scratch: Path
    access: Access
    probe_limits: ChildLimits
    decode_limits: DecodeLimits
    pace: Pace
    permit: Callable[[str | None], AbstractContextManager[object]] = nullcontext
    doing: Callable[[str], AbstractContextManager[object]] = nullcontext

    def __call__(self, message: VideoAccessible, report: Report) -> StageResult:
        """Return AudioReady; raise the reason why the recording could not be downloaded."""
        with self.doing(CHECKING):
            stored = self.volume.find(message.video_id, "audio", AUDIO_ORIGIN, message.fresh_from)
        if stored is None:
            artifact, found = self._download(message, report)
            metadata = connector_of(message.source.kind).combine(message.metadata, found)
        else:
            artifact, metadata = stored, message.metadata
        metadata = Metadata(duration_s=artifact.duration_s).over(metadata)
        ready = message.next(AudioReady, metadata=metadata, audio=artifact)
        is_new = stored is None
        numbers = {"bytes": float(artifact.size_bytes), "audio_s": artifact.duration_s, "fresh": float(is_new)}
        return StageResult(ready, numbers=numbers, metadata=metadata)

    def _download(self, message: VideoAccessible, report: Report) -> tuple[Artifact, Metadata]:
        """Return the stored file of a recording and the metadata found at its source."""
        connector = connector_of(message.source.kind)
        watch = _RateWatch(self.pace, report)
        with _folder(self.scratch) as folder:
            with self.permit(connector.site(message.source.url)), self.doing(TRANSFERRING):
                download = connector.fetch(message.source, folder, self.access, watch)
            with self.doing(CHECKING):
                duration_s = self._length(download)
            check_length(duration_s, download.announced_s or message.metadata.duration_s)
            made = NewArtifact(
                file=Path(download.path),
                kind="audio",
                extension=extension_of(download.path),
                duration_s=duration_s,
                origin=AUDIO_ORIGIN,
                generation=message.generation,
            )
            with self.doing(WAITING_FOR_DISK):
                return self.volume.keep(message.video_id, made), download.metadata

    def _length(self, download: Download) -> float:
        """Return the decoded length.

        A file that is shorter than its container says is TRUNCATED_DOWNLOAD, which is tried again. Only a file that
        is the source itself stays AUDIO_TRUNCATED.
        """
        try:
            limits = replace(self.probe_limits, reads=(download.path,))
            return child.run(probe, (download.path, self.decode_limits), limits)
        except IngestError as error:
            if error.code is not Code.AUDIO_TRUNCATED or not download.is_copy:
                raise
            raise IngestError(Code.TRUNCATED_DOWNLOAD, error.message) from error


def probe(_report: Reporter, path: str, limits: DecodeLimits) -> float:
    """Return the decoded length of a file in seconds (runs in a child process)."""
    with translate_os_errors("recording"):
        return decode.decode(Path(path), limits, lambda _block: None).duration_s


def check_length(duration_s: float, announced_s: float | None) -> None:
    """Raise TRUNCATED_DOWNLOAD when a file is shorter than announced by more than 2 % and 2 s."""
    if announced_s is not None and duration_s < announced_s - tolerance_s(announced_s):
        raise IngestError(Code.TRUNCATED_DOWNLOAD, f"{duration_s:.1f} s of {announced_s:.1f} s")


def extension_of(path: str) -> str:
    """Return the file extension if it is in `EXTENSIONS`, else `bin`: no other text of a source enters file names."""
    extension = Path(path).suffix.lower().lstrip(".")
    return extension if extension in EXTENSIONS else "bin"


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """Create a folder for one download; remove it afterwards."""
    folder = scratch / uuid.uuid4().hex
    with translate_os_errors("scratch folder"):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _RateWatch:
    """Ends a download whose average rate over the window falls below the pace."""

    def __init__(self, pace: Pace, report: Report) -> None:
        self._pace = pace
        self._report = report
        self._seen: deque[tuple[float, float]] = deque()
        self._finished = False

    def __call__(self, numbers: dict[str, float] | None) -> None:
        now = time.monotonic()
        if numbers is not None:
            received = numbers.get("bytes", 0.0)
            self._finished = bool(numbers.get("finished"))
            self._seen.append((now, received))
            self._report({"bytes": received})
        if self._finished or not self._seen:
            return
        while len(self._seen) > 1 and now - self._seen[1][0] >= self._pace.window_s:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - since >= self._pace.window_s:
            rate = (self._seen[-1][1] - before) / (now - since)
            if rate < self._pace.min_bytes_s:
                raise IngestError(Code.DOWNLOAD_TOO_SLOW, f"{rate:.0f} B/s < {self._pace.min_bytes_s:.0f} B/s")
