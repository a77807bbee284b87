"""What tests of the archive store: passages, vectors and events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString

import numpy as np

from ingest.embedder.passages import Passage
from ingest.embedder.tables.store import Rows
from ingest.shared.messages import Event, EventKind, Source, SourceKind, Stage

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Vector

VIDEO = "abcdefghijk"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def passage(index: int, text: str, speaker: str | None = None) -> Passage:
    first, _, rest = text.partition(". ")
    return Passage(
        index=index,
        start_s=index * 30.0,
        end_s=index * 30.0 + 25,
        text=text,
        speaker=speaker,
        speaker_score=None,
        is_overlap=False,
        offsets=(0, len(first) + 2) if rest else (0,),
        starts_s=(index * 30.0, index * 30.0 + 12) if rest else (index * 30.0,),
        avg_logprob=-0.2,
        compression_ratio=1.3,
        no_speech_prob=0.01,
        refined=False,
        flags=(),
    )


def vectors(count: int, seed: int = 0, dimensions: int = 8) -> list[Vector]:
    made = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return list(made / np.linalg.norm(made, axis=1, keepdims=True))


def rows(generation: int, count: int) -> Rows:
    built = [passage(index, f"Passage {index} of run {generation}.") for index in range(count)]
    return Rows(VIDEO, generation, "en", built, vectors(count, generation))


def event(kind: EventKind, stage: Stage = Stage.ASR, **fields: object) -> Event:
    return Event(
        video_id=VIDEO,
        generation=1,
        stage=stage,
        kind=kind,
        at=NOW,
        source=Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={VIDEO}"),
        **fields,
    )


def execute(database: Database, query: LiteralString) -> None:
    with database.transaction() as connection:
        connection.execute(query)
