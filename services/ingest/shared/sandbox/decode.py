"""Decodes untrusted audio files: as a stream, with limits, and with a count of the missing seconds.

Only this file imports PyAV. FFmpeg's decoders accept a truncated file without an error, shift all audio after a hole,
and expand a few bytes to minutes. So the decoded seconds are compared with those of the container and of the decoder's
clock.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import SUFFIXES_OF
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE = 16_000
FORMATS = ",".join(SUFFIXES_OF)  # FFmpeg's demuxers that may open a file
GUESSED_LENGTH = ("aac", "amr")  # FFmpeg estimates their length from the first bit rate
SIGNATURES = (b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3")
LARGEST_HOLE_S = 0.05  # a jump of the decoder's clock smaller than this is rounding
MISSING_SHARE = 0.02
MISSING_S = 2.0
DENSITY_FROM_S = 600.0
LONGEST_LANGUAGE = 20  # characters of its tag

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DecodeLimits:
    """Limits of a recording; a file beyond them is refused."""

    max_duration_s: float = 12 * 3600.0
    min_sample_rate: int = 4_000
    max_sample_rate: int = 192_000
    max_channels: int = 8
    min_bytes_per_s: float = 500.0


@dataclass(frozen=True)
class AudioInfo:
    """Properties of a decoded track. `container_s` and `language` are None where the file does not contain them."""

    duration_s: float
    container_s: float | None
    missing_s: float
    sample_rate: int
    channels: int
    codec: str
    tracks: int
    language: str | None


def tolerance_s(duration_s: float) -> float:
    """Return by how much a recording may be shorter than announced: 2 %, and at least 2 s."""
    return max(MISSING_S, MISSING_SHARE * duration_s)


def decode(path: Path, limits: DecodeLimits, take: Callable[[FloatArray], object]) -> AudioInfo:
    """Decode the first audio track of a file to mono float32 at 16 kHz, and call `take` with blocks of samples.

    Holes up to the tolerance are filled with silence, so that later times stay right. Raise an IngestError with the
    reason for an invalid file, and ARTIFACT_MISSING without a file.
    """
    with _opened(path) as (file, size):
        _refuse_text(file)
        with _container(file) as container:
            if not container.streams.audio:
                raise IngestError(Code.NO_AUDIO_STREAM, "the file has no audio track")
            stream = container.streams.audio[0]
            _check_stream(stream, limits)
            reader = _Reader(stream, limits, size, take)
            reader.read(container)
            found = AudioInfo(
                duration_s=reader.samples / SAMPLE_RATE,
                container_s=_announced_s(container, stream, file),
                missing_s=reader.missing_s,
                sample_rate=stream.codec_context.sample_rate,
                channels=stream.codec_context.channels,
                codec=stream.codec_context.name,
                tracks=len(container.streams.audio),
                language=shorten(stream.language, LONGEST_LANGUAGE) if stream.language else None,
            )
    _check_complete(found, reader.errors)
    return found


class _Reader:
    """Decodes packets; counts samples, missing seconds and broken packets."""

    def __init__(
        self, stream: AudioStream, limits: DecodeLimits, size: int, take: Callable[[FloatArray], object]
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._size = size
        self._take = take
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._expected_s: float | None = None
        self.samples = 0
        self.missing_s = 0.0
        self.errors = 0

    def read(self, container: InputContainer) -> None:
        packets = container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                break
            except av.error.FFmpegError:
                self.errors += 1
                continue
            for frame in frames:
                if isinstance(frame, AudioFrame):
                    self._frame(frame)
        self._resample(None)

    def _frame(self, frame: AudioFrame) -> None:
        if frame.time is not None and frame.sample_rate:
            hole_s = 0.0 if self._expected_s is None else frame.time - self._expected_s
            if hole_s > LARGEST_HOLE_S:
                self.missing_s += hole_s
                self._give(np.zeros(int(min(hole_s, MISSING_S) * SAMPLE_RATE), dtype=np.float32))
            self._expected_s = frame.time + frame.samples / frame.sample_rate
        frame.pts = None  # the resampler must not correct times: holes are filled above
        self._resample(frame)

    def _resample(self, frame: AudioFrame | None) -> None:
        try:
            parts = self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError):
            self.errors += 1
            return
        for part in parts:
            self._give(part.to_ndarray().reshape(-1).astype(np.float32, copy=False))

    def _give(self, block: FloatArray) -> None:
        if not np.isfinite(block).all():
            raise IngestError(Code.AUDIO_NONFINITE, "the recording contains NaN or infinite samples")
        self.samples += len(block)
        decoded_s = self.samples / SAMPLE_RATE
        if decoded_s > self._limits.max_duration_s:
            raise IngestError(Code.DECODED_LIMIT, f"more than {self._limits.max_duration_s / 3600:.1f} h of audio")
        if decoded_s > DENSITY_FROM_S and self._size / decoded_s < self._limits.min_bytes_per_s:
            raise IngestError(Code.AUDIO_SUSPICIOUS, f"{decoded_s:.0f} s of audio in {self._size} bytes")
        self._take(block)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                raise IngestError(Code.AUDIO_EMPTY_FILE, "the file is empty")
            yield file, size
    except (FileNotFoundError, IsADirectoryError) as error:
        raise IngestError(Code.ARTIFACT_MISSING, f"{path.name}: {error.strerror}") from error


@cache
def _audio_decoders() -> tuple[str, ...]:
    return tuple(sorted(name for name in av.codecs_available if _decodes_audio(name)))


def _decodes_audio(name: str) -> bool:
    try:
        return av.codec.Codec(name, "r").type == "audio"
    except (av.error.FFmpegError, ValueError):  # an encoder
        return False


@contextmanager
def _container(file: BinaryIO) -> Iterator[InputContainer]:
    """Open a container from an open file, so that FFmpeg opens no other file that it refers to.

    FFmpeg decodes the start of every track to find its properties. Of a cover picture that is the whole picture, so
    only decoders of audio are allowed.
    """
    options = {"format_whitelist": FORMATS, "codec_whitelist": ",".join(_audio_decoders())}
    try:
        container = av.open(file, mode="r", metadata_errors="ignore", options=options)
    except (av.error.FFmpegError, ValueError) as error:
        raise _not_audio(file, error) from error
    with container:
        yield container


def _refuse_text(file: BinaryIO) -> None:
    head = file.read(512)
    file.seek(0)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"#extm3u", b"ffconcat", b"[playlist]", b"<mpd", b"v=0")) or b"<mpd" in start:
        raise IngestError(
            Code.NOT_AUDIO, "playlist not allowed", is_final=True
        )  # a deliberate reference to other files
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        raise IngestError(Code.NOT_AUDIO, "looks like text/html")
    if start.startswith((b"{", b"[")) and b'"' in start:
        raise IngestError(Code.NOT_AUDIO, "looks like application/json")
    if start.startswith(b"<?xml"):
        raise IngestError(Code.NOT_AUDIO, "looks like text/xml")


def _not_audio(file: BinaryIO, error: Exception) -> IngestError:
    file.seek(0)
    head = file.read(64)
    if head[4:8] == b"ftyp":
        return IngestError(Code.AUDIO_CORRUPT, "moov missing: the end of the file was never written")
    if head.startswith(SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ")):
        return IngestError(Code.AUDIO_CORRUPT, f"damaged from the start ({error})")
    return IngestError(Code.NOT_AUDIO, f"not a supported audio format; supported: {', '.join(sorted(SUFFIXES_OF))}")


def _check_stream(stream: AudioStream, limits: DecodeLimits) -> None:
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if not limits.min_sample_rate <= rate <= limits.max_sample_rate:
        raise IngestError(Code.AUDIO_SUSPICIOUS, f"sample rate {rate} Hz")
    if not 1 <= channels <= limits.max_channels:
        raise IngestError(Code.AUDIO_SUSPICIOUS, f"{channels} channels")


def _announced_s(container: InputContainer, stream: AudioStream, file: BinaryIO) -> float | None:
    """Return the duration of the track, or of the whole file if the track has none (other tracks can be longer)."""
    if container.format.name in GUESSED_LENGTH or (container.format.name == "mp3" and not _mp3_says_length(file)):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d\.?\d*)", stream.metadata.get("DURATION", ""))  # Matroska's tag
    if clock:
        hours, minutes, seconds = map(float, clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    return container.duration / av.time_base if container.duration and container.duration > 0 else None


def _mp3_says_length(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(10)
    tag_bytes = 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
    file.seek(tag_bytes if head.startswith(b"ID3") else 0)
    frame = file.read(512)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


def _check_complete(found: AudioInfo, errors: int) -> None:
    if found.container_s is None and found.missing_s == 0:
        return
    whole_s = max(found.container_s or 0.0, found.duration_s)
    short_s = max(0.0, (found.container_s or 0.0) - found.duration_s)
    if found.missing_s > tolerance_s(whole_s) or (errors and short_s > tolerance_s(whole_s)):
        raise IngestError(Code.AUDIO_CORRUPT, f"{max(found.missing_s, short_s):.1f} s missing")
    if short_s > tolerance_s(whole_s):
        raise IngestError(Code.AUDIO_TRUNCATED, f"decoded {found.duration_s:.1f} s, container {whole_s:.1f} s")
