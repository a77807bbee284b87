"""Decodes a file and finds its speech at the same time, so that recognition begins with the first minutes.

The windows of the voice activity detection do not depend on each other: the speech of a window is final as soon as the
window is decoded. An error of the decoder ends the speech with that error: a transcript exists only of a file that is
proven to be complete.

    child process ─► file of samples ─► thread: windows of 10 min ─► spans of speech ─► caller
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.sample_file import sample_file
from ingest.shared.progress import Step
from ingest.shared.sandbox.decode import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.asr.audio import Waveform
    from ingest.asr.sample_file import Samples
    from ingest.asr.spans import Span
    from ingest.shared.sandbox.child import ChildLimits, Watcher
    from ingest.shared.sandbox.decode import AudioInfo, DecodeLimits

REPORT_EVERY_S = 0.5


class _AbandonedError(Exception):
    """The caller needs no more of the recording."""


def _ignore(_step: Step, _done_s: float) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Waiting:
    """What the caller does while it waits for speech: it is inside of `around()`, and reports the seconds of a step."""

    around: Callable[[], AbstractContextManager[object]] = nullcontext
    progress: Callable[[Step, float], None] = _ignore


@contextmanager
def decoding(
    path: Path, scratch: Path, decode_limits: DecodeLimits, limits: ChildLimits, waiting: Waiting
) -> Iterator[DecodedSound]:
    """Give the sound of a file, which is decoded meanwhile; the end of the block ends the decoder."""
    with sample_file(scratch) as samples:

        def run(watch: Watcher) -> AudioInfo:
            return audio.run_decoder(path, samples, decode_limits, limits, watch)

        with DecodedSound(samples, waiting).growing(run) as sound:
            yield sound


class DecodedSound:
    """A sound whose samples and speech are known as far as the file is decoded and searched.

    `decode_s` and `speech_s` are the seconds that decoding and the search took. They overlap.
    """

    def __init__(self, samples: Samples, waiting: Waiting, window_s: float = audio.WINDOW_S) -> None:
        self._samples = samples
        self._waiting = waiting
        self._window = int(window_s * SAMPLE_RATE)
        self._changed = threading.Condition()
        self._spans: list[Span] = []
        self._searched = 0
        self._facts: AudioInfo | None = None
        self._error: BaseException | None = None
        self._is_searched = self._is_abandoned = False
        self.decode_s = self.speech_s = 0.0

    @contextmanager
    def growing(self, run: Callable[[Watcher], AudioInfo]) -> Iterator[DecodedSound]:
        """Let `run` write the samples, and search them, in threads.

        The end of the block ends `run`. It does not wait for the search of a window, whose result is not needed.
        """
        decoder = threading.Thread(target=partial(self._decode, run), name="decoding", daemon=True)
        decoder.start()
        threading.Thread(target=self._search, name="speech", daemon=True).start()
        try:
            yield self
        finally:
            self._is_abandoned = True
            decoder.join()

    # -- the caller ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many samples are decoded."""
        return len(self._samples)

    def __getitem__(self, part: slice) -> Waveform:
        """Return some of the decoded samples."""
        return self._samples[part]

    def speech(self) -> Iterator[Span]:
        """Yield the spans of speech, each as soon as it is known; raise the error of the decoder as soon as it is."""
        at = 0
        while self._has(at):
            yield self._spans[at]
            at += 1

    @property
    def is_searched(self) -> bool:
        """Whether the whole file is decoded and searched."""
        return self._is_searched

    @property
    def language(self) -> str | None:
        """The language that the file names; None until it is decoded."""
        return self._facts.language if self._facts else None

    def whole(self) -> tuple[Waveform, AudioInfo]:
        """Return the waveform of the file and the facts about it; only after all its speech."""
        if self._facts is None or not self._is_searched:
            raise RuntimeError("the file is not decoded yet")
        return self._samples[:], self._facts

    def _has(self, at: int) -> bool:
        """Wait until a span is known, or that there is none; return which."""
        while True:
            with self._changed:
                if self._error is not None:
                    raise self._error
                if at < len(self._spans) or self._is_searched:
                    return at < len(self._spans)
                with self._waiting.around():
                    self._changed.wait(REPORT_EVERY_S)
            if self._facts is not None:
                self._waiting.progress(Step.FINDING_SPEECH, self._searched / SAMPLE_RATE)
            else:
                self._waiting.progress(Step.DECODING, len(self) / SAMPLE_RATE)

    # -- the threads --------------------------------------------------------------------------------------------------

    def _decode(self, run: Callable[[Watcher], AudioInfo]) -> None:
        began = time.monotonic()
        with self._told():
            self._facts = run(self._watch)
            self.decode_s = time.monotonic() - began

    def _watch(self, numbers: dict[str, float] | None) -> None:  # noqa: ARG002 (of the interface)
        with self._changed:
            self._changed.notify_all()
        if self._is_abandoned:
            raise _AbandonedError

    def _search(self) -> None:
        with self._told():
            while (last := self._next()) > self._searched:
                began, first = time.monotonic(), self._searched
                found = audio.in_window(self[first:last], first / SAMPLE_RATE, self._check)
                self.speech_s += time.monotonic() - began
                with self._changed:
                    self._spans += found
                    self._searched = last
                    self._changed.notify_all()
            self._is_searched = self._facts is not None and not self._is_abandoned

    def _check(self) -> None:
        if self._is_abandoned or self._error is not None:
            raise _AbandonedError

    def _next(self) -> int:
        """Wait for the next window; return where it ends, or where the last one has ended."""
        with self._changed:
            while self._error is None and not self._is_abandoned:
                facts, known = self._facts, len(self)  # in this order: after the facts, no sample comes
                last = self._searched + self._window
                if facts is not None or known >= last:
                    return min(known, last)
                self._changed.wait(REPORT_EVERY_S)
            return self._searched

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Keep an error of the block for the caller, and tell that the block has ended."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 (raised in the caller)
            self._error = self._error or error
        with self._changed:
            self._changed.notify_all()
