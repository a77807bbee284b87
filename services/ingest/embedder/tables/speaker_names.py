"""Changes the speakers of stored passages: one transaction for each video, with the fence of every other change."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.names import author_of
from ingest.embedder.overlap import TurnsInOrder, also_speaking
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.shared.artifacts.transcript import Turn

GENERATION = "SELECT indexed_generation FROM videos WHERE video_id = %s"
LOCK = f"{GENERATION} FOR UPDATE"
PASSAGES = """
SELECT idx, start_s, end_s, speaker, speaker_score, named_by, also_speaking
FROM segments WHERE video_id = %s ORDER BY idx
"""
CHANGE = """
UPDATE segments SET speaker = new.speaker, speaker_score = new.score, named_by = new.named_by,
    also_speaking = new.also_speaking
FROM json_to_recordset(%(passages)s::json)
    AS new (idx integer, speaker text, score real, named_by text, also_speaking text[])
WHERE segments.video_id = %(video)s AND segments.idx = new.idx
"""
SPOKEN_BY = """
SELECT video_id, count(*) FROM segments
WHERE left(lower(speaker), 200) = left(lower(%(name)s), 200) AND lower(speaker) = lower(%(name)s)
    OR lower(%(name)s) IN (SELECT lower(name) FROM unnest(also_speaking) AS name)
GROUP BY video_id
"""
SAME_SCORE = 1e-3


@dataclass(frozen=True)
class SpokenPassage:
    """A stored passage: its times, its speaker, the speaker's score, and who has named the speaker by hand.

    `also_speaking` are those who speak at the same time.
    """

    index: int
    start_s: float
    end_s: float
    speaker: str | None
    score: float | None
    named_by: str | None = None
    also_speaking: Sequence[str] = ()


def name_passages(passages: Iterable[SpokenPassage], turns: Sequence[Turn]) -> list[SpokenPassage]:
    """Return passages with the speaker of the turns that they overlap most; one without a speaker stays without."""
    named, ordered = [], TurnsInOrder(turns)
    for passage in passages:
        near = ordered.within(passage.start_s, passage.end_s)
        shares: dict[str, float] = {}
        scores: dict[str, float] = {}
        authors: dict[str, str | None] = {}
        for turn in near:
            shared_s = min(passage.end_s, turn.end_s) - max(passage.start_s, turn.start_s)
            if shared_s > 0:
                shares[turn.speaker] = shares.get(turn.speaker, 0.0) + shared_s
                authors[turn.speaker] = authors.get(turn.speaker) or author_of(turn)
                if turn.score is not None:
                    scores[turn.speaker] = min(turn.score, scores.get(turn.speaker, 1.0))
        best = max(shares, key=lambda name: (shares[name], name), default=None)
        if best is not None and passage.speaker is not None:
            others = also_speaking(passage.start_s, passage.end_s, best, near)
            named.append(
                replace(
                    passage, speaker=best, score=scores.get(best), named_by=authors[best], also_speaking=list(others)
                )
            )
        else:
            named.append(passage)
    return named


class SpeakerNames:
    """Changes the speakers of the passages of a video."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spoken_by(self, name: str) -> dict[str, int]:
        """Return the number of passages in which a speaker speaks in each video that has any, ignoring case."""
        with self._database.transaction() as connection:
            rows = connection.execute(SPOKEN_BY, {"name": name}).fetchall()
        return {str(video_id): int(str(count)) for video_id, count in rows}

    def change(
        self, video_id: str, generation: int, decide: Callable[[list[SpokenPassage]], list[SpokenPassage]]
    ) -> list[tuple[str | None, str | None]]:
        """Store the speakers that `decide` returns; return old and new name of the passages whose name changed.

        Raise SUPERSEDED when the rows are older than `generation`: a newer run with the present names replaces them.
        """
        with self._database.transaction() as connection:
            changed = _changes(connection, GENERATION, video_id, generation, decide)
            if changed:  # most videos have the right names: their rows are neither locked nor written
                changed = _changes(connection, LOCK, video_id, generation, decide)
                connection.execute(
                    CHANGE, {"video": video_id, "passages": json.dumps([_row(new) for _, new in changed])}
                )
        return [(old.speaker, new.speaker) for old, new in changed if old.speaker != new.speaker]


def _changes(
    connection: Connection,
    query: str,
    video_id: str,
    generation: int,
    decide: Callable[[list[SpokenPassage]], list[SpokenPassage]],
) -> list[tuple[SpokenPassage, SpokenPassage]]:
    """Return the passages that `decide` changes, as they are and as they will be."""
    row = connection.execute(query, (video_id,)).fetchone()
    if row is None or int(str(row[0])) < generation:
        raise IngestError(Code.SUPERSEDED, f"{video_id} is being indexed anew, with the present names")
    rows: list[Any] = connection.execute(PASSAGES, (video_id,)).fetchall()
    before = [SpokenPassage(*row) for row in rows]
    return [(old, new) for old, new in zip(before, decide(before), strict=True) if _differs(old, new)]


def _row(new: SpokenPassage) -> dict[str, object]:
    return {
        "idx": new.index,
        "speaker": new.speaker,
        "score": new.score,
        "named_by": new.named_by,
        "also_speaking": list(new.also_speaking),
    }


def _differs(old: SpokenPassage, new: SpokenPassage) -> bool:
    if (old.speaker, old.named_by) != (new.speaker, new.named_by) or (old.score is None) != (new.score is None):
        return True
    if tuple(old.also_speaking) != tuple(new.also_speaking):
        return True
    return old.score is not None and new.score is not None and abs(old.score - new.score) > SAME_SCORE
