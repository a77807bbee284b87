"""Recordings for the tests, good and bad, made on the spot: no file of anybody's is needed."""

from __future__ import annotations

import random
import wave
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from av.audio.stream import AudioStream

RATE = 48_000
SECONDS = 12.0
BLOCK = 8_192
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}

Samples = npt.NDArray[np.float32]


def tone(seconds: float = SECONDS, rate: int = RATE, channels: int = 1) -> Samples:
    """Return a gliding tone, shape (channels, samples)."""
    at = np.arange(int(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * (300 + 20 * at) * at)
    return np.tile(samples.astype(np.float32), (channels, 1))


def silence(seconds: float, rate: int = RATE) -> Samples:
    """Return digital silence, shape (1, samples)."""
    return np.zeros((1, int(seconds * rate)), dtype=np.float32)


def encoded(
    path: Path,
    codec: str,
    *tracks: Samples,
    rate: int = RATE,
    languages: Sequence[str] = (),
    title: str = "",
    **options: str,
) -> Path:
    """Write a recording (a tone, unless tracks are given); its container is told by the extension."""
    tracks = tracks or (tone(rate=rate),)
    with av.open(str(path), "w") as out:
        streams = [
            cast("AudioStream", out.add_stream(codec, rate=rate, layout=LAYOUTS[len(track)], options=options))
            for track in tracks
        ]
        if title:
            out.metadata["title"] = title
        for stream, language in zip(streams, languages, strict=False):
            stream.metadata["language"] = language
        for stream, track in zip(streams, tracks, strict=True):
            for start in range(0, track.shape[1], BLOCK):
                block = np.ascontiguousarray(track[:, start : start + BLOCK])
                frame = AudioFrame.from_ndarray(block, format="fltp", layout=LAYOUTS[len(track)])
                frame.sample_rate, frame.pts = rate, start
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def pictures_only(path: Path) -> Path:
    """Write a video without sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            picture = VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def pcm(path: Path, data: bytes, rate: int = RATE, width: int = 2) -> Path:
    """Write a mono WAV file with these bytes as samples."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(data)
    return path


def truncated(path: Path, share: float = 0.5) -> Path:
    """Cut a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damaged(path: Path, share: float = 0.1) -> Path:
    """Overwrite the middle of a file with noise."""
    data = path.read_bytes()
    length = int(len(data) * share)
    start = (len(data) - length) // 2
    path.write_bytes(data[:start] + random.Random(0).randbytes(length) + data[start + length :])  # noqa: S311 (noise)
    return path


def holed(path: Path, share: float = 0.1) -> Path:
    """Take a piece out of the middle of a file."""
    data = path.read_bytes()
    length = int(len(data) * share)
    start = (len(data) - length) // 2
    path.write_bytes(data[:start] + data[start + length :])
    return path


def written(path: Path, data: bytes) -> Path:
    """Write bytes."""
    path.write_bytes(data)
    return path
