"""Training material for the miniature recognizer: a pool of spoken sentences, and windows composed from it.

A window is filled as the recognizer fills it: features of the true audio, then zeros to the full length. A model that
saw silent audio there instead invents repeats.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.grammar import SUBJECTS, held_out, jumble, sentence
from training.voices import SAMPLE_RATE, TRAIN_FLITE, TRAIN_VARIANTS, Utterance, any_voice, as_floats, speak

if TYPE_CHECKING:
    from pathlib import Path

FloatArray = npt.NDArray[np.float32]
LEAD_IN_S = 1.0


@dataclass(frozen=True)
class WindowSentence:
    """An utterance inside a window: times in seconds from the start of the window."""

    text: str
    start_s: float
    end_s: float
    word_starts_s: tuple[float, ...]


@dataclass(frozen=True)
class Window:
    """`samples` (16 kHz mono) and the sentences in them; `cut_at_s` is the start of a sentence that does not fit."""

    samples: FloatArray
    sentences: tuple[WindowSentence, ...]
    cut_at_s: float | None


class Pool:
    """Spoken sentences on disk: `audio.i16` (all samples in a row) and `utterances.json`."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[tuple[str, int, int, list[float]]] = json.loads((folder / "utterances.json").read_text())
        self.audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")

    def pick(self, rng: random.Random) -> Utterance:
        """Return a random utterance."""
        text, start, count, words = rng.choice(self.rows)
        return Utterance(text, as_floats(self.audio[start : start + count]), tuple(words))


def make_pool(folder: Path, count: int, seed: int = 1) -> None:
    """Speak `count` sentences (one in four a jumble of words) with the training voices and keep them in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    rows: list[tuple[str, int, int, list[float]]] = []
    position = 0
    with (folder / "audio.i16").open("wb") as out:
        while len(rows) < count:
            text = jumble(rng) if rng.random() < 1 / 4 else sentence(rng, rng.choice(list(SUBJECTS)))
            if held_out(text):
                continue
            utterance = speak(text, any_voice(rng, TRAIN_VARIANTS, TRAIN_FLITE))
            out.write((utterance.samples * 32767).astype(np.int16).tobytes())
            rows.append(
                (text, position, len(utterance.samples), [round(start, 3) for start in utterance.word_starts_s])
            )
            position += len(utterance.samples)
    (folder / "utterances.json").write_text(json.dumps(rows))


def compose(pool: Pool, rng: random.Random, length_s: float, sentences: int) -> Window:
    """Return up to `sentences` utterances with gaps of 0.1-4 s in at most `length_s` seconds, with noise and gain."""
    samples = np.zeros(int(length_s * SAMPLE_RATE), dtype=np.float32)
    placed: list[WindowSentence] = []
    at = rng.uniform(0.0, LEAD_IN_S) if rng.random() < 0.8 else rng.uniform(0.0, 3.0)
    cut: float | None = None
    end = at
    while len(placed) < sentences:
        spoken = pool.pick(rng)
        first = int(at * SAMPLE_RATE)
        if at + spoken.duration_s > length_s - 0.05:
            if at < length_s - 0.4:
                cut = at
                part = (spoken.samples * _gain(rng))[: len(samples) - first]
                samples[first : first + len(part)] += part
            break
        samples[first : first + len(spoken.samples)] += spoken.samples * _gain(rng)
        end = at + spoken.duration_s
        placed.append(WindowSentence(spoken.text, at, end, tuple(at + start for start in spoken.word_starts_s)))
        at = end + (rng.uniform(0.1, 1.2) if rng.random() < 0.8 else rng.uniform(1.2, 4.0))
    true_end = length_s if cut is not None else min(length_s, end + rng.uniform(0.0, 1.5))
    return Window(_soil(samples[: max(1600, int(true_end * SAMPLE_RATE))], rng), tuple(placed), cut)


def silence(rng: random.Random, length_s: float) -> Window:
    """Return a window without speech."""
    return Window(_soil(np.zeros(int(rng.uniform(1.0, length_s) * SAMPLE_RATE), dtype=np.float32), rng), (), None)


def _gain(rng: random.Random) -> float:
    return float(np.exp(rng.uniform(np.log(0.25), np.log(1.0))))


def _soil(samples: FloatArray, rng: random.Random) -> FloatArray:
    """Add what recordings have: a tilt of the spectrum, noise, another level."""
    noise = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.3:
        tilt = rng.uniform(-0.6, 0.6)
        samples = np.append(samples[:1], samples[1:] - np.float32(tilt) * samples[:-1])
    if rng.random() < 0.7:
        level = 10 ** rng.uniform(-4.5, -2.7)  # louder would drown quiet speech
        samples = samples + noise.standard_normal(len(samples), dtype=np.float32) * np.float32(level)
    return np.asarray(samples * np.float32(10 ** rng.uniform(-0.6, 0.1)), dtype=np.float32).clip(-1, 1)
