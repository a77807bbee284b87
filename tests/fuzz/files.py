"""Targets that read files: transcripts, voiceprints, manifests, media."""

from __future__ import annotations

import io
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import zstandard
from hypothesis import strategies as st

from ingest.downloader.captions import keep
from ingest.downloader.captions import tracks as captions_inside
from ingest.downloader.fetch import probe
from ingest.embedder import passages
from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.worker.crash_journal import CrashJournal
from tests.fuzz import mutation
from tests.fuzz.runner import Target, refused
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

RATE = 16_000
VIDEO_ID = "abcdefghijk"
MEDIA_CODES = (
    *(code for code in Code if code.startswith("AUDIO_")),
    Code.NOT_AUDIO,
    Code.NO_AUDIO_STREAM,
    Code.DECODED_LIMIT,
    Code.JOB_CRASHED,  # a fault of the decoder, or its limit of memory: the child ends, the service goes on
)
FOLDER = Path(tempfile.mkdtemp(prefix="ingest-fuzz-"))
LIMITS = passages.PassageLimits(min_chars=200, max_chars=1500, max_gap_s=3.0, max_s=120.0, max_tokens=256)
WORD = {"start_s": 0.0, "end_s": 0.5, "text": " Hello.", "probability": 0.9}
SEGMENT = {
    "start_s": 0.0,
    "end_s": 1.0,
    "text": "Hello. World.",
    "words": [WORD, {**WORD, "start_s": 0.5, "end_s": 1.0, "text": " World."}],
    "avg_logprob": -0.1,
    "compression_ratio": 1.0,
    "no_speech_prob": 0.1,
    "speaker": "Ada",
}
TURN = {"start_s": 0.0, "end_s": 1.0, "cluster": "A", "speaker": "Ada", "score": 0.9, "vector": 0}
TRANSCRIPT = {
    "transcript_version": 2,
    "video_id": "abcdefghijk",
    "audio_sha256": "0" * 64,
    "duration_s": 2.0,
    "speech_s": 1.0,
    "language": "en",
    "language_probability": 0.9,
    "model_key": "mini",
    "segments": [SEGMENT],
    "turns": [TURN],
    "timings": {"decode_s": 0.1, "speech_s": 0.1, "recognise_s": 0.1, "total_s": 0.3},
    "notes": {"clipped": 1.0},
}
VOICEPRINTS = {
    "voiceprints_version": 1,
    "video_id": "abcdefghijk",
    "model_key": "mini",
    "outcome": "full",
    "turns": [TURN],
    "vectors": {"dimension": 2, "data": "ADwAPA=="},
}
MANIFEST: dict[str, Any] = {
    "artifact": {"path": "videos/x/abcdefghijk/audio-0.mp3", "sha256": "0" * 64, "size_bytes": 4, "duration_s": 1.0},
    "origin": "audio-1",
    "generation": 1,
}

OF_ANOTHER = {**MANIFEST, "artifact": {**MANIFEST["artifact"], "path": "other"}}


def compressed(value: Any) -> bytes:  # noqa: ANN401 (JSON)
    """Return JSON as the bytes of an artifact."""
    return zstandard.compress(mutation.written(value))


def artifacts(seed: dict[str, Any]) -> SearchStrategy[bytes]:
    """Return files with hostile values, and files with damage."""
    hostile = mutation.altered(seed).map(compressed)
    return st.one_of(hostile, hostile, hostile, mutation.damaged(compressed(seed)))


def read_transcript(data: bytes) -> str:
    """Read a transcript, and make passages of it."""
    path = FOLDER / "transcript"
    path.write_bytes(data)
    try:
        found = transcript.read(path)
        built = passages.build(found.segments, found.language, LIMITS, lambda text: len(text.split()))
    except IngestError as error:
        return refused(error, Code.BAD_TRANSCRIPT, Code.BAD_SEGMENT)
    for passage in passages.inside(built, found.duration_s)[0]:
        assert 0 <= passage.start_s <= found.duration_s, "outside the recording"
    return "read"


def read_voiceprints(data: bytes) -> str:
    """Read voiceprints; their vectors are finite."""
    path = FOLDER / "voiceprints"
    path.write_bytes(data)
    try:
        found = voiceprints.read(path)
    except IngestError as error:
        return refused(error, Code.BAD_VOICEPRINTS)
    assert np.isfinite(found.vectors.array()).all()
    return "read"


def read_manifest(data: bytes) -> str:
    """Look for the audio of a video whose manifest is this, and discard it."""
    volume = Volume(FOLDER / "volume")
    folder = on_disk(volume).folder(VIDEO_ID)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audio.json").write_bytes(data)
    (on_disk(volume).root / "other").write_bytes(b"kept")
    try:
        found = volume.find(VIDEO_ID, "audio", "audio-1")
        volume.discard(VIDEO_ID, "audio")
    except IngestError as error:
        return str(error.code)
    assert found is None, "a file that is not there"
    assert (on_disk(volume).root / "other").read_bytes() == b"kept", "a file of another video"
    return "read"


def read_note(data: bytes) -> str:
    """Start a worker that finds this note, and this count of crashes."""
    folder = FOLDER / "workers"
    (folder / "crashes").mkdir(parents=True, exist_ok=True)
    (folder / "asr-a.json").write_bytes(data)
    (folder / "crashes" / "asr.count").write_bytes(data)
    journal = CrashJournal(folder, "asr-a")
    assert 0 <= journal.crashes("asr.count") < 10**100
    charged = [path for path in (folder / "crashes").iterdir() if path.name != "asr.count"]
    for path in charged:
        path.unlink()
    return "charged" if charged else "read"


def media() -> tuple[bytes, ...]:
    """Return a second of a tone in several formats."""
    tone = (np.sin(np.arange(RATE) / 20) * 9000).astype(np.int16).reshape(1, -1)
    found = []
    for container, codec in (
        ("wav", "pcm_s16le"),
        ("mp3", "libmp3lame"),
        ("ogg", "libopus"),
        ("flac", "flac"),
        ("mp4", "aac"),
        ("matroska", "libopus"),
        ("mpegts", "aac"),
        ("aiff", "pcm_s16be"),
    ):
        file = io.BytesIO()
        with av.open(file, "w", format=container) as out:
            stream: Any = out.add_stream(codec, rate=RATE if codec != "libopus" else 48_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.sample_rate = RATE
            for packet in (*stream.encode(frame), *stream.encode(None)):
                out.mux(packet)
        found.append(file.getvalue())
    return tuple(found)


def read_media(data: bytes) -> str:
    """Decode a file in a child, as the downloader does."""
    path = FOLDER / "media"
    path.write_bytes(data)
    limits = DecodeLimits(max_duration_s=3600.0)
    try:
        found = child.run(probe, (str(path), limits), ChildLimits(60.0, memory_bytes=512 << 20, reads=(str(path),)))
    except IngestError as error:
        return refused(error, *MEDIA_CODES)
    assert math.isfinite(found.duration_s)
    assert 0 <= found.duration_s <= limits.max_duration_s
    return "read"


def tracks() -> tuple[bytes, ...]:
    """Return files with captions inside, in the formats that are read."""
    lines = [(500, 1000, b"0,0,Default,,0,0,0,,{\\i1}The sea is calm.")]
    found = []
    for container, form in (("matroska", "subrip"), ("matroska", "ass"), ("matroska", "webvtt"), ("mp4", "mov_text")):
        file = io.BytesIO()
        with av.open(file, "w", format=container) as out:
            stream: Any = out.add_mux_stream(form, time_base=Fraction(1, 1000))
            for at, length, data in lines:
                packet = av.Packet(len(data).to_bytes(2, "big") + data if form == "mov_text" else data)
                packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 1000), length
                packet.pts = packet.dts = at
                out.mux(packet)
        found.append(file.getvalue())
    return tuple(found)


def read_inside(data: bytes) -> str:
    """Read the captions inside of a file, in a child, as the downloader does."""
    path = FOLDER / "film"
    path.write_bytes(data)
    (FOLDER / "captions").mkdir(exist_ok=True)
    try:
        file = captions_inside.inside(path, FOLDER / "captions", [])
        found = None if file is None else keep.read(VIDEO_ID, file)
    except IngestError as error:
        return refused(error, Code.BAD_CAPTIONS, Code.NO_CAPTIONS, Code.JOB_CRASHED)
    assert found is None or all(0 <= cue.start_s <= cue.end_s for cue in found.cues)
    return "none" if found is None else "read"


TARGETS = (
    Target(
        "transcript",
        "gives passages inside the recording, or is refused with a code",
        artifacts(TRANSCRIPT),
        read_transcript,
    ),
    Target("voiceprints", "have finite vectors, or are refused with a code", artifacts(VOICEPRINTS), read_voiceprints),
    Target(
        "manifest",
        "names a file of its own video, or is refused with a code",
        mutation.altered(MANIFEST, OF_ANOTHER).map(mutation.written) | mutation.damaged(mutation.written(MANIFEST)),
        read_manifest,
    ),
    Target(
        "note of a worker",
        "charges jobs with crashes, and stops no worker",
        mutation.altered(["asr.abcdefghijk.1.0"], 3).map(mutation.written) | mutation.damaged(b'["asr.a.1.0"]', b"3"),
        read_note,
    ),
    Target(
        "media",
        "has a length within the limits, or is refused with a code, in bounded time and memory",
        mutation.damaged(*media()),
        read_media,
    ),
    Target(
        "captions inside of a file",
        "are lines with possible times, or are refused with a code",
        mutation.damaged(*tracks()),
        read_inside,
    ),
)
