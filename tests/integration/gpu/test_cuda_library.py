"""The library of CUDA 12 is loaded from its wheel before the recognizer opens it by name. No card is needed.

The libraries here are small ones of the test's own with the real names; `.ci/gpu-wheel` loads the real ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from ctypes.util import find_library
from typing import TYPE_CHECKING

import pytest

from ingest.asr.recognition import cuda_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOAD = """
import ctypes
from ingest.asr.recognition import cuda_library
from ingest.shared.errors import IngestError
try:
    print(cuda_library.load())
    ctypes.CDLL("libcublas.so.12")  # as ctranslate2 does
except IngestError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def wheel(tmp_path: Path, program: Callable[[str, str], str]) -> Path:
    """A folder of packages with the libraries where the wheel has them; the second is linked against the first."""
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    compiler = program("cc", "gcc libc6-dev")
    (tmp_path / "empty.c").write_text("int empty(void);\nint empty(void) { return 0; }\n")
    links: list[str] = []
    for name in cuda_library.LIBRARIES:
        target = ["-o", str(folder / name), f"-Wl,-soname,{name}"]
        command = [compiler, "-shared", "-fPIC", *target, str(tmp_path / "empty.c"), "-Wl,--no-as-needed", *links]
        subprocess.run(command, check=True)
        links = [str(folder / name)]
    return tmp_path


def loaded(packages: Path) -> str:
    """Return what a new process prints that loads the libraries, with this folder of packages."""
    path = os.pathsep.join((str(packages), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, "-c", LOAD]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_libraries_of_the_wheel_are_found_by_name_afterwards(wheel: Path) -> None:
    assert loaded(wheel) == str(wheel / "nvidia" / "cublas" / "lib")


@pytest.mark.parametrize("broken", cuda_library.LIBRARIES)
def test_a_library_that_does_not_load_is_named_with_the_command_that_installs_it(wheel: Path, broken: str) -> None:
    (wheel / "nvidia" / "cublas" / "lib" / broken).write_bytes(b"not a library")
    text = loaded(wheel)
    assert text.startswith("ENV_CUDA cuBLAS of CUDA 12 does not load")
    assert broken in text
    assert "pip install 'ingest[gpu]'" in text


@pytest.mark.skipif(find_library("cublas") is not None, reason="this system has cuBLAS of its own")
def test_without_the_wheel_the_error_says_what_to_install(tmp_path: Path) -> None:
    assert "pip install 'ingest[gpu]'" in loaded(tmp_path)
