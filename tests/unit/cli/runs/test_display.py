"""What is shown of a run while one recording is in progress."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.cli.runs.display import Display
from ingest.shared.messages import Metadata, Stage
from ingest.shared.progress import Progress, Step
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    import pytest


def downloading(done: float) -> VideoRecord:
    figures = {f"download.{name}": value for name, value in Progress(Step.DOWNLOADING, done, 1e8).figures().items()}
    return VideoRecord("abcdefghijk", state=VideoState.RUNNING, stage=Stage.DOWNLOAD, figures=figures)


def recording(done_s: float, step: Step = Step.RECOGNISING) -> VideoRecord:
    figures = {f"asr.{name}": value for name, value in Progress(step, done_s, 10_800.0).figures().items()}
    metadata = Metadata(title="A long talk", duration_s=10_800.0)
    return VideoRecord("abcdefghijk", state=VideoState.RUNNING, stage=Stage.ASR, figures=figures, metadata=metadata)


def test_one_long_recording_shows_how_far_it_is_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with Display([recording(0.0)], quiet=False, line_every_s=0.0) as display:
        display.update([downloading(0.0)])
        display.update([downloading(25e6)])
        display.update([recording(0.0, Step.DECODING)])
        display.update([recording(1080.0)])
        display.update([recording(2160.0)])
    shown = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert re.search(r"abcdefghijk: downloading 25 %, [0-9:]+ to go", shown)
    assert "A long talk: decoding 0 % of 3:00:00" in shown
    assert "A long talk: recognising 10 % of 3:00:00" in shown
    assert re.search(r"recognising 20 % of 3:00:00, [0-9:]+ to go", shown)
    assert "1/1 downloaded, 0 transcribed" in shown
