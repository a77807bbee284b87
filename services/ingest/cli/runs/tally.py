"""Counts the videos of a run by state, and adds up their hours. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.runs.bottleneck import Devices, devices
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.shared.messages import Stage


@dataclass(frozen=True)
class Tally:
    """Numbers of videos, and seconds of audio. `fresh_` counts work of this run, without reused files.

    `devices` are the seconds of the recognizers' devices by kind (gpu, cpu) and state.
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
    indexed_s: float
    fresh_downloads: int
    fresh_transcripts: int
    real_time_factor: float | None
    passages: int
    reasons: dict[str, int]
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
        downloaded=sum("download.audio_s" in video.figures or video.state == VideoState.INDEXED for video in videos),
        transcribed=sum("asr.audio_s" in video.figures or video.state == VideoState.INDEXED for video in videos),
        indexed=states[VideoState.INDEXED],
        failed=states[VideoState.FAILED],
        skipped=states[VideoState.SKIPPED],
        deferred=states[VideoState.DEFERRED],
        running=dict(Counter(video.stage for video in videos if video.state == VideoState.RUNNING)),
        audio_s=sum(video.metadata.duration_s or 0.0 for video in videos),
        transcribed_s=sum(_figure(video, "asr.audio_s") for video in videos),
        indexed_s=sum(_figure(video, "embedder.audio_s") for video in videos if video.state == VideoState.INDEXED),
        fresh_downloads=sum(bool(_figure(video, "download.fresh")) for video in videos),
        fresh_transcripts=sum(bool(_figure(video, "asr.fresh")) for video in videos),
        real_time_factor=asr_took / asr_audio if asr_audio else None,
        passages=int(sum(_figure(video, "embedder.passages") for video in videos)),
        reasons=dict(Counter(str(video.code) for video in videos if video.code is not None)),
        devices=devices(video.figures for video in videos),
    )


def _figure(video: VideoRecord, name: str) -> float:
    return video.figures.get(name, 0.0)


def eta_s(tally: Tally, before: Tally, elapsed_s: float) -> float | None:
    """Return the remaining seconds at the pace since `before`, or None before the first video is finished."""
    done = tally.settled - before.settled
    if done <= 0 or elapsed_s <= 0:
        return None
    return (tally.total - tally.settled) * elapsed_s / done
