"""A picture in an audio file is not decoded: a small file can hold one that fills the memory."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits, decode

if TYPE_CHECKING:
    from ingest.shared.sandbox.child import Reporter

PIXELS = 6000  # a side; 100 MB when decoded
ALLOWED_BYTES = 40 << 20


def png(side: int) -> bytes:
    """Return a black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    pixels = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def write_tone(path: Path, container: str) -> None:
    rate = 16_000
    tone = (np.sin(np.arange(3 * rate) / 20) * 9000).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream("libmp3lame", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate = rate
        out.mux([*stream.encode(frame), *stream.encode(None)])


def with_tag(path: Path, picture: bytes) -> None:
    """Write an mp3 with a cover in its tag."""
    write_tone(path, "mp3")
    body = b"\0image/png\0\x03\0" + picture
    tag = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + tag + path.read_bytes())


def peak(_report: Reporter, path: str) -> tuple[float, int]:
    """Return the decoded length, and by how many bytes the memory of this child has grown."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = decode(Path(path), DecodeLimits(), lambda _block: None)
    return found.duration_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.parametrize("side", [pytest.param(100, id="small"), pytest.param(PIXELS, id="large")])
def test_a_cover_takes_no_memory(tmp_path: Path, side: int) -> None:
    path = tmp_path / "talk.mp3"
    with_tag(path, png(side))
    seconds, grown = child.run(peak, (str(path),), ChildLimits(60.0, reads=(str(path),)))
    assert abs(seconds - 3.0) < 0.2
    assert grown < ALLOWED_BYTES
