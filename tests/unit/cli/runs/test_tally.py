"""The number of videos by state, and the time for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.cli.runs.tally import Tally, count, eta_s
from ingest.shared.errors import Code
from ingest.shared.messages import Metadata, Stage
from ingest.shared.video_state import VideoRecord, VideoState


def video(state: VideoState, stage: Stage = Stage.CHECK, code: Code | None = None, **figures: float) -> VideoRecord:
    """Return a video of ten minutes; `asr__took_s` is the figure `asr.took_s`."""
    named = {name.replace("__", "."): value for name, value in figures.items()}
    metadata = Metadata(duration_s=600.0)
    return VideoRecord("abcdefghijk", state=state, stage=stage, code=code, figures=named, metadata=metadata)


def settled(done: int, total: int = 10) -> Tally:
    return count([video(VideoState.INDEXED)] * done + [video(VideoState.QUEUED)] * (total - done))


def test_no_videos_give_zeros() -> None:
    tally = count([])
    assert (tally.total, tally.settled, tally.real_time_factor, tally.running, tally.reasons) == (0, 0, None, {}, {})


def test_videos_are_counted_by_state_and_stage() -> None:
    tally = count(
        [
            video(VideoState.QUEUED),
            video(VideoState.RUNNING, Stage.DOWNLOAD),
            video(VideoState.RUNNING, Stage.ASR, download__audio_s=600.0),
            video(VideoState.RUNNING, Stage.ASR, download__audio_s=600.0),
            video(VideoState.QUEUED, Stage.ASR, download__audio_s=600.0, asr__audio_s=600.0),
            video(VideoState.INDEXED, Stage.EMBEDDER),
            video(VideoState.FAILED, Stage.DOWNLOAD, Code.VIDEO_GONE),
            video(VideoState.FAILED, Stage.CHECK, Code.BAD_URL),
            video(VideoState.SKIPPED, Stage.CHECK, Code.TOO_SHORT),
            video(VideoState.SKIPPED, Stage.CHECK, Code.TOO_SHORT),
            video(VideoState.DEFERRED, Stage.CHECK, Code.IS_LIVE),
        ]
    )
    assert (tally.total, tally.downloaded, tally.transcribed) == (11, 4, 2)
    assert (tally.indexed, tally.failed, tally.skipped, tally.deferred) == (1, 2, 2, 1)
    assert tally.settled == 6
    assert tally.running == {Stage.DOWNLOAD: 1, Stage.ASR: 2}
    assert tally.reasons == {"VIDEO_GONE": 1, "BAD_URL": 1, "TOO_SHORT": 2, "IS_LIVE": 1}
    assert tally.audio_s == 11 * 600.0


def test_hours_are_those_of_each_stage() -> None:
    tally = count(
        [
            video(VideoState.INDEXED, asr__audio_s=600.0, embedder__audio_s=600.0, embedder__passages=12),
            video(VideoState.QUEUED, asr__audio_s=300.0, embedder__audio_s=300.0, embedder__passages=3),
        ]
    )
    assert (tally.transcribed_s, tally.indexed_s, tally.passages) == (900.0, 600.0, 15)


def test_the_real_time_factor_is_of_the_transcripts_of_this_run() -> None:
    tally = count(
        [
            video(VideoState.INDEXED, asr__fresh=1.0, asr__took_s=30.0, asr__audio_s=600.0),
            video(VideoState.INDEXED, asr__fresh=1.0, asr__took_s=90.0, asr__audio_s=200.0),
            video(VideoState.INDEXED, asr__fresh=0.0, asr__took_s=1.0, asr__audio_s=600.0, download__fresh=1.0),
        ]
    )
    assert tally.real_time_factor == pytest.approx(120 / 800)
    assert (tally.fresh_downloads, tally.fresh_transcripts) == (1, 2)


def test_a_video_of_unknown_length_counts_as_a_video() -> None:
    tally = count([VideoRecord("abcdefghijk")])
    assert (tally.total, tally.audio_s) == (1, 0.0)


@pytest.mark.parametrize(
    ("before", "now", "elapsed_s", "left_s"),
    [
        pytest.param(0, 2, 60.0, 240.0, id="at the present pace"),
        pytest.param(2, 4, 60.0, 180.0, id="what was done before does not count"),
        pytest.param(0, 10, 60.0, 0.0, id="finished"),
        pytest.param(0, 0, 60.0, None, id="nothing done"),
        pytest.param(3, 3, 60.0, None, id="nothing done since"),
        pytest.param(0, 2, 0.0, None, id="no time has passed"),
    ],
)
def test_the_remaining_time_follows_from_the_present_pace(
    before: int, now: int, elapsed_s: float, left_s: float | None
) -> None:
    assert eta_s(settled(now), settled(before), elapsed_s) == left_s


RUNNING = VideoState.RUNNING
RECOGNISING: dict[str, Any] = {"asr__progress_step": 4.0, "asr__progress_done": 150.0, "asr__progress_of": 600.0}


@pytest.mark.parametrize(
    ("record", "downloaded", "transcribed", "transcribed_s"),
    [
        pytest.param(video(RUNNING, Stage.ASR, **RECOGNISING), 1, 0, 150.0, id="a quarter is recognised"),
        pytest.param(video(RUNNING, Stage.ASR, asr__audio_s=150.0), 1, 0, 0.0, id="an older worker"),
        pytest.param(video(RUNNING, Stage.ASR, asr__audio_s=600.0, **RECOGNISING), 1, 0, 150.0, id="a second run"),
        pytest.param(video(RUNNING, Stage.DOWNLOAD, download__audio_s=600.0), 0, 0, 0.0, id="a second download"),
        pytest.param(video(VideoState.QUEUED, Stage.ASR, Code.AUDIO_CORRUPT), 1, 0, 0.0, id="tried again"),
        pytest.param(video(VideoState.QUEUED, Stage.DOWNLOAD, download__audio_s=600.0), 1, 0, 0.0, id="waits for asr"),
        pytest.param(video(RUNNING, Stage.EMBEDDER, asr__audio_s=600.0), 1, 1, 600.0, id="is embedded"),
        pytest.param(video(VideoState.FAILED, Stage.ASR, Code.GPU_OOM), 1, 0, 0.0, id="recognition failed"),
    ],
)
def test_counts_count_what_is_done(
    record: VideoRecord, downloaded: int, transcribed: int, transcribed_s: float
) -> None:
    tally = count([record])
    assert (tally.downloaded, tally.transcribed, tally.transcribed_s) == (downloaded, transcribed, transcribed_s)


def test_the_remaining_time_of_one_long_recording_follows_from_its_seconds() -> None:
    before, now = count([video(VideoState.QUEUED)]), count([video(RUNNING, Stage.ASR, **RECOGNISING)])
    assert eta_s(now, before, 30.0) == pytest.approx(450.0 * 30.0 / 150.0)
