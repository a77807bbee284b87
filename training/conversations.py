"""Conversations of synthetic speakers with their turns: material for training and measuring diarization.

A speaker is a voice with a fixed manner; stretching its samples gives another vocal tract. Those used for measuring
(flite `rms` and `slt`, ten espeak-ng variants) never occur in training.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.grammar import SUBJECTS, held_out, jumble, sentence
from training.voices import ACCENTS, SAMPLE_RATE, TRAIN_VARIANTS, UNSEEN_VARIANTS, Voice, as_floats, resample, speak

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FloatArray = npt.NDArray[np.float32]
MANNERS = 4  # speakers made of each espeak-ng variant
LEVEL = 0.08  # root mean square of an utterance
STRETCHES = (0.84, 0.92, 1.0, 1.09, 1.19)
TRAIN_FLITE = ("kal", "kal16", "awb")
UNSEEN_FLITE = ("rms", "slt")


@dataclass(frozen=True)
class Speaker:
    """A voice whose samples are stretched by a factor: above 1 it gets deeper and slower."""

    voice: Voice
    stretch: float = 1.0

    def say(self, text: str) -> FloatArray:
        """Return `text` spoken, silence at both ends cut off, at the common level."""
        samples = speak(text, self.voice).samples
        if self.stretch != 1.0:
            samples = resample(samples, round(SAMPLE_RATE / self.stretch))
        return np.asarray(samples * np.float32(LEVEL / max(1e-4, float(np.sqrt(np.mean(samples**2))))))


@dataclass(frozen=True)
class Utterance:
    """Speaker number `speaker` says `text` from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    speaker: int
    text: str


@dataclass(frozen=True)
class Conversation:
    """`samples` (16 kHz mono) and who says what when."""

    samples: FloatArray
    utterances: tuple[Utterance, ...]


def training_speakers(seed: int = 5) -> list[Speaker]:
    """Return the speakers of the training: manners of each espeak-ng variant, vocal tracts of each flite voice."""
    rng = random.Random(seed)
    speakers = [Speaker(Voice("flite", name), stretch) for name in TRAIN_FLITE for stretch in STRETCHES]
    for variant in TRAIN_VARIANTS:
        for manner in range(MANNERS):
            pitch = 15 + 20 * manner + rng.randint(0, 18)
            voice = Voice("espeak-ng", variant, rng.choice(ACCENTS), rng.randint(135, 190), pitch)
            speakers.append(Speaker(voice, rng.choice(STRETCHES) if rng.random() < 0.4 else 1.0))
    return speakers


def unseen_speakers(seed: int = 11) -> list[Speaker]:
    """Return the speakers kept for measuring, each with one manner."""
    rng = random.Random(seed)
    speakers = [Speaker(Voice("flite", name)) for name in UNSEEN_FLITE]
    for variant in UNSEEN_VARIANTS:
        voice = Voice("espeak-ng", variant, rng.choice(ACCENTS), rng.randint(140, 180), rng.randint(35, 65))
        speakers.append(Speaker(voice))
    return speakers


def converse(
    say: Callable[[int], tuple[FloatArray, str]],
    speakers: Sequence[int],
    rng: random.Random,
    length_s: float,
    overlaps: float = 0.15,
) -> Conversation:
    """Return a conversation: turns of one to four utterances, pauses, and in a share of the changes overlapped speech.

    `say` gives the next utterance of a speaker: its samples and its text.
    """
    samples = np.zeros(int(length_s * SAMPLE_RATE), dtype=np.float32)
    utterances: list[Utterance] = []
    gains = {speaker: 10 ** rng.uniform(-0.3, 0.15) for speaker in speakers}
    at = rng.uniform(0.0, 1.0)
    current = rng.choice(speakers)
    left = rng.randint(1, 4)
    while True:
        spoken, text = say(current)
        first = int(at * SAMPLE_RATE)
        end_s = at + len(spoken) / SAMPLE_RATE
        if end_s > length_s:
            break
        samples[first : first + len(spoken)] += spoken * np.float32(gains[current])
        utterances.append(Utterance(round(at, 3), round(end_s, 3), current, text))
        left -= 1
        others = [speaker for speaker in speakers if speaker != current]
        if left <= 0 and others:
            current, left = rng.choice(others), rng.randint(1, 4)
            overlapped = rng.random() < overlaps
            shift = -rng.uniform(0.3, min(1.5, len(spoken) / SAMPLE_RATE / 2)) if overlapped else rng.uniform(0.05, 0.9)
        else:
            shift = rng.uniform(0.1, 0.8)
        at = max(at + 0.2, end_s + shift)
    return Conversation(soil(samples, rng), tuple(utterances))


def soil(samples: FloatArray, rng: random.Random) -> FloatArray:
    """Add what recordings have: noise (white to brownish) and another level."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(samples), dtype=np.float32)
    if rng.random() < 0.5:
        kernel = np.exp(-np.arange(16, dtype=np.float32) / np.float32(rng.uniform(1, 6)))
        noise = np.convolve(noise, kernel / np.linalg.norm(kernel), mode="same").astype(np.float32)
    level = LEVEL * 10 ** rng.uniform(-2.2, -1.0)
    return np.asarray((samples + noise * np.float32(level)) * np.float32(10 ** rng.uniform(-0.4, 0.4))).clip(-1, 1)


def speaking(speakers: Sequence[Speaker], rng: random.Random) -> Callable[[int], tuple[FloatArray, str]]:
    """Return what `converse` asks: sentences never trained on, spoken on demand."""

    def say(number: int) -> tuple[FloatArray, str]:
        while True:
            text = sentence(rng, rng.choice(list(SUBJECTS)))
            if held_out(text):
                return speakers[number].say(text), text

    return say


class Pool:
    """Utterances of the training speakers on disk: `audio.i16` (all samples in a row) and `utterances.json`."""

    def __init__(self, folder: Path) -> None:
        rows: list[tuple[int, int, int]] = json.loads((folder / "utterances.json").read_text())
        self.by_speaker: dict[int, list[tuple[int, int]]] = {}
        for speaker, start, count in rows:
            self.by_speaker.setdefault(speaker, []).append((start, count))
        self.audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")

    def saying(self, rng: random.Random) -> Callable[[int], tuple[FloatArray, str]]:
        """Return what `converse` asks: utterances of the pool."""

        def say(number: int) -> tuple[FloatArray, str]:
            start, count = rng.choice(self.by_speaker[number])
            return as_floats(self.audio[start : start + count]), ""

        return say


def make_pool(folder: Path, each: int, seed: int = 3) -> None:
    """Let each training speaker say `each` sentences (half of them a jumble of words), and keep them in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    rows: list[tuple[int, int, int]] = []
    position = 0
    with (folder / "audio.i16").open("wb") as out:
        for number, speaker in enumerate(training_speakers()):
            for _ in range(each):
                text = jumble(rng) if rng.random() < 0.5 else sentence(rng, rng.choice(list(SUBJECTS)))
                samples = speaker.say(text).clip(-1, 1)
                out.write((samples * 32767).astype(np.int16).tobytes())
                rows.append((number, position, len(samples)))
                position += len(samples)
    (folder / "utterances.json").write_text(json.dumps(rows))
