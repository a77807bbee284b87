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

from ingest.asr.spans import PADDING_S, Span
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.no_links import opened_folder, true_path
from ingest.shared.sandbox import child
from ingest.shared.sandbox import decode as media
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits, decode_progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.shared.sandbox.child import ChildLimits, Reporter

Waveform = npt.NDArray[np.float32]

WINDOW_S = 600
LONGEST_SPEECH_S = 28.0
SHORTEST_SILENCE_S = 0.3
LONG_PAUSE_S = 2.0
SOFT_GAIN = 4.0  # 12 dB
LEAST_LOUD_S = 3.0  # amplified, music and animals may sound like speech


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

    What is said softly beside a louder voice is found by a second look at long pauses, amplified. `progress` gets the
    seconds that were searched.
    """
    spans: list[Span] = []
    for start in range(0, len(waveform), WINDOW_S * SAMPLE_RATE):
        progress(start / SAMPLE_RATE)
        window = np.asarray(waveform[start : start + WINDOW_S * SAMPLE_RATE])
        spans += [_later(span, start / SAMPLE_RATE) for span in _in_window(window)]
    return spans


def _in_window(window: Waveform) -> list[Span]:
    """Return the spans of speech in a window; soft speech in its pauses counts where others speak up."""
    loud = _detect(window)
    if sum(span.duration_s for span in loud) < LEAST_LOUD_S:
        return loud
    soft = [
        _later(span, pause.start_s)
        for pause in pauses(loud, len(window) / SAMPLE_RATE)
        for span in _detect(np.clip(cut(window, pause) * SOFT_GAIN, -1.0, 1.0))
    ]
    return sorted([*loud, *soft], key=lambda span: span.start_s)


def _detect(samples: Waveform) -> list[Span]:
    options = VadOptions(
        max_speech_duration_s=LONGEST_SPEECH_S,
        min_silence_duration_ms=int(SHORTEST_SILENCE_S * 1000),
        speech_pad_ms=int(PADDING_S * 1000),
    )
    found = get_speech_timestamps(samples, options)
    return [Span(one["start"] / SAMPLE_RATE, one["end"] / SAMPLE_RATE) for one in found]


def pauses(speech: Sequence[Span], duration_s: float) -> list[Span]:
    """Return the long pauses before, between and behind spans of speech."""
    starts_s = [*(span.start_s for span in speech), duration_s]
    ends_s = [0.0, *(span.end_s for span in speech)]
    between = (Span(end_s, start_s) for end_s, start_s in zip(ends_s, starts_s, strict=True))
    return [pause for pause in between if pause.duration_s >= LONG_PAUSE_S]


def _later(span: Span, by_s: float) -> Span:
    return Span(span.start_s + by_s, span.end_s + by_s)


def cut(waveform: Waveform, span: Span) -> Waveform:
    """Return the samples of a span."""
    return np.asarray(waveform[int(span.start_s * SAMPLE_RATE) : int(span.end_s * SAMPLE_RATE)])
