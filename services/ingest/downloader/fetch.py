"""The download stage: stores a recording as a file on the volume, proven to be complete.

Two child processes: the first downloads, the second has no network and decodes the file. A download counts as complete
only when the file exists and decodes to its end; yt-dlp's "success" alone is not enough. What a site, a feed or the
head of the file says about the length may be wrong (advertisements of another day): a difference is only a figure.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections import deque
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader.captions import captioning, tracks
from ingest.downloader.check import AUDIO_ORIGIN, Permit, asked
from ingest.downloader.exits import unlimited
from ingest.downloader.sources.announced import Announcement, figures
from ingest.downloader.sources.registry import connector_of
from ingest.shared.about import DateSource
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.no_links import opened_folder, true_path
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.captions import CaptionUse
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import MEDIA_SUFFIXES
from ingest.shared.messages import Artifact, AudioReady, Metadata, SourceKind, VideoAccessible
from ingest.shared.progress import Progress, Step
from ingest.shared.sandbox import child, decode
from ingest.shared.sandbox.decode import AudioInfo, DecodeLimits, off_s
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.telemetry.time_split import CHECKING, TRANSFERRING, WAITING_FOR_DISK
from ingest.shared.worker.stage import StageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ingest.downloader.captions.found import CaptionFile
    from ingest.downloader.exits import Exit
    from ingest.downloader.sources.connector import Access, Download
    from ingest.shared.sandbox.child import ChildLimits, Reporter
    from ingest.shared.worker.stage import Report

log = get_logger(__name__)
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
    permit: Permit[VideoAccessible] = unlimited
    has_accounts: bool = False
    doing: Callable[[str], AbstractContextManager[object]] = nullcontext

    def __call__(self, message: VideoAccessible, report: Report) -> StageResult:
        """Return AudioReady, or TranscriptReady of captions alone; raise the reason why there is neither."""
        if message.captions is not None and message.captions.use is CaptionUse.ONLY:
            with _folder(self.scratch) as folder:
                return captioning.alone(self.volume, message, folder, self._captions)
        with self.doing(CHECKING):
            stored = self.volume.find(message.video_id, "audio", AUDIO_ORIGIN, message.fresh_from)
        if stored is not None:
            numbers = {"bytes": float(stored.size_bytes), "audio_s": stored.duration_s, "fresh": 0.0}
            if message.captions is not None:
                with _folder(self.scratch) as folder:
                    numbers |= captioning.beside(self.volume, message, folder, partial(self._captions, stored=stored))
            manifest = self.volume.manifest(message.video_id, "audio")
            announced = manifest.metadata if manifest is not None else Metadata()
            return _result(message, stored, self._combined(message, announced), numbers)
        artifact, found, more = self._download(message, report)
        metadata = self._combined(message, found.metadata)
        numbers = {"bytes": float(artifact.size_bytes), "audio_s": artifact.duration_s, "fresh": 1.0, **more}
        numbers |= figures(found.cut)
        return _result(message, artifact, metadata, numbers)

    def _captions(
        self, message: VideoAccessible, folder: Path, *, stored: Artifact | None = None
    ) -> CaptionFile | None:
        """Return the captions that a recording has: those of its source, else those inside of a file that is stored."""
        connector, access = connector_of(message.source.kind), self.access.with_captions(message)

        def find(way: Exit | None) -> CaptionFile | None:
            with self.doing(TRANSFERRING):
                return connector.captions(message.source, folder, access.through(way))

        found, _ = asked(message, self.permit, find, has_accounts=self.has_accounts)
        if found is not None or stored is None or message.source.kind is SourceKind.FILE:
            return found
        return tracks.inside(self.volume.verified(stored), folder, access.options.captions or ())

    def _combined(self, message: VideoAccessible, announced: Metadata) -> Metadata:
        """Return the metadata that is known now; the time inside of the file goes before a day in its name."""
        submitted = message.metadata
        if announced.date_source is DateSource.FILE and submitted.date_source is DateSource.NAME:
            submitted = submitted.model_copy(update={"published_at": None, "date_source": None})
        return connector_of(message.source.kind).combine(submitted, announced)

    def _download(self, message: VideoAccessible, report: Report) -> tuple[Artifact, Announcement, dict[str, float]]:
        """Return the stored file of a recording, what its source announces, and figures of its length and captions."""
        connector, access = connector_of(message.source.kind), self.access.with_captions(message)
        watch = _RateWatch(self.pace, report)
        with _folder(self.scratch) as folder:

            def fetch(way: Exit | None) -> Download:
                with self.doing(TRANSFERRING):
                    return connector.fetch(message.source, folder, access.through(way), watch)

            download, _ = asked(message, self.permit, fetch, has_accounts=self.has_accounts)
            announced_s = download.announced_s or message.metadata.duration_s
            with self.doing(CHECKING):
                decoded = self._decoded(download, announced_s, report)
            more = differences(decoded, announced_s)
            if access.options.captions is not None:
                inside = partial(tracks.inside, Path(download.path), folder, access.options.captions)
                more |= captioning.keep_found(self.volume, message, download.captions, folder, inside)
            announced = self._dated(message, download.announced, decoded)
            made = NewArtifact(
                file=Path(download.path),
                kind="audio",
                extension=extension_of(download.path),
                duration_s=decoded.duration_s,
                origin=AUDIO_ORIGIN,
                generation=message.generation,
                metadata=announced.metadata.model_copy(update={"about": None}),
            )
            with self.doing(WAITING_FOR_DISK):
                return self.volume.keep(message.video_id, made, partial(verify, message)), announced, more

    def _dated(self, message: VideoAccessible, announced: Announcement, decoded: AudioInfo) -> Announcement:
        """Return what a source announces, with the date of the file where nothing better than a name gives one."""
        known = self._combined(message, announced.metadata)
        if decoded.created_at is None or (known.published_at is not None and known.date_source is not DateSource.NAME):
            return announced
        dated = {"published_at": decoded.created_at, "date_source": DateSource.FILE}
        return replace(announced, metadata=announced.metadata.model_copy(update=dated))

    def _decoded(self, download: Download, announced_s: float | None, report: Report) -> AudioInfo:
        """Return what decoding has found.

        A file that is shorter than its own index says is TRUNCATED_DOWNLOAD, which is tried again. Only a file that
        is the source itself stays AUDIO_TRUNCATED.
        """

        def progress(done_s: float) -> None:
            report(Progress(Step.CHECKING, done_s, announced_s or 0.0).figures())

        watch = decode.decode_progress(progress)
        try:
            limits = replace(self.probe_limits, reads=(download.path,))
            return child.run(probe, (download.path, self.decode_limits), limits, watch)
        except IngestError as error:
            if error.code is not Code.AUDIO_TRUNCATED or not download.is_copy:
                raise
            raise IngestError(Code.TRUNCATED_DOWNLOAD, error.message) from error


def _result(message: VideoAccessible, artifact: Artifact, metadata: Metadata, numbers: dict[str, float]) -> StageResult:
    metadata = Metadata(duration_s=artifact.duration_s).over(metadata).model_copy(update={"about": None})
    ready = message.next(AudioReady, metadata=metadata, audio=artifact)
    return StageResult(ready, numbers=numbers, metadata=metadata)


def verify(message: VideoAccessible, sha256: str) -> None:
    """Raise FILE_CHANGED for the content of another recording, where the content identifies it."""
    content_id = connector_of(message.source.kind).content_id
    if content_id is not None and content_id(sha256) != message.video_id:
        name = Path(message.source.url).name
        raise IngestError(Code.FILE_CHANGED, f"{name} has other content than when it was named: name it again")


def probe(report: Reporter, path: str, limits: DecodeLimits) -> AudioInfo:
    """Return what decoding a file finds (runs in a child process)."""
    with translate_os_errors("recording"):
        return decode.decode(Path(path), limits, decode.reporting(report, lambda _block: None))


def differences(decoded: AudioInfo, announced_s: float | None) -> dict[str, float]:
    """Return by how many seconds the source and the head of the file announce another length, and log what differs.

    The figures are 0 within 2 % and 2 s.
    """
    off = {
        "announced_off_s": off_s(decoded.duration_s, announced_s),
        "container_off_s": off_s(decoded.duration_s, decoded.container_s),
    }
    if any(off.values()):
        log.warning("length_differs", decoded_s=round(decoded.duration_s, 1), **off)
    return off


def extension_of(path: str) -> str:
    """Return the file extension if it is in `EXTENSIONS`, else `bin`: no other text of a source enters file names."""
    extension = Path(path).suffix.lower().lstrip(".")
    return extension if extension in EXTENSIONS else "bin"


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """Create a folder for one download; remove it afterwards."""
    with ExitStack() as held:
        with translate_os_errors("scratch folder"):
            above = held.enter_context(opened_folder(scratch.parent, scratch.name, create=True))
            folder = above / uuid.uuid4().hex
            folder.mkdir()
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield true_path(above) / folder.name


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
            if numbers.get("restarted"):
                self._seen.clear()
            self._seen.append((now, received))
            of_bytes = numbers.get("of_bytes", 0.0)
            self._report({"bytes": received, **Progress(Step.DOWNLOADING, received, of_bytes).figures()})
        if self._finished or not self._seen:
            return
        while len(self._seen) > 1 and now - self._seen[1][0] >= self._pace.window_s:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - since >= self._pace.window_s:
            rate = (self._seen[-1][1] - before) / (now - since)
            if rate < self._pace.min_bytes_s:
                raise IngestError(Code.DOWNLOAD_TOO_SLOW, f"{rate:.0f} B/s < {self._pace.min_bytes_s:.0f} B/s")
