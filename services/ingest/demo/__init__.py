"""Sample recordings and miniature models, with which everything runs offline in a minute.

The samples are synthetic voices (espeak-ng) that read sentences of a small grammar. The recognizer is a Whisper of two
million parameters that was trained with these hundred words only. The voice models are a diarization pipeline of the
same kind. All are made by the scripts in `training/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

FOLDER = Path(str(resources.files(__name__)))
SAMPLES = FOLDER / "samples"
EMBEDDING_MODEL = "all-MiniLM-L6-v2"  # comes with the local extra
ASR_MODEL = FOLDER / "models" / "mini-whisper"
VOICE_MODEL = FOLDER / "models" / "mini-voices"
ENROLLED = "Marina"  # the voice of the first episode, and one of the two in the last
VOICE_MODEL_SHA256 = FOLDER / "models" / "mini-voices.sha256"


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence of a sample, the seconds at which it begins and ends (0 if unused), and its speaker."""

    start_s: float
    text: str
    end_s: float = 0.0
    speaker: str = ""


@dataclass(frozen=True)
class Sample:
    """A bundled recording and the sentences in it."""

    file: str
    title: str
    published: str
    duration_s: float
    voice: str
    sentences: tuple[SpokenSentence, ...]

    @property
    def path(self) -> Path:
        """The audio file."""
        return SAMPLES / self.file

    @property
    def text(self) -> str:
        """The text of the whole recording."""
        return " ".join(sentence.text for sentence in self.sentences)


def samples() -> list[Sample]:
    """Return the bundled recordings of one voice each."""
    return _read("samples.json")


def conversation() -> Sample:
    """Return the bundled conversation of two people, of whom one is enrolled."""
    (found,) = _read("conversation.json")
    return found


def episodes() -> list[Sample]:
    """Return all episodes of the podcast of the demonstration."""
    return [*samples(), conversation()]


def voice_model_sha256() -> str:
    """Return the fingerprint that the folder of the voice models must have."""
    return VOICE_MODEL_SHA256.read_text().strip()


def _read(name: str) -> list[Sample]:
    rows = json.loads((SAMPLES / name).read_text())
    return [
        Sample(**{**row, "sentences": tuple(SpokenSentence(**sentence) for sentence in row["sentences"])})
        for row in rows
    ]
