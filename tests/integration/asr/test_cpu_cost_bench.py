"""`bench.cpu_cost` in small: every part of the asr stage is measured on a bundled sample."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench import cpu_cost
from bench.cpu_cost_meter import LANGUAGE, PARTS, SPEAKERS
from bench.diarization import read
from ingest.demo import VOICE_MODEL, conversation
from ingest.shared.sandbox.decode import SAMPLE_RATE
from tests.integration.bad_inputs.recordings import pcm

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECONDS = 15.0
SPEAKER_FEATURES = SPEAKERS[1]


def test_every_part_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beginning = read(conversation().path, SECONDS)
    recording = pcm(tmp_path / "beginning.wav", (beginning * 32767).astype("<i2").tobytes(), rate=SAMPLE_RATE)
    command = ["cpu_cost", str(recording), "--pipeline", str(VOICE_MODEL), "--beam", "1"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cpu_cost.main()
    shown = capsys.readouterr().out
    for part in set(PARTS) - {LANGUAGE, SPEAKER_FEATURES}:  # the bundled models have neither
        assert part in shown, part
    assert "cores feed a GPU of 150 hours" in shown
