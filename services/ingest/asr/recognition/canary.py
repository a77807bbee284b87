"""Recognises a bundled sentence, whose words must come back: at start, and every hour beside the work.

With some pairs of driver and library, CUDA computes nothing and reports no error: each transcript is empty, and the
archive would lack what was said.
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import DecodeLimits, decode
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request

RECORDING = Path(__file__).with_name("canary.ogg")  # a synthetic voice
SENTENCES = "The joyful singer practices the symphony every morning. The orchestra practices the piano near the studio."
SECONDS = 8.0  # of the recording
EVERY_S = 3600.0
LOWEST_SHARE = 0.5  # of the words; a working small model returns nearly all

log = get_logger(__name__)


def request(recognizer: Recognizer) -> Request:
    """Return the request that recognises the bundled recording."""
    blocks: list[Waveform] = []
    decode(RECORDING, DecodeLimits(), blocks.append)
    return recognizer.request(np.concatenate(blocks), "en")


def check(found: ChunkTranscript) -> None:
    """Raise ENV_MODEL when fewer than half of the words came back."""
    expected = _words(SENTENCES)
    if len(expected & _words(found.text)) < LOWEST_SHARE * len(expected):
        raise IngestError(
            Code.ENV_MODEL,
            f"the model recognised {found.text[:100]!r} instead of {SENTENCES!r}: it does not recognise English "
            "(INGEST_ASR_CANARY=false), or driver and CUDA libraries do not fit (INGEST_ASR_COMPUTE_TYPE=float32)",
        )


def verify(recognizer: Recognizer) -> None:
    """Recognise the sentence now. Raise ENV_MODEL as `check` does, ENV_CUDA when the device does not work."""
    check(recognizer.run([request(recognizer)])[0])


class Canary:
    """Repeats the check every hour, through the batcher of the work.

    `succeeded` is called with the time of each success (seconds since 1970), `failed` once, with the reason.
    """

    def __init__(
        self,
        submit: Callable[[], Future[ChunkTranscript]],
        failed: Callable[[str], None],
        succeeded: Callable[[float], None],
        every_s: float = EVERY_S,
    ) -> None:
        self._submit = submit
        self._failed = failed
        self._succeeded = succeeded
        self._every_s = every_s
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the hourly check; the first one, at start, is the caller's."""
        self._succeeded(time.time())
        threading.Thread(target=self._repeat, name="canary", daemon=True).start()

    def stop(self) -> None:
        """End the hourly check."""
        self._stopped.set()

    def _repeat(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                check(self._submit().result())
            except Exception as error:  # noqa: BLE001 (any error of the device means the same)
                if not self._stopped.is_set():
                    log.error("canary_failed", error=str(error))  # noqa: TRY400 (the text says it all)
                    self._failed(str(error))
                return
            self._succeeded(time.time())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))
