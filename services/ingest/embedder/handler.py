"""The embedder stage: stores the passages of a transcript and their vectors as rows."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ingest.embedder import rebuild, sentence_vectors
from ingest.embedder.tables.store import CorrectedMeanwhileError, Rows, Store
from ingest.shared.artifacts import transcript
from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.device.batcher import Batcher, OutOfDeviceMemoryError
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind, TranscriptReady
from ingest.shared.telemetry.time_split import COMMITTING, EMBEDDER_CAUSES, SPLITTING, DeviceTime
from ingest.shared.text import shorten
from ingest.shared.worker.stage import InputFile, StageResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.embedder.passages import PassageLimits
    from ingest.embedder.text_model.encoder import Encoder, Vector
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.worker.stage import Report

WORTH_ANOTHER_RUN = frozenset({Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH, Code.BAD_TRANSCRIPT})


def input_file(volume: Volume) -> InputFile:
    """Return when a transcript has to be made again."""
    return InputFile(WORTH_ANOTHER_RUN, partial(volume.discard, kind="transcript"), "making it again", "made twice")


@dataclass(frozen=True)
class StoredTranscript:
    """A transcript whose rows were written: passages, rows, length of the recording, and duration of the commit."""

    passages: int
    rows: int
    audio_s: float
    commit_s: float


def _ignore(_stored: StoredTranscript) -> None:
    """Observe nothing."""


@dataclass(frozen=True)
class Embed:
    """The handler of the embedder stage; `observe` is called with each transcript that it has stored."""

    volume: Volume
    store: Store
    encoder: Encoder
    batcher: Batcher[str, Vector]
    limits: PassageLimits
    time: DeviceTime = field(default_factory=lambda: DeviceTime(EMBEDDER_CAUSES))
    observe: Callable[[StoredTranscript], None] = _ignore

    def __call__(self, message: TranscriptReady, _report: Report) -> StageResult:
        """Store the passages of a transcript."""
        with self.time.doing(COMMITTING):
            stored = self.store.stored_passages(message.video_id, message.generation)
        if stored is not None:
            return _indexed(stored, message.transcript.duration_s, fresh=0.0)
        return self._embed(message)

    def _embed(self, message: TranscriptReady) -> StageResult:
        for _ in range(rebuild.MOST_ATTEMPTS):
            with suppress(CorrectedMeanwhileError):
                return self._attempt(message)
        raise IngestError(Code.ENV_DB_UNAVAILABLE, "the recording is corrected faster than it can be stored")

    def _attempt(self, message: TranscriptReady) -> StageResult:
        with self.time.doing(COMMITTING):
            said = self.store.overlay(message.video_id)
        with self.time.doing(SPLITTING):
            content = transcript.read(self.volume.verified(message.transcript))
            turns = rebuild.stored_turns(self.volume, content) if said.speakers else ()
            text = rebuild.passages_of(content, turns, said, self.limits, self.encoder.count_tokens)
        built = text.passages
        try:
            vectors, sentences = sentence_vectors.encode(built, self.batcher.map)
        except OutOfDeviceMemoryError as error:
            raise IngestError(Code.GPU_OOM, f"too little memory for a single passage: {error}") from error
        rows = Rows(
            video_id=message.video_id,
            generation=message.generation,
            language=shorten(content.language, LONGEST_LANGUAGE),
            passages=built,
            vectors=vectors,
            sentences=sentences,
            outcomes=text.words,
            speaker_outcomes=text.speakers,
            vocabulary=said.vocabulary,
        )
        began = time.monotonic()
        with self.time.doing(COMMITTING):
            count = self.store.replace(rows)
        self.observe(StoredTranscript(len(built), count, content.duration_s, time.monotonic() - began))
        return _indexed(count, content.duration_s, fresh=1.0, timestamp_fixed=float(text.limited))


def _indexed(count: int, duration_s: float, **figures: float) -> StageResult:
    return StageResult(
        None, kind=EventKind.INDEXED, numbers={"passages": float(count), "audio_s": duration_s, **figures}
    )
