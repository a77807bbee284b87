"""Counts the videos of a run by state, and adds up their hours. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.runs.bottleneck import Devices, devices
from ingest.downloader.sources.announced import CUT
from ingest.shared.messages import Stage
from ingest.shared.progress import Step, progress_of
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Tally:
    """Numbers of videos, and seconds of audio. `fresh_` counts work of this run, without reused files.

    `cut` counts videos by the fields that were cut or dropped: too long, or impossible.
    `unsettled_s` is what is left to recognise, None while the length of a video is not known. `devices` are the seconds
    of the recognizers' devices by kind (gpu, cpu) and state.
    """

    total: int
    downloaded: int
    transcribed: int
    indexed: int
    failed: int
    skipped: int
    deferred: int
    running: dict[Stage, int]
    audio_s: float
    transcribed_s: float
    unsettled_s: float | None
    indexed_s: float
    fresh_downloads: int
    fresh_transcripts: int
    real_time_factor: float | None
    passages: int
    reasons: dict[str, int]
    cut: dict[str, int]
    devices: Devices

    @property
    def settled(self) -> int:
        """Return the number of videos that are finished or deferred."""
        return self.indexed + self.failed + self.skipped + self.deferred


def count(videos: Iterable[VideoRecord]) -> Tally:
    """Count videos."""
    videos = list(videos)
    states = Counter(video.state for video in videos)
    asr_took = sum(video.figures.get("asr.took_s", 0.0) for video in videos if _figure(video, "asr.fresh"))
    asr_audio = sum(_figure(video, "asr.audio_s") for video in videos if _figure(video, "asr.fresh"))
    return Tally(
        total=len(videos),
        downloaded=sum(_is_past(video, Stage.DOWNLOAD) for video in videos),
        transcribed=sum(_is_past(video, Stage.ASR) for video in videos),
        indexed=states[VideoState.INDEXED],
        failed=states[VideoState.FAILED],
        skipped=states[VideoState.SKIPPED],
        deferred=states[VideoState.DEFERRED],
        running=dict(Counter(video.stage for video in videos if video.state == VideoState.RUNNING)),
        audio_s=sum(video.metadata.duration_s or 0.0 for video in videos),
        transcribed_s=sum(_transcribed_s(video) for video in videos),
        unsettled_s=_left_s(videos),
        indexed_s=sum(_figure(video, "embedder.audio_s") for video in videos if video.state == VideoState.INDEXED),
        fresh_downloads=sum(bool(_figure(video, "download.fresh")) for video in videos),
        fresh_transcripts=sum(bool(_figure(video, "asr.fresh")) for video in videos),
        real_time_factor=asr_took / asr_audio if asr_audio else None,
        passages=int(sum(_figure(video, "embedder.passages") for video in videos)),
        reasons=dict(Counter(str(video.code) for video in videos if video.code is not None)),
        cut=_cut(videos),
        devices=devices(video.figures for video in videos),
    )


def _cut(videos: Iterable[VideoRecord]) -> dict[str, int]:
    fields = ({name.partition(CUT)[2] for name in video.figures if CUT in name} for video in videos)
    return dict(Counter(name for names in fields for name in names))


def _figure(video: VideoRecord, name: str) -> float:
    return video.figures.get(name, 0.0)


def _left_s(videos: Iterable[VideoRecord]) -> float | None:
    unsettled = [video for video in videos if not video.is_settled and not _is_past(video, Stage.ASR)]
    if any(video.metadata.duration_s is None for video in unsettled):
        return None
    return sum(max(0.0, (video.metadata.duration_s or 0.0) - _running_s(video)) for video in unsettled)


def _is_past(video: VideoRecord, stage: Stage) -> bool:
    """Return whether a stage is done: not while it runs, and not because an older run of the video has done it."""
    if video.state == VideoState.INDEXED:
        return True
    if video.stage is not stage:
        return list(Stage).index(video.stage) > list(Stage).index(stage)
    return video.state == VideoState.QUEUED and video.code is None and f"{stage}.audio_s" in video.figures


def _transcribed_s(video: VideoRecord) -> float:
    """Return the seconds of a video that are recognised, also of one in progress."""
    is_running = video.state == VideoState.RUNNING and video.stage is Stage.ASR
    return _running_s(video) if is_running else _figure(video, "asr.audio_s")


def _running_s(video: VideoRecord) -> float:
    if video.state != VideoState.RUNNING:
        return 0.0
    progress = progress_of(video.figures, Stage.ASR)
    if progress is None or progress.step < Step.RECOGNISING:
        return 0.0
    return progress.done if progress.step == Step.RECOGNISING else video.metadata.duration_s or 0.0


def eta_s(tally: Tally, before: Tally, elapsed_s: float) -> float | None:
    """Return the remaining seconds at the pace since `before`: of the recognised seconds, or of the videos.

    None before anything is done. Recordings of unknown length count as videos only.
    """
    if elapsed_s <= 0:
        return None
    fresh_s = tally.transcribed_s - before.transcribed_s
    if fresh_s > 0 and tally.unsettled_s is not None:
        return tally.unsettled_s * elapsed_s / fresh_s
    done = tally.settled - before.settled
    return (tally.total - tally.settled) * elapsed_s / done if done > 0 else None
