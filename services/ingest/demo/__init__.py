"""Sample speech and miniature models: everything runs offline in a minute.

The samples are synthetic voices (espeak-ng) reading sentences of a small grammar; the recognizer is a Whisper of two
million parameters that knows these hundred words and nothing else, the voice models hear who speaks. All are made by
the scripts in `training/`.
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
ENROLLED = "Marina"  # who reads the first episode, and talks in the last
VOICE_MODEL_SHA256 = FOLDER / "models" / "mini-voices.sha256"


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence of a sample, the seconds at which it begins and ends (0 where nobody asks), and who says it."""

    start_s: float
    text: str
    end_s: float = 0.0
    speaker: str = ""


@dataclass(frozen=True)
class Sample:
    """A bundled recording and what is said in it."""

    file: str
    title: str
    published: str
    duration_s: float
    voice: str
    said: tuple[SpokenSentence, ...]

    @property
    def path(self) -> Path:
        """Return the audio file."""
        return SAMPLES / self.file

    @property
    def text(self) -> str:
        """Return everything that is said."""
        return " ".join(sentence.text for sentence in self.said)


def samples() -> list[Sample]:
    """Return the bundled recordings of one voice each."""
    return _read("samples.json")


def conversation() -> Sample:
    """Return the bundled conversation of two people: the enrolled one, and a stranger."""
    (made,) = _read("conversation.json")
    return made


def episodes() -> list[Sample]:
    """Return everything that the demonstration's podcast has."""
    return [*samples(), conversation()]


def voice_model_sha256() -> str:
    """Return the fingerprint of the voice models: what their folder must have to be loaded."""
    return VOICE_MODEL_SHA256.read_text().strip()


def _read(name: str) -> list[Sample]:
    rows = json.loads((SAMPLES / name).read_text())
    return [Sample(**{**row, "said": tuple(SpokenSentence(**said) for said in row["said"])}) for row in rows]
