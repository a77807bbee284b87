"""Sample speech and miniature models: everything runs offline in a minute.

The samples are synthetic voices (espeak-ng) reading sentences of a small grammar; the recognizer is a Whisper of two
million parameters that knows these hundred words and nothing else. Both are made by the scripts in `training/`.
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
VOICE_MODEL_SHA256 = FOLDER / "models" / "mini-voices.sha256"


@dataclass(frozen=True)
class Said:
    """A sentence of a sample, and the second at which it begins."""

    start_s: float
    text: str


@dataclass(frozen=True)
class Sample:
    """A bundled recording and what is said in it."""

    file: str
    title: str
    published: str
    duration_s: float
    voice: str
    said: tuple[Said, ...]

    @property
    def path(self) -> Path:
        """Return the audio file."""
        return SAMPLES / self.file

    @property
    def text(self) -> str:
        """Return everything that is said."""
        return " ".join(sentence.text for sentence in self.said)


def samples() -> list[Sample]:
    """Return the bundled recordings."""
    rows = json.loads((SAMPLES / "samples.json").read_text())
    return [Sample(**{**row, "said": tuple(Said(**said) for said in row["said"])}) for row in rows]
