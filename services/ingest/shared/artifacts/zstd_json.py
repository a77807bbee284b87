"""Files of JSON, compressed with zstd; vectors in them are base64 of little-endian half-precision numbers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
import numpy.typing as npt
import zstandard
from pydantic import StringConstraints

from ingest.shared.artifacts.no_links import read_file
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 64 << 20  # of JSON: 60 hours of speech (1.05 MB an hour). Read, it takes sixteen times as much memory
LARGEST = f"{LARGEST_BYTES >> 20} MiB of JSON, which is about 60 hours of speech"

P = TypeVar("P", bound=Part)
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class Vectors(Part):
    """Any number of vectors of one length."""

    dimension: int
    data: Base64

    def array(self) -> npt.NDArray[np.float32]:
        """Return the vectors (count, dimension); raise ValueError unless they are finite and of this dimension."""
        numbers = np.frombuffer(base64.b64decode(self.data, validate=True), dtype="<f2").astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError("vectors are not finite")
        return numbers.reshape(-1, self.dimension)


def vectors(array: npt.NDArray[np.float32]) -> Vectors:
    """Return vectors (count, dimension) as they are stored in a file."""
    return Vectors(dimension=array.shape[1], data=base64.b64encode(array.astype("<f2").tobytes()).decode())


def pack(part: Part, code: Code) -> bytes:
    """Return the bytes of a file with this content; raise `code` when it is longer than what can be read."""
    content = part.model_dump_json().encode()
    if len(content) > LARGEST_BYTES:
        raise IngestError(code, f"{len(content) >> 20} MiB, limit {LARGEST}; split the recording")
    return zstandard.compress(content)


def read(kind: type[P], path: Path, code: Code) -> P:
    """Return the content of a file; raise `code` when it is invalid."""
    try:
        data = read_file(path, LARGEST_BYTES)
    except ValueError as error:
        raise IngestError(code, f"{path.name} cannot be read: {first_line(error)}") from error
    return parse(kind, data, path.name, code)


def parse(kind: type[P], data: bytes, name: str, code: Code) -> P:
    """Return the content of a file that was read; raise `code` when it is invalid."""
    try:
        return kind.model_validate_json(_unpack(data))
    except (zstandard.ZstdError, ValueError) as error:  # a ValidationError is one
        raise IngestError(code, f"{name} cannot be read: {first_line(error)}") from error


def _unpack(data: bytes) -> bytes:
    """Return the decompressed data. The announced size is checked first, since that much memory is allocated."""
    if zstandard.frame_content_size(data) > LARGEST_BYTES:
        raise zstandard.ZstdError(f"it announces more than {LARGEST}")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST_BYTES)
