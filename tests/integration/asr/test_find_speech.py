"""Speech is found, also what is said softly beside a louder voice; noise is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr import audio
from ingest.asr.spans import Span
from ingest.demo import samples
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

if TYPE_CHECKING:
    from pathlib import Path

SAID_S, PAUSE_S = 12, 3
SOFT = 0.002  # the voice activity detection does not find the sample at this volume


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> audio.Waveform:
    """The first seconds of a sample."""
    folder: Path = tmp_path_factory.mktemp("scratch")
    waveform, _ = audio.load(samples()[0].path, folder, DecodeLimits(), ChildLimits(60))
    return np.asarray(waveform[: SAID_S * SAMPLE_RATE])


def found_s(*parts: audio.Waveform) -> list[float]:
    """Return the seconds of speech that are found in each of several parts with pauses between them."""
    pause = np.zeros(PAUSE_S * SAMPLE_RATE, dtype=np.float32)
    waveform = np.concatenate([samples for part in parts for samples in (part, pause)])
    speech = audio.find_speech(waveform)
    assert speech == sorted(speech, key=lambda span: span.start_s)
    starts = [number * (SAID_S + PAUSE_S) for number in range(len(parts))]
    return [sum(span.duration_s for span in speech if start <= span.start_s < start + SAID_S) for start in starts]


@pytest.mark.parametrize("volumes", [(1.0, SOFT), (SOFT, 1.0), (SOFT, 1.0, SOFT)])
def test_soft_speech_beside_a_louder_voice_is_found(said: audio.Waveform, volumes: tuple[float, ...]) -> None:
    assert min(found_s(*(said * np.float32(volume) for volume in volumes))) > SAID_S / 2


def test_noise_beside_a_voice_is_no_speech(said: audio.Waveform) -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, len(said)).astype(np.float32)
    voice_s, noise_s = found_s(said, noise)
    assert voice_s > SAID_S / 2
    assert noise_s == 0


def test_times_of_speech_are_exact_after_a_minute_of_a_hum(said: audio.Waveform) -> None:
    noise = np.random.default_rng(0).normal(0, 20 / 32768, 60 * SAMPLE_RATE).astype(np.float32)
    hum = noise + np.float32(0.002) * np.sin(2 * np.pi * 50 * np.arange(len(noise)) / SAMPLE_RATE).astype(np.float32)
    alone = audio.find_speech(said)
    found = audio.find_speech(np.concatenate([hum, said, hum, said]))
    starts = [len(hum) / SAMPLE_RATE, 2 * len(hum) / SAMPLE_RATE + SAID_S]
    assert [span.start_s for span in found] == pytest.approx(
        [start + span.start_s for start in starts for span in alone], abs=0.2
    )


def test_what_is_soft_everywhere_is_not_amplified(said: audio.Waveform) -> None:
    assert found_s(said * np.float32(SOFT)) == [0]


@pytest.mark.parametrize(
    ("speech", "found"),
    [
        pytest.param([], [(0, 20)], id="no speech"),
        pytest.param([Span(0, 20)], [], id="all speech"),
        pytest.param([Span(1.9, 5), Span(6.9, 18.1)], [], id="short pauses"),
        pytest.param([Span(2, 5), Span(7, 18)], [(0, 2), (5, 7), (18, 20)], id="before, between and behind"),
    ],
)
def test_long_pauses_are_found(speech: list[Span], found: list[tuple[float, float]]) -> None:
    assert [(pause.start_s, pause.end_s) for pause in audio.pauses(speech, 20)] == found
