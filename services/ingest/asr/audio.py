"""Decodes an audio file to a waveform and finds the speech in it.

The file is decoded once, in a child process without network, into a temporary file that is mapped into memory: a
recording of ten hours takes page cache instead of process memory. Recognition and diarization share the array.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import VadOptions, get_speech_timestamps

from ingest.asr.spans import Span
from ingest.shared.artifacts.no_links import opened_folder, true_path
from ingest.shared.artifacts.volume import translate_os_errors
from ingest.shared.sandbox import child
from ingest.shared.sandbox import decode as media
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits, decode_progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.sandbox.child import ChildLimits, Reporter

Waveform = npt.NDArray[np.float32]

WINDOW_S = 600
LONGEST_SPEECH_S = 28.0
SHORTEST_SILENCE_S = 0.3
PADDING_S = 0.2


def load(
    path: Path,
    scratch: Path,
    decode_limits: DecodeLimits,
    limits: ChildLimits,
    progress: Callable[[float], None] = lambda _done_s: None,
) -> tuple[Waveform, AudioInfo]:
    """Return the waveform of a file (mono float32, 16 kHz) and the facts that decoding has found.

    `progress` gets the seconds that are decoded.
    """
    name = f"{uuid.uuid4().hex}.f32"
    with ExitStack() as held:
        with translate_os_errors("scratch folder"):
            folder = held.enter_context(opened_folder(scratch.parent, scratch.name, create=True))
            raw, for_child = folder / name, str(true_path(folder) / name)
            held.callback(raw.unlink, missing_ok=True)  # the mapping keeps the data until the array is freed
            raw.touch(exist_ok=False)
        confined = replace(limits, reads=(str(path),), writes=(for_child,))
        watch = decode_progress(progress)
        decoded = child.run(decode_to, (str(path), for_child, decode_limits), confined, watch)
        if raw.stat().st_size == 0:
            return np.zeros(0, dtype=np.float32), decoded
        return np.memmap(raw, dtype=np.float32, mode="r"), decoded


def decode_to(report: Reporter, source: str, target: str, limits: DecodeLimits) -> AudioInfo:
    """Decode a file into another, which exists already (runs in a child process)."""
    with translate_os_errors("decoded audio"), Path(target).open("wb") as out:
        return media.decode(Path(source), limits, reporting(report, lambda block: out.write(block.tobytes())))


def find_speech(waveform: Waveform, progress: Callable[[float], None] = lambda _done_s: None) -> list[Span]:
    """Return the spans of speech (Silero VAD) in order, each of at most 28 s. It works in windows of 10 min.

    `progress` gets the seconds that were searched.
    """
    options = VadOptions(
        max_speech_duration_s=LONGEST_SPEECH_S,
        min_silence_duration_ms=int(SHORTEST_SILENCE_S * 1000),
        speech_pad_ms=int(PADDING_S * 1000),
    )
    spans: list[Span] = []
    for start in range(0, len(waveform), WINDOW_S * SAMPLE_RATE):
        progress(start / SAMPLE_RATE)
        window = np.asarray(waveform[start : start + WINDOW_S * SAMPLE_RATE])
        spans += [
            Span((start + found["start"]) / SAMPLE_RATE, (start + found["end"]) / SAMPLE_RATE)
            for found in get_speech_timestamps(window, options)
        ]
    return spans


def cut(waveform: Waveform, span: Span) -> Waveform:
    """Return the samples of a span."""
    return np.asarray(waveform[int(span.start_s * SAMPLE_RATE) : int(span.end_s * SAMPLE_RATE)])
