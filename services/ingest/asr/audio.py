"""Decodes an audio file to a waveform and finds the speech in it.

The file is decoded once, in a child process without network, into a temporary file that is mapped into memory: a
recording of ten hours takes page cache instead of process memory. Recognition and diarization share the array.
`ingest.asr.decoding` does both at the same time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import VadOptions, get_speech_timestamps

from ingest.asr.sample_file import sample_file
from ingest.asr.spans import PADDING_S, Span
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.sandbox import child
from ingest.shared.sandbox import decode as media
from ingest.shared.sandbox.decode import SAMPLE_RATE, AudioInfo, DecodeLimits, decode_progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.asr.sample_file import SampleFile, Samples
    from ingest.shared.sandbox.child import ChildLimits, Reporter, Watcher

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
    with sample_file(scratch) as samples:
        decoded = run_decoder(path, samples, decode_limits, limits, decode_progress(progress))
        return samples[:], decoded


def run_decoder(
    path: Path, target: SampleFile, decode_limits: DecodeLimits, limits: ChildLimits, watch: Watcher
) -> AudioInfo:
    """Decode a file in a child process into another, which may be read as it grows."""
    confined = replace(limits, reads=(str(path),), writes=(target.path,))

    def watching(numbers: dict[str, float] | None) -> None:
        if numbers is not None:  # the child has opened the file
            target.lose_name()
        watch(numbers)

    return child.run(decode_to, (str(path), target.path, decode_limits), confined, watching)


def decode_to(report: Reporter, source: str, target: str, limits: DecodeLimits) -> AudioInfo:
    """Decode a file into another, which exists already (runs in a child process); report when that is open."""
    with translate_os_errors("decoded audio"), Path(target).open("wb") as out:
        report({"decoded_s": 0.0})
        return media.decode(Path(source), limits, reporting(report, lambda block: out.write(block.tobytes())))


def find_speech(waveform: Waveform, window_s: float = WINDOW_S) -> list[Span]:
    """Return the spans of speech (Silero VAD) in order, each of at most 28 s. It works in windows."""
    length = int(window_s * SAMPLE_RATE)
    windows = ((start, waveform[start : start + length]) for start in range(0, len(waveform), length))
    return [span for start, window in windows for span in in_window(window, start / SAMPLE_RATE)]


def in_window(window: Waveform, start_s: float, check: Callable[[], None] = lambda: None) -> list[Span]:
    """Return the spans of speech in a window that begins at `start_s`.

    What is said softly beside a louder voice is found by a second look at long pauses, amplified. `check` is called
    before each pause; its error ends the search.
    """
    window = np.asarray(window)
    loud = _detect(window)
    if sum(span.duration_s for span in loud) < LEAST_LOUD_S:
        return [_later(span, start_s) for span in loud]
    soft = [
        _later(span, pause.start_s)
        for pause in pauses(loud, len(window) / SAMPLE_RATE)
        for span in _detect_soft(window, pause, check)
    ]
    return [_later(span, start_s) for span in sorted([*loud, *soft], key=lambda span: span.start_s)]


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


def _detect_soft(window: Waveform, pause: Span, check: Callable[[], None]) -> list[Span]:
    check()
    return _detect(np.clip(cut(window, pause) * SOFT_GAIN, -1.0, 1.0))


def _later(span: Span, by_s: float) -> Span:
    return Span(span.start_s + by_s, span.end_s + by_s)


def cut(waveform: Samples, span: Span) -> Waveform:
    """Return the samples of a span."""
    return np.asarray(waveform[int(span.start_s * SAMPLE_RATE) : int(span.end_s * SAMPLE_RATE)])
