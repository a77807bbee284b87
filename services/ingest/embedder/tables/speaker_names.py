"""Changes the speakers of stored passages, with the fence of every other change. `labels` does so for many videos."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.names import author_of
from ingest.embedder.overlap import TurnsInOrder, also_speaking
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.embedder.postgres.database import Database
    from ingest.shared.artifacts.transcript import Turn

LOCK = "SELECT indexed_generation FROM videos WHERE video_id = %s FOR UPDATE"
PASSAGES = """
SELECT idx, start_s, end_s, speaker, speaker_score, named_by, also_speaking
FROM segments WHERE video_id = %s ORDER BY idx
"""
CHANGE = """
UPDATE segments SET speaker = new.speaker, speaker_score = new.score, named_by = new.named_by,
    also_speaking = new.also_speaking
FROM json_to_recordset(%s::json)
    AS new (video_id text, idx integer, speaker text, score real, named_by text, also_speaking text[])
WHERE segments.video_id = new.video_id AND segments.idx = new.idx
"""
SPOKEN_BY = """
SELECT video_id, count(*) FROM segments
WHERE left(lower(speaker), 200) = left(lower(%(name)s), 200) AND lower(speaker) = lower(%(name)s)
    OR lower(%(name)s) IN (SELECT lower(name) FROM unnest(also_speaking) AS name)
GROUP BY video_id
"""
SAME_SCORE = 1e-3

Renamed = list[tuple[str | None, str | None]]  # old and new names of passages


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
    ) -> Renamed:
        """Store the speakers that `decide` returns; return old and new name of the passages whose name changed.

        Raise SUPERSEDED when the rows are older than `generation`: a newer run with the present names replaces them.
        """
        with self._database.transaction() as connection:
            row = connection.execute(LOCK, (video_id,)).fetchone()
            if row is None or int(str(row[0])) < generation:
                raise superseded(video_id)
            rows: list[Any] = connection.execute(PASSAGES, (video_id,)).fetchall()
            before = [SpokenPassage(*row) for row in rows]
            changed = changed_by(before, decide(before))
            if changed:
                connection.execute(CHANGE, (json.dumps([row_of(video_id, new) for _, new in changed]),))
        return renamed(changed)


def superseded(video_id: str) -> IngestError:
    """Return the error of a recording whose passages are older than what they were to be named from."""
    return IngestError(Code.SUPERSEDED, f"{video_id} is being indexed anew, with the present names")


def changed_by(
    before: Sequence[SpokenPassage], after: Sequence[SpokenPassage]
) -> list[tuple[SpokenPassage, SpokenPassage]]:
    """Return the passages that differ, as they are and as they will be."""
    return [(old, new) for old, new in zip(before, after, strict=True) if _differs(old, new)]


def renamed(changed: Iterable[tuple[SpokenPassage, SpokenPassage]]) -> Renamed:
    """Return old and new names of the passages that get another name."""
    return [(old.speaker, new.speaker) for old, new in changed if old.speaker != new.speaker]


def row_of(video_id: str, new: SpokenPassage) -> dict[str, object]:
    """Return what CHANGE takes of a passage."""
    return {
        "video_id": video_id,
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
