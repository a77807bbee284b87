"""The download stage: the recording as a file on the volume, proven to be complete.

Two child processes: one talks to the site, the other, without a network, decodes what came. yt-dlp's "success" is
believed only when the file is there, decodes, and is as long as announced.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections import deque
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader import ytdlp
from ingest.downloader.check import AUDIO_ORIGIN, combine, limits_for, local_file
from ingest.downloader.ytdlp import Fetched, SiteOptions
from ingest.shared.artifacts.volume import Made, Volume, translate_os_errors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Artifact, AudioReady, Metadata, Source, SourceKind, Stage, VideoAccessible
from ingest.shared.sandbox import child
from ingest.shared.sandbox import decode as media
from ingest.shared.sandbox.decode import DecodeLimits, tolerance_s
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import CHECKING, TRANSFERRING, WAITING_FOR_DISK, SlotTimes
from ingest.shared.worker.stage import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ingest.shared.sandbox.child import ChildLimits, Reporter
    from ingest.shared.worker.stage import Report

EXTENSIONS = (
    "aac",
    "flac",
    "m4a",
    "mka",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "oga",
    "ogg",
    "opus",
    "ts",
    "wav",
    "webm",
    "weba",
)


@dataclass(frozen=True)
class Pace:
    """How slow a download may be: bytes a second, on average over a window of seconds."""

    min_bytes_s: float
    window_s: float


@dataclass(frozen=True)
class Fetch:
    """The handler of the download stage."""

    volume: Volume
    scratch: Path
    options: SiteOptions
    site_limits: ChildLimits
    probe_limits: ChildLimits
    decode_limits: DecodeLimits
    pace: Pace
    file_roots: tuple[Path, ...]
    slots: SlotTimes = field(default_factory=lambda: SlotTimes(1))
    leave: Callable[[Source], AbstractContextManager[object]] = nullcontext

    def __call__(self, message: VideoAccessible, report: Report) -> Done:
        """Return AudioReady; raise what is wrong with the recording or the way to it."""
        try:
            done = self._ready(message, report)
        except IngestError as error:
            is_playlist = error.code is Code.NOT_AUDIO and error.is_final
            metrics.DOWNLOADS.labels("playlist" if is_playlist else error.code).inc()
            raise
        metrics.DOWNLOADS.labels("fresh" if done.numbers["fresh"] else "there_already").inc()
        return done

    def _ready(self, message: VideoAccessible, report: Report) -> Done:
        with self.slots.doing(CHECKING):
            artifact = self.volume.find(message.video_id, "audio", AUDIO_ORIGIN, message.fresh_from)
        fresh = artifact is None
        metadata = message.metadata
        if artifact is None:
            artifact, found = self._fetch(message, report)
            metadata = combine(message.source.kind, metadata, found)
            metrics.AUDIO_SECONDS.labels(Stage.DOWNLOAD).inc(artifact.duration_s)
        metadata = Metadata(duration_s=artifact.duration_s).over(metadata)
        ready = AudioReady(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=metadata,
            fresh_from=message.fresh_from,
            redo=message.redo,
            audio=artifact,
        )
        numbers = {"bytes": float(artifact.size_bytes), "audio_s": artifact.duration_s, "fresh": float(fresh)}
        return Done(ready, numbers=numbers, metadata=metadata)

    def _fetch(self, message: VideoAccessible, report: Report) -> tuple[Artifact, Metadata]:
        with _folder(self.scratch) as folder:
            if message.source.kind is SourceKind.FILE:
                path = local_file(message.source, self.file_roots)
                fetched = Fetched(str(path), None, Metadata(title=path.stem))
            else:
                watch = _RateWatch(self.pace, report)
                args = (message.source, str(folder), self.options)
                with self.leave(message.source), self.slots.doing(TRANSFERRING):
                    fetched = child.run(ytdlp.fetch, args, limits_for(message.source.kind, self.site_limits), watch)
            with self.slots.doing(CHECKING):
                duration_s = self._length(fetched.path, message.source.kind)
            announced_s = fetched.announced_s or message.metadata.duration_s
            check_length(duration_s, announced_s)
            made = Made(
                file=Path(fetched.path),
                kind="audio",
                extension=extension_of(fetched.path),
                duration_s=duration_s,
                origin=AUDIO_ORIGIN,
                generation=message.generation,
            )
            with self.slots.doing(WAITING_FOR_DISK):
                return self.volume.keep(message.video_id, made), fetched.metadata

    def _length(self, path: str, kind: SourceKind) -> float:
        """Return the decoded length; a file that its container calls longer did not come whole."""
        try:
            return child.run(probe, (path, self.decode_limits), self.probe_limits)
        except IngestError as error:
            if error.code is not Code.AUDIO_TRUNCATED or kind is SourceKind.FILE:
                raise
            raise IngestError(Code.TRUNCATED_DOWNLOAD, error.message) from error


def probe(_report: Reporter, path: str, limits: DecodeLimits) -> float:
    """Return the decoded length of a file in seconds (runs in a child process)."""
    with translate_os_errors("recording"):
        return media.decode(Path(path), limits, lambda _block: None).duration_s


def check_length(duration_s: float, announced_s: float | None) -> None:
    """Raise TRUNCATED_DOWNLOAD when a file is shorter than announced by more than 2 % and 2 s."""
    if announced_s is not None and duration_s < announced_s - tolerance_s(announced_s):
        raise IngestError(Code.TRUNCATED_DOWNLOAD, f"{duration_s:.1f} s of {announced_s:.1f} s")


def extension_of(path: str) -> str:
    """Return the file extension if it is one that we know, else `bin`: nothing foreign gets into our file names."""
    extension = Path(path).suffix.lower().lstrip(".")
    return extension if extension in EXTENSIONS else "bin"


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """Give a download a folder of its own, removed afterwards."""
    folder = scratch / uuid.uuid4().hex
    with translate_os_errors("scratch folder"):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _RateWatch:
    """Ends a download that trickles: the average over the window must not fall below the pace."""

    def __init__(self, pace: Pace, report: Report) -> None:
        self._pace = pace
        self._report = report
        self._seen: deque[tuple[float, float]] = deque()
        self._finished = False

    def __call__(self, numbers: dict[str, float] | None) -> None:
        now = time.monotonic()
        if numbers is not None:
            self._finished = bool(numbers["finished"])
            self._seen.append((now, numbers["bytes"]))
            self._report({"bytes": numbers["bytes"]})
        if self._finished or not self._seen:
            return
        while len(self._seen) > 1 and now - self._seen[1][0] >= self._pace.window_s:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - since >= self._pace.window_s:
            rate = (self._seen[-1][1] - before) / (now - since)
            if rate < self._pace.min_bytes_s:
                raise IngestError(Code.DOWNLOAD_TOO_SLOW, f"{rate:.0f} B/s < {self._pace.min_bytes_s:.0f} B/s")
