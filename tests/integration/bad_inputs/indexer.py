"""An embedder with a database and a volume, and transcripts for it, good and bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.embedder.tables.catalog import Catalog
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript
from ingest.shared.artifacts.volume import NewArtifact
from ingest.shared.errors import Code
from ingest.shared.messages import Source, SourceKind, TranscriptReady
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from ingest.embedder.handler import Embed
    from ingest.embedder.postgres.database import Database

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
DURATION_S = 60.0
POLITE = "Somebody says a sentence here."


def segment(start_s: float, end_s: float, text: str = POLITE) -> Segment:
    """Return a segment without word times; the model's validation is skipped, as by another writer."""
    figures: dict[str, Any] = {"avg_logprob": -0.2, "compression_ratio": 1.2, "no_speech_prob": 0.0}
    return Segment.model_construct(start_s=start_s, end_s=end_s, text=text, words=(), **figures)


def transcript_of(video_id: str, *segments: Segment, version: int = 2) -> bytes:
    """Return the content of a transcript's file."""
    said = Transcript(
        transcript_version=version,
        video_id=video_id,
        audio_sha256="0" * 64,
        duration_s=DURATION_S,
        speech_s=DURATION_S,
        language="en",
        language_probability=1.0,
        model_key="test",
        segments=segments,
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=1),
    )
    return zstd_json.pack(said, Code.BAD_TRANSCRIPT)


@dataclass(frozen=True)
class Indexer:
    """An embedder on a database; `handler` is its stage."""

    handler: Embed
    archive: Database

    def put(self, video_id: str, *segments: Segment, generation: int = 1) -> TranscriptReady:
        """Put a transcript on the volume and return its message."""
        return self.put_bytes(video_id, transcript_of(video_id, *segments), generation)

    def put_bytes(self, video_id: str, data: bytes, generation: int = 1) -> TranscriptReady:
        """Put any file on the volume as a transcript and return its message."""
        file = on_disk(self.handler.volume).root / f"{video_id}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        made = NewArtifact(file, "transcript", "json.zst", DURATION_S, "test", generation)
        artifact = self.handler.volume.keep(video_id, made)
        return TranscriptReady(video_id=video_id, generation=generation, source=SOURCE, transcript=artifact)

    def texts(self, video_id: str) -> list[str]:
        return [row.text for row in Catalog(self.archive).passages(video_id)]
