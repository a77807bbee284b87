"""Synthetic voices for training and measuring: espeak-ng variants and flite voices, and which of them are kept out.

The two synthesizers are Debian packages; espeak-ng reports the start of each word, flite does not.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.espeak import SynthesizerMissingError, synthesize

if TYPE_CHECKING:
    import random

WAV_HEADER_BYTES = 44
AFTER_LAST_KNOWN_S = 0.15  # a word joined to the last known one starts about this much later
SAMPLE_RATE = 16_000
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us-nyc")
TRAIN_VARIANTS = (
    *("f1", "f2", "f4", "f5", "m1", "m2", "m3", "m4", "m6", "m7", "m8"),
    *("adam", "Alex", "Alicia", "Andy", "Annie", "aunty", "belinda", "benjamin", "boris", "caleb", "Denis", "Diogo"),
    *("ed", "edward", "Gene", "gustave", "Henrique", "Hugo", "iven", "iven2", "john", "kaukovalta", "Lee", "linda"),
    *("Marco", "Mario", "max", "michael", "Mike", "Mr", "Nguyen", "pablo", "paul", "quincy", "rob", "robert"),
    *(
        "sandro",
        "shelby",
        "steph",
        "steph2",
        "travis",
        "victor",
        "Zac",
        "anika",
        "grandpa",
        "klatt",
        "klatt2",
        "klatt4",
    ),
)
TRAIN_FLITE = ("kal16", "awb", "slt")
UNSEEN_VARIANTS = ("f3", "m5", "Andrea", "david", "norbert", "marcelo", "Jacky", "steph3", "grandma", "miguel")
UNSEEN_FLITE = ("rms",)


@dataclass(frozen=True)
class Voice:
    """One way of speaking: `engine` is espeak-ng or flite; speed in words a minute, pitch 0-99 (espeak-ng only)."""

    engine: str
    name: str
    accent: str = "en-us"
    speed: int = 165
    pitch: int = 50


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence: float32 mono samples at 16 kHz; the second each word starts, empty where unknown."""

    text: str
    samples: npt.NDArray[np.float32]
    word_starts_s: tuple[float, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def espeak_voice(rng: random.Random, variants: tuple[str, ...]) -> Voice:
    """Return a random manner of speaking of a random variant."""
    return Voice("espeak-ng", rng.choice(variants), rng.choice(ACCENTS), rng.randint(130, 195), rng.randint(25, 75))


def any_voice(rng: random.Random, variants: tuple[str, ...], flite: tuple[str, ...]) -> Voice:
    """Return a random voice: one in six is a flite voice."""
    if flite and rng.random() < 1 / 6:
        return Voice("flite", rng.choice(flite))
    return espeak_voice(rng, variants)


def speak(text: str, voice: Voice) -> Utterance:
    """Return `text` spoken by `voice`, silence at both ends cut off."""
    if voice.engine == "flite":
        return _speak_flite(text, voice.name)
    spoken = synthesize(text, f"{voice.accent}+{voice.name}", speed=voice.speed, pitch=voice.pitch)
    samples = resample(as_floats(spoken.samples), spoken.rate)
    first, last = speech_bounds(samples)
    starts = word_starts(text, spoken.starts_s)
    return Utterance(text, samples[first:last], tuple(max(0.0, start - first / SAMPLE_RATE) for start in starts))


def word_starts(text: str, known: dict[int, float]) -> tuple[float, ...]:
    """Return the start of every word of `text`; one said together with others lies evenly between the known ones."""
    places = [match.start() for match in re.finditer(r"\S+", text)]
    anchors = [index for index, place in enumerate(places) if place in known]
    if not anchors or anchors[0] != 0:
        return ()
    times = [known[places[index]] for index in anchors]
    inside = np.interp(range(anchors[-1] + 1), anchors, times)
    after = [times[-1] + AFTER_LAST_KNOWN_S * (index + 1) for index in range(len(places) - anchors[-1] - 1)]
    return (*map(float, inside), *after)


def _speak_flite(text: str, name: str) -> Utterance:
    if shutil.which("flite") is None:
        message = "flite is not installed; on Debian: apt-get install espeak-ng flite"
        raise SynthesizerMissingError(message)
    command = ["flite", "-voice", name, "-t", text, "-o", "/dev/stdout"]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 (our own commands)
    with wave.open(io.BytesIO(spoken)) as sound:
        rate = sound.getframerate()
    samples = resample(as_floats(np.frombuffer(spoken[WAV_HEADER_BYTES:], dtype=np.int16)), rate)
    first, last = speech_bounds(samples)
    return Utterance(text, samples[first:last], ())


def as_floats(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return 16-bit samples as float32 between -1 and 1."""
    return samples.astype(np.float32) / np.float32(32768)


def resample(samples: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    """Return `samples` at 16 kHz (polyphase filter)."""
    if rate == SAMPLE_RATE:
        return samples
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(samples, SAMPLE_RATE, rate), dtype=np.float32)


def speech_bounds(samples: npt.NDArray[np.float32], floor: float = 0.01) -> tuple[int, int]:
    """Return the first and the last-but-one sample index that is louder than `floor` (full scale 1)."""
    loud = np.flatnonzero(np.abs(samples) > floor)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)
