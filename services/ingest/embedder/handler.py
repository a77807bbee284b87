"""The embedder stage: a transcript file becomes searchable rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.embedder import passages
from ingest.embedder.store import Rows, Store
from ingest.shared.artifacts import transcript
from ingest.shared.device.batcher import Batcher, OutOfDeviceMemoryError
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind, Stage, TranscriptReady, VideoAccessible
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import COMMITTING, EMBEDDER_CAUSES, SPLITTING, DeviceTime
from ingest.shared.worker.stage import Done

if TYPE_CHECKING:
    from ingest.embedder.encoder import Encoder, Vector
    from ingest.embedder.passages import PassageLimits
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.worker.stage import Report

WORTH_ANOTHER_RUN = frozenset({Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH, Code.BAD_TRANSCRIPT})


@dataclass(frozen=True)
class Embed:
    """The handler of the embedder stage."""

    volume: Volume
    store: Store
    encoder: Encoder
    batcher: Batcher[str, Vector]
    limits: PassageLimits
    time: DeviceTime = field(default_factory=lambda: DeviceTime(EMBEDDER_CAUSES))

    def __call__(self, message: TranscriptReady, _report: Report) -> Done:
        """Store the passages of a transcript; send the video back when its transcript is missing or damaged."""
        with self.time.doing(COMMITTING):
            stored = self.store.stored_passages(message.video_id, message.generation)
        if stored is not None:
            return _indexed(stored, message.transcript.duration_s, fresh=0.0)
        try:
            return self._embed(message)
        except IngestError as error:
            if error.code not in WORTH_ANOTHER_RUN:
                raise
            if message.redo:
                raise IngestError(error.code, f"{error.message} (made twice)", is_final=True) from error
            return self._send_back(message, error)

    def _embed(self, message: TranscriptReady) -> Done:
        with self.time.doing(SPLITTING):
            said = transcript.read(self.volume.verified(message.transcript))
            built, fixed = passages.inside(
                passages.build(said.segments, self.limits, self.encoder.count_tokens), said.duration_s
            )
        try:
            vectors = list(self.batcher.map(passage.text for passage in built))
        except OutOfDeviceMemoryError as error:
            raise IngestError(Code.GPU_OOM, f"no room for a single passage: {error}") from error
        metrics.PASSAGES.inc(len(built))
        rows = Rows(
            video_id=message.video_id,
            generation=message.generation,
            language=said.language,
            passages=built,
            vectors=vectors,
        )
        with self.time.doing(COMMITTING), metrics.COMMIT.time():
            count = self.store.replace(rows)
        metrics.ROWS.inc(count)
        metrics.AUDIO_SECONDS.labels(Stage.EMBEDDER).inc(said.duration_s)
        return _indexed(count, said.duration_s, fresh=1.0, timestamp_fixed=float(fixed))

    def _send_back(self, message: TranscriptReady, error: IngestError) -> Done:
        self.volume.discard(message.video_id, "transcript")
        again = VideoAccessible(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=message.metadata,
            fresh_from=message.fresh_from,
            redo=message.redo + 1,
        )
        return Done(again, kind=EventKind.RETRYING, code=error.code, text=f"{error.message}; making it again")


def _indexed(count: int, duration_s: float, **figures: float) -> Done:
    return Done(None, kind=EventKind.INDEXED, numbers={"passages": float(count), "audio_s": duration_s, **figures})
