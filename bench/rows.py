"""The rows of a made-up video, and the ways to store them that the embedder does not use.

Each way does what `Store.replace` does around its rows (fence, delete, count); only the way the rows get there differs.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from ingest.demo import samples
from ingest.embedder.passages import Passage
from ingest.embedder.tables.store import (
    COPY_EMBEDDINGS,
    COUNT,
    DELETE_OLD,
    EMBEDDING_TYPES,
    ENSURE_VIDEO,
    RAISE_FENCE,
    Rows,
    Store,
    embedding_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.embedder.postgres.database import Connection, Database

    Insert = Callable[[Connection, str, list[tuple[object, ...]]], None]

MODEL = "bench"
SECOND_MODEL = "bench-second"
DIMENSIONS = 384
SENTENCES = 6  # about 400 characters, where the embedder ends a passage
SENTENCE_S = 4.0
PREPARE_AFTER = 5  # psycopg prepares a statement then, unless it is switched off, as in the product because of poolers

INSERT_SEGMENT = """
INSERT INTO segments (video_id, idx, start_s, end_s, text, speaker, sentence_offsets, sentence_starts_s, avg_logprob,
    compression_ratio, no_speech_prob, refined, flags, ts_config)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'english')
"""
INSERT_EMBEDDING = "INSERT INTO embeddings (video_id, idx, model, embedding, sentences) VALUES (%s, %s, %s, %s, %s)"


def make_rows(video_id: str, count: int, seed: int) -> Rows:
    """Return a video of `count` passages: sentences of the samples, random vectors of length 1, random bytes."""
    rng = random.Random(seed)
    sentences = [sentence.text for sample in samples() for sentence in sample.sentences]
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    passages = [make_passage(index, rng.choices(sentences, k=SENTENCES)) for index in range(count)]
    packed = [rng.randbytes(SENTENCES * DIMENSIONS) for _ in range(count)]
    return Rows(video_id, generation=1, language="en", passages=passages, vectors=list(vectors), sentences=packed)


def make_passage(index: int, sentences: list[str]) -> Passage:
    """Return a passage of six sentences without speaker."""
    start_s = index * SENTENCES * SENTENCE_S
    lengths = [len(sentence) + 1 for sentence in sentences]
    return Passage(
        index=index,
        start_s=start_s,
        end_s=start_s + SENTENCES * SENTENCE_S,
        text=" ".join(sentences),
        speaker=None,
        speaker_score=None,
        is_overlap=False,
        offsets=tuple(sum(lengths[:number]) for number in range(SENTENCES)),
        starts_s=tuple(start_s + number * SENTENCE_S for number in range(SENTENCES)),
        avg_logprob=-0.25,
        compression_ratio=1.5,
        no_speech_prob=0.125,
        refined=False,
        flags=(),
    )


class ByCopy:
    """The embedder's way: everything in one transaction, rows by binary COPY."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = Store(database, MODEL, DIMENSIONS)

    def video(self, rows: Rows) -> None:
        """Store a video."""
        self._store.replace(rows)

    def vectors(self, rows: Rows) -> None:
        """Store the vectors of a stored video once more, as those of another model."""
        with self._database.transaction() as connection, connection.cursor().copy(COPY_EMBEDDINGS) as copy:
            copy.set_types(EMBEDDING_TYPES)
            for row in embedding_rows(rows, SECOND_MODEL):
                copy.write_row(row)


class ByInsert:
    """Everything in one transaction, rows by INSERT: `insert` says how."""

    def __init__(self, database: Database, insert: Insert) -> None:
        self._database = database
        self._insert = insert

    def video(self, rows: Rows) -> None:
        """Store a video."""
        with self._database.transaction() as connection:
            connection.prepare_threshold = PREPARE_AFTER
            _raise_fence(connection, rows)
            self._insert(connection, INSERT_SEGMENT, _segment_rows(rows))
            self._insert(connection, INSERT_EMBEDDING, list(embedding_rows(rows, MODEL)))
            _check_count(connection, rows)

    def vectors(self, rows: Rows) -> None:
        """Store the vectors of a stored video once more, as those of another model."""
        with self._database.transaction() as connection:
            connection.prepare_threshold = PREPARE_AFTER
            self._insert(connection, INSERT_EMBEDDING, list(embedding_rows(rows, SECOND_MODEL)))


class ByCommit:
    """An INSERT at a time, each passage committed by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def video(self, rows: Rows) -> None:
        """Store a video."""
        with self._database.session() as connection:
            connection.prepare_threshold = PREPARE_AFTER
            with connection.transaction():
                _raise_fence(connection, rows)
            for segment, embedding in zip(_segment_rows(rows), embedding_rows(rows, MODEL), strict=True):
                with connection.transaction():
                    connection.execute(INSERT_SEGMENT, segment)
                    connection.execute(INSERT_EMBEDDING, embedding)
            _check_count(connection, rows)

    def vectors(self, rows: Rows) -> None:
        """Store the vectors of a stored video once more, as those of another model."""
        with self._database.session() as connection:
            connection.prepare_threshold = PREPARE_AFTER
            for row in embedding_rows(rows, SECOND_MODEL):
                connection.execute(INSERT_EMBEDDING, row)


def insert_many(connection: Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    """Insert rows in one go: psycopg sends them in a pipeline."""
    connection.cursor().executemany(statement.encode(), rows)


def insert_single(connection: Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    """Insert rows one at a time, each waiting for the answer to the one before."""
    for row in rows:
        connection.execute(statement.encode(), row)


def _raise_fence(connection: Connection, rows: Rows) -> None:
    connection.execute(ENSURE_VIDEO, (rows.video_id, rows.generation))
    fence = {
        "video_id": rows.video_id,
        "generation": rows.generation,
        "passages": len(rows.passages),
        "language": rows.language,
    }
    connection.execute(RAISE_FENCE, fence)
    connection.execute(DELETE_OLD, (rows.video_id,))


def _check_count(connection: Connection, rows: Rows) -> None:
    counted = connection.execute(COUNT, (MODEL, rows.video_id)).fetchone()
    if counted != (len(rows.passages), len(rows.passages)):
        raise AssertionError(f"stored {counted} of {len(rows.passages)} rows")


def _segment_rows(rows: Rows) -> list[tuple[object, ...]]:
    return [
        (
            rows.video_id,
            passage.index,
            passage.start_s,
            passage.end_s,
            passage.text,
            passage.speaker,
            list(passage.offsets),
            list(passage.starts_s),
            passage.avg_logprob,
            passage.compression_ratio,
            passage.no_speech_prob,
            passage.refined,
            list(passage.flags),
        )
        for passage in rows.passages
    ]
