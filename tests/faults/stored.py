"""The stored passages of each video, and their faults: incomplete, of several runs, or of the wrong run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ingest.shared.video_state import VideoState
from tests.faults.spoken import run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.embedder.postgres.database import Database

STORED = """
SELECT videos.video_id, state, generation, indexed_generation, fresh_from, coalesce(passages, 0),
    count(embeddings.idx),
    coalesce(array_agg(segments.idx ORDER BY segments.idx) FILTER (WHERE text IS NOT NULL), '{}'),
    coalesce(array_agg(text ORDER BY segments.idx) FILTER (WHERE text IS NOT NULL), '{}')
FROM videos LEFT JOIN segments ON segments.video_id = videos.video_id
LEFT JOIN embeddings ON embeddings.video_id = segments.video_id AND embeddings.idx = segments.idx
GROUP BY videos.video_id
"""


@dataclass(frozen=True)
class StoredVideo:
    """A row of `videos`, the number of vectors of its passages, and the passages' numbers and texts."""

    video_id: str
    state: str
    generation: int
    indexed_generation: int
    fresh_from: int
    passages: int
    vectors: int
    numbers: list[int]
    texts: list[str]

    @property
    def wrong(self) -> list[str]:
        """Return the faults.

        The text of a passage names the run that made it. A run may reuse files of an older run, unless it was forced.
        """
        found = []
        if self.numbers != list(range(self.passages)) or self.vectors != self.passages:
            found.append(f"passages {self.numbers} and {self.vectors} vectors, its row says {self.passages}")
        is_indexed = self.state == VideoState.INDEXED
        if is_indexed and (not self.passages or self.indexed_generation != self.generation):
            found.append(f"{self.passages} passages of run {self.indexed_generation}, indexed in {self.generation}")
        said = run_of(self.video_id, self.texts)
        oldest = self.fresh_from if self.indexed_generation == self.generation else 0
        if self.texts and (said is None or not oldest <= said <= self.indexed_generation):
            wanted = f"{oldest} to {self.indexed_generation}"
            found.append(f"passages made by run {said or '?'}, expected from {wanted}")
        return found


def stored(archive: Database) -> Iterator[StoredVideo]:
    """Yield the stored passages of every video."""
    with archive.transaction() as connection:
        rows = connection.execute(STORED).fetchall()
    for row in rows:
        yield StoredVideo(*cast("tuple[str, str, int, int, int, int, int, list[int], list[str]]", row))
