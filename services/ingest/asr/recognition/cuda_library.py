"""Loads cuBLAS of CUDA 12 before ctranslate2 opens it by its name, which it does at the first batch.

The wheel `nvidia-cublas-cu12` (extra `gpu`) keeps it in a folder that the dynamic loader does not search. A library
that is loaded is found by its name. torch brings only the libraries of CUDA 13.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

from ingest.shared.errors import Code, IngestError

LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")  # the second needs the first
INSTALL = "pip install 'ingest[gpu]' (the wheel nvidia-cublas-cu12), or set INGEST_ASR_DEVICE=cpu"


def load() -> str:
    """Load the libraries and return where they are: a folder, or `the system`.

    Raise ENV_CUDA with the command that installs them.
    """
    folder = _folder()
    try:
        for name in LIBRARIES:
            ctypes.CDLL(str(folder / name) if folder else name)
    except OSError as error:
        raise IngestError(Code.ENV_CUDA, f"cuBLAS of CUDA 12 does not load ({error}): {INSTALL}") from error
    return str(folder or "the system")


def _folder() -> Path | None:
    """Return the folder of the wheel's libraries, or None when it is not installed."""
    found = importlib.util.find_spec("nvidia")
    places = (found.submodule_search_locations or []) if found else []
    folders = (Path(place) / "cublas" / "lib" for place in places)
    return next((folder for folder in folders if (folder / LIBRARIES[-1]).is_file()), None)
