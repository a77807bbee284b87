"""Decodes untrusted audio files: as a stream, with limits, and with an account of every second.

FFmpeg's decoders accept a truncated file without an error, shift all audio after a hole,
and expand a few bytes to minutes. A track may also change its format on the way (inserted advertisements, radio
recordings). So every packet is accounted for: it was decoded, or silence stands in its place; and what is given out
has to be as long. Too much silence is an error. What a file announces is only compared, unless it is an index.

    packets ─► frames ─► holes filled (clock.py) ─► channel chosen (phase.py) ─► resampled ─► take
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 (the boundary of a child reads it)
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import av.error
from av.stream import Disposition

from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import SUFFIXES_OF
from ingest.shared.sandbox.choice import sound_track
from ingest.shared.sandbox.clock import TIMED
from ingest.shared.sandbox.file_parts import (
    MOST_PARTS,
    Part,
    end_of_content,
    is_whole_matroska,
    missing_bytes,
    mp3_frames,
    next_head,
    rest_of_stream,
    riff_share,
    starts_of_parts,
    unread_data_bytes,
)
from ingest.shared.sandbox.limits import MISSING_SHARE, DecodeLimits, off_s, tolerance_s
from ingest.shared.sandbox.output import SAMPLE_RATE, FloatArray, Output
from ingest.shared.sandbox.tags import created_by_now
from ingest.shared.sandbox.track import Track
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from ingest.shared.sandbox.child import Reporter, Watcher

__all__ = [
    "SAMPLE_RATE",
    "AudioInfo",
    "DecodeLimits",
    "FloatArray",
    "decode",
    "decode_progress",
    "off_s",
    "opened",
    "recorded_at",
    "reporting",
    "tolerance_s",
]

FORMATS = ",".join(SUFFIXES_OF)  # FFmpeg's demuxers that may open a file
INDEXED = frozenset({"ape", "flac", "mov", "tak", "tta", "wv"})  # with a count of the track's packets or samples
COUNTED = frozenset({"flac", "mp3"})  # of these, the head has a count of frames or samples, but not their places
GUESSED_LENGTH = frozenset({"aac", "ac3", "amr", "dts", "eac3", "loas", "mp3", "oma", "qcp", "voc"})  # by the bit rate
SIGNATURES = (b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3")
RIFF = frozenset({"avi", "wav"})  # of plain samples, FFmpeg takes the length of the file for that in its head
REPORT_EVERY_S = 0.5
MPEG_1_RATE = 32_000  # the lowest sample rate of MPEG-1, whose frames of layer III are twice as long
MP3_FRAME = 576


@dataclass(frozen=True)
class AudioInfo:
    """Properties of a decoded track. `container_s`, `language`, `created_at` are None where the file has none.

    `missing_s` is silence in place of packets that are missing, or were never sent; `starts_at_s` before a sound
    that begins after the pictures; both are part of `duration_s`. In `one_channel_s` the channels had opposite signs,
    and one was used. `track` is the number of the track that was used, from 0. `padding_bytes` fill the file behind the
    sound, and are left out.
    """

    duration_s: float
    container_s: float | None
    missing_s: float
    starts_at_s: float
    one_channel_s: float
    padding_bytes: int
    format_changes: int
    sample_rate: int
    channels: int
    codec: str
    tracks: int
    track: int
    language: str | None
    created_at: datetime | None

    @property
    def announced_off_s(self) -> float:
        """Return by how much the file announces another length than was decoded; 0 within the tolerance."""
        return off_s(self.duration_s, self.container_s)


def decode(path: Path, limits: DecodeLimits, take: Callable[[FloatArray], object]) -> AudioInfo:
    """Decode one audio track of a file to mono float32 at 16 kHz, and call `take` with blocks of samples.

    Holes up to the tolerance are filled with silence, so that later times stay right. Raise an IngestError with the
    reason for an invalid file, and ARTIFACT_MISSING without a file.
    """
    with _opened(path) as (file, size):
        _refuse_text(file)
        output = Output(limits, take)
        starts = starts_of_parts(file)
        heads = [
            head
            for start, end in zip(starts, [*starts[1:], size], strict=True)
            for head in _decode_parts(file, start, end, output)
        ]
        head = heads[0]
    return AudioInfo(
        duration_s=output.samples / SAMPLE_RATE,
        container_s=None
        if head.announced_s is None
        else head.announced_s + (output.starts_at_s if head.index_s else 0),
        missing_s=output.missing_s + output.paused_s,
        starts_at_s=output.starts_at_s,
        one_channel_s=output.one_channel_s,
        padding_bytes=output.padding_bytes,
        format_changes=output.changes,
        sample_rate=output.sample_rate or head.sample_rate,
        channels=output.channels or head.channels,
        codec=head.codec,
        tracks=head.tracks,
        track=head.track,
        language=head.language,
        created_at=head.created_at,
    )


def reporting(report: Reporter, take: Callable[[FloatArray], object]) -> Callable[[FloatArray], None]:
    """Return what takes blocks in a child process, and reports the decoded seconds to the parent twice a second."""
    samples, reported = 0, time.monotonic()

    def taking(block: FloatArray) -> None:
        nonlocal samples, reported
        take(block)
        samples += len(block)
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            report({"decoded_s": samples / SAMPLE_RATE})

    return taking


def decode_progress(progress: Callable[[float], None]) -> Watcher:
    """Return what gives the seconds in the reports of `reporting` to `progress`, in the parent."""

    def watch(numbers: dict[str, float] | None) -> None:
        if numbers is not None:
            progress(numbers.get("decoded_s", 0.0))

    return watch


@dataclass(frozen=True)
class _Head:
    """What the head of a file says about its audio track; `index_s` only where it is an index of the packets."""

    kind: str
    index_s: float | None
    announced_s: float | None
    pictures_at_s: float | None
    sample_rate: int
    channels: int
    codec: str
    tracks: int
    track: int
    language: str | None
    created_at: datetime | None


def _decode_parts(file: BinaryIO, start: int, end: int, output: Output) -> Iterator[_Head]:
    """Decode what begins at a place of a file, and the recordings that follow in it; yield the head of each."""
    following: int | None = start
    for _ in range(MOST_PARTS):
        if following is None:
            return
        head, following = _decode_part(file, following, end, output)
        yield head
    raise IngestError(Code.AUDIO_SUSPICIOUS, f"more than {MOST_PARTS} recordings joined in one file")


def _decode_part(file: BinaryIO, start: int, end: int, output: Output) -> tuple[_Head, int | None]:
    """Decode one of the recordings that are joined in a file; return its head, and where the next one begins."""
    size = end - start
    with _container(file, start, end) as container:
        stream = sound_track(container, partial(_opened_again, file, start, end))
        head = _head(container, stream, file)
        if head.kind in RIFF and head.codec.startswith("pcm_") and head.announced_s is not None:
            head = replace(head, announced_s=head.announced_s * riff_share(file, start, size))
        if head.sample_rate:  # else the sound begins too late for FFmpeg to look at it
            output.check_format(head.sample_rate, head.channels)
        track = Track(stream, head.kind, head.pictures_at_s, output, cache(partial(_is_whole, file, end, stream, head)))
        track.read(container)
        output.padding_bytes += track.padding_bytes
        has_pictures = bool(_films(container))
    used = end_of_content(file, start, end) - start
    rest = None if has_pictures else rest_of_stream(head.kind, track.read_to, used)
    _check_complete(track, head, output, missing_bytes(file, size) / size if head.kind == "matroska" else 0.0)
    if track.is_stuck and rest is None and track.read_to < (1 - MISSING_SHARE) * used:
        raise IngestError(Code.AUDIO_CORRUPT, f"cannot be read behind {track.seconds:.1f} s")
    if head.kind == "wav" and (unread := unread_data_bytes(file, start, start + track.read_to)):
        raise IngestError(Code.AUDIO_CORRUPT, f"{unread} bytes of sound in another data chunk, which cannot be read")
    if rest is not None:
        return head, start + rest
    return head, next_head(head.kind, file, start, track.read_to, end)


def _is_whole(file: BinaryIO, end: int, stream: AudioStream, head: _Head) -> bool:
    """Return whether the file says of each packet that it has where it is, so that between two of them none is lost."""
    if head.kind == "matroska":
        return is_whole_matroska(file, end)
    return head.kind == "mov" and stream.frames > 0  # a table of all packets; fragments may lack one


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
def _container(file: BinaryIO, start: int, end: int) -> Iterator[InputContainer]:
    """Open a container from an open file, so that FFmpeg opens no other file that it refers to.

    FFmpeg decodes the start of every track to find its properties. Of a cover picture that is the whole picture, so
    only decoders of audio are allowed.
    """
    options = {"format_whitelist": FORMATS, "codec_whitelist": ",".join(_audio_decoders())}
    try:
        container = av.open(Part(file, start, end), mode="r", metadata_errors="ignore", options=options)
    except (av.error.FFmpegError, ValueError) as error:
        raise _not_audio(file, error) from error
    with container:
        yield container


@contextmanager
def _opened_again(file: BinaryIO, start: int, end: int) -> Iterator[InputContainer]:
    """Open a container that is open already; the position in the file stays."""
    before = file.tell()
    with _container(file, start, end) as container:
        yield container
    file.seek(before)


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


def _head(container: InputContainer, stream: AudioStream, file: BinaryIO) -> _Head:
    kind = container.format.name.split(",")[0]
    track_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    rate = stream.codec_context.sample_rate
    index_s = track_s if kind in INDEXED else _mp3_s(file, rate) if kind == "mp3" and rate else None
    starts = [
        float(film.start_time * film.time_base)
        for film in _films(container)
        if film.start_time is not None and film.time_base is not None
    ]
    return _Head(
        kind=kind,
        index_s=index_s,
        announced_s=index_s or _announced_s(container, stream, track_s),
        pictures_at_s=min(starts, default=None) if kind in TIMED else None,
        sample_rate=rate,
        channels=stream.codec_context.channels,
        codec=stream.codec_context.name,
        tracks=len(container.streams.audio),
        track=container.streams.audio.index(stream),
        language=shorten(stream.language, LONGEST_LANGUAGE) if stream.language else None,
        created_at=created_by_now(container.metadata, stream.metadata),
    )


def recorded_at(_report: Reporter, path: str) -> datetime | None:
    """Return when a file says that it was recorded, of its head alone (runs in a child process); None without a time.

    Raise NOT_AUDIO or AUDIO_CORRUPT for a file that cannot be opened.
    """
    with opened(Path(path)) as container:
        return created_by_now(container.metadata, *(one.metadata for one in container.streams.audio[:1]))


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open the container of a file, to look at its tracks; raise NOT_AUDIO or AUDIO_CORRUPT where it is none."""
    with _opened(path) as (file, size), _container(file, 0, size) as container:
        yield container


def _films(container: InputContainer) -> list[VideoStream]:
    """Return the tracks of pictures that move, without covers."""
    return [film for film in container.streams.video if not film.disposition & Disposition.attached_pic]


def _mp3_s(file: BinaryIO, rate: int) -> float | None:
    """Return the length that the head of an mp3 file says; FFmpeg's own is a guess where recordings are joined."""
    frames = mp3_frames(file)
    return None if frames is None else frames * MP3_FRAME * (2 if rate >= MPEG_1_RATE else 1) / rate


def _announced_s(container: InputContainer, stream: AudioStream, track_s: float | None) -> float | None:
    """Return the announced length of a track, or of the whole file; None where FFmpeg guesses it from a bit rate."""
    if container.format.name in GUESSED_LENGTH:
        return None
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d\.?\d*)", stream.metadata.get("DURATION", ""))  # Matroska's tag
    if clock:
        hours, minutes, seconds = map(float, clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    return track_s or (container.duration / av.time_base if container.duration and container.duration > 0 else None)


def _check_complete(track: Track, head: _Head, output: Output, missing_share: float) -> None:
    """Raise the reason why a track is not complete, or why its seconds do not add up."""
    sound_s, given_s = track.seconds, output.samples / SAMPLE_RATE
    index_s = head.index_s or 0.0 if _is_index_true(track, head, output) else 0.0
    lost_s = sound_s * missing_share
    short_s = max(0.0, index_s - sound_s)
    whole_s = max(index_s, sound_s + lost_s)
    allowed_s = tolerance_s(whole_s)
    if track.is_unreadable:
        raise IngestError(Code.AUDIO_CORRUPT, f"damaged from the start: no packet of {head.codec} can be decoded")
    if output.missing_s > tolerance_s(max(whole_s, output.given_s)) or (track.errors and short_s > allowed_s):
        raise IngestError(Code.AUDIO_CORRUPT, f"{max(output.missing_s, short_s):.1f} s missing")
    if max(short_s, lost_s) > allowed_s:
        text = f"decoded {sound_s:.1f} s, container {head.announced_s or whole_s:.1f} s"
        raise IngestError(Code.AUDIO_TRUNCATED, text)
    if track.ahead_s > allowed_s:
        text = f"decoded {sound_s:.1f} s, but its packets are {sound_s - track.ahead_s:.1f} s long"
        raise IngestError(Code.AUDIO_CORRUPT, text)
    if abs(output.given_s - given_s) > allowed_s:
        raise IngestError(Code.AUDIO_CORRUPT, f"{output.given_s:.1f} s decoded, {given_s:.1f} s given out")


def _is_index_true(track: Track, head: _Head, output: Output) -> bool:
    """Return whether a recording is as long as its head says, unless that is a count which a cut leaves as it was."""
    return head.kind not in COUNTED or track.breaks_off or output.missing_s > 0 or track.padding_bytes > 0
