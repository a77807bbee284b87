"""The check stage: finds out whether a recording can be had, and whether the submitter wants it.

Asks the site once, in a child process, and passes on what it says about the recording. A refusal has a type: only a
lasting one skips the video, everything else comes back (see `ingest.downloader.refusals`).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader import javascript, ytdlp
from ingest.shared.artifacts.volume import translate_os_errors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Policy, Source, SourceKind, VideoAccessible, VideoRequested
from ingest.shared.sandbox import child
from ingest.shared.worker.stage import Done

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ingest.downloader.ytdlp import SiteOptions
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.sandbox.child import ChildLimits
    from ingest.shared.worker.stage import Report

AUDIO_ORIGIN = "audio-1"  # changes when the way of downloading changes so much that old files must not be used again
PAGE_MEMORY_BYTES = 1 << 30  # an endless page is read into memory


@dataclass(frozen=True)
class Check:
    """The handler of the check stage."""

    volume: Volume
    options: SiteOptions
    limits: ChildLimits
    file_roots: tuple[Path, ...]
    max_duration_s: float
    leave: Callable[[Source], AbstractContextManager[object]] = nullcontext

    def __call__(self, message: VideoRequested, _report: Report) -> Done:
        """Return VideoAccessible with what the site says; raise the verdict otherwise."""
        there = self.volume.find(message.video_id, "audio", AUDIO_ORIGIN, message.fresh_from)
        found = Metadata() if there else self._look(message.source)
        metadata = combine(message.source.kind, message.metadata, found)
        apply_policy(message.policy, metadata, self.max_duration_s)
        accessible = VideoAccessible(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=metadata,
            fresh_from=message.fresh_from,
            redo=message.redo,
        )
        return Done(accessible, metadata=metadata)

    def _look(self, source: Source) -> Metadata:
        if source.kind is SourceKind.FILE:
            local_file(source, self.file_roots)
            return Metadata()
        with self.leave(source):
            return child.run(ytdlp.inspect, (source, self.options), limits_for(source.kind, self.limits))


def limits_for(kind: SourceKind, limits: ChildLimits) -> ChildLimits:
    """Return the limits of a child that talks to a site: YouTube's scripts need their engine, others less memory."""
    if kind is not SourceKind.YOUTUBE:
        return replace(limits, memory_bytes=PAGE_MEMORY_BYTES)
    engine = javascript.path()
    return replace(limits, programs=(engine,) if engine else ())


def combine(kind: SourceKind, submitted: Metadata, found: Metadata) -> Metadata:
    """Return what is known: of a video its site knows best, of a plain file whoever has submitted it (a feed)."""
    return found.over(submitted) if kind is SourceKind.YOUTUBE else submitted.over(found)


def apply_policy(policy: Policy, metadata: Metadata, longest_s: float) -> None:
    """Raise TOO_SHORT, TOO_LONG or TOO_OLD when the submitter does not want such a recording."""
    duration, published = metadata.duration_s, metadata.published_at
    longest_s = min(longest_s, policy.max_duration_s or longest_s)
    if duration is not None and duration < (policy.min_duration_s or 0):
        raise IngestError(Code.TOO_SHORT, f"{duration:.0f} s, wanted at least {policy.min_duration_s:.0f} s")
    if duration is not None and duration > longest_s:
        raise IngestError(Code.TOO_LONG, f"{duration / 3600:.1f} h > limit {longest_s / 3600:.1f} h")
    since = policy.published_after
    if published is not None and since is not None and published < since:
        raise IngestError(Code.TOO_OLD, f"published {published:%Y-%m-%d}, wanted since {since:%Y-%m-%d}")


def local_file(source: Source, roots: tuple[Path, ...]) -> Path:
    """Return the file of a `file` source; refuse one outside the folders that may be read.

    Raise ENV_VOLUME where such a folder is missing or cannot be read: its files are not gone.
    """
    with translate_os_errors("INGEST_FILE_ROOTS"):
        path = Path(source.url).resolve()
        folders = [root for root in roots if path.is_relative_to(root.resolve())]
        if not folders:
            raise IngestError(Code.URL_NOT_ALLOWED, "local file outside INGEST_FILE_ROOTS")
        if not path.is_file():
            for root in folders:
                (root.parent if root.resolve() == path else root).stat()  # a root may be the file itself
            raise IngestError(Code.VIDEO_GONE, f"no such file: {path.name}")
    return path
