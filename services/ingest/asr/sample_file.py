"""Samples in a file of the scratch folder, which a child process writes and this process reads as it grows.

The file loses its name once the child has opened it. So its space is free as soon as both have ended, however they end.
"""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.no_links import opened_folder, true_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE_BYTES = 4


class Samples(Protocol):
    """Samples at 16 kHz: an array, or those of a file that grows."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.float32]:
        """Return some of the samples."""


@dataclass(frozen=True, eq=False)
class SampleFile:
    """The samples (float32) that are written so far; `path` is the name of the file for a child process."""

    path: str
    file: BinaryIO
    name: Path

    def __len__(self) -> int:
        """Return how many samples there are."""
        return os.fstat(self.file.fileno()).st_size // SAMPLE_BYTES

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.float32]:
        """Return some of the samples, mapped into memory; they outlive the file."""
        first, last, _ = part.indices(len(self))
        if last <= first:
            return np.zeros(0, dtype=np.float32)
        return np.memmap(self.file, dtype=np.float32, mode="r", offset=first * SAMPLE_BYTES, shape=(last - first,))

    def lose_name(self) -> None:
        """Remove the name of the file."""
        self.name.unlink(missing_ok=True)


@contextmanager
def sample_file(scratch: Path) -> Iterator[SampleFile]:
    """Give an empty file in the scratch folder."""
    name = f"{uuid.uuid4().hex}.f32"
    with ExitStack() as held:
        with translate_os_errors("scratch folder"):
            folder = held.enter_context(opened_folder(scratch.parent, scratch.name, create=True))
            file = held.enter_context((folder / name).open("xb+", buffering=0))
            made = SampleFile(str(true_path(folder) / name), file, folder / name)
            held.callback(made.lose_name)
        yield made
