"""Stores the speakers' names of many recordings in one transaction, with a checksum of what they were made from.

Names follow from a `source` (a checksum of voiceprints, enrolled voices, thresholds and code), from what people have
said, and from the passages as they are. The checksum of all these is stored with the names. While it is the same,
naming the speakers again would change nothing. Who changes one of these need not know of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections import names
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.speaker_names import CHANGE, SpokenPassage, changed_by, name_passages, renamed, row_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.tables.speaker_names import Renamed
    from ingest.shared.artifacts.transcript import Turn

ASKED = "unnest(%(videos)s::text[], %(sources)s::text[]) AS asked (video_id, source)"
MADE_FROM = """encode(sha256(convert_to(concat_ws('|', asked.source,
    (SELECT coalesce(string_agg(
        ROW (idx, start_s, end_s, speaker, speaker_score, named_by, also_speaking)::text, '' ORDER BY idx), '')
    FROM segments WHERE segments.video_id = videos.video_id),
    (SELECT coalesce(string_agg(ROW (id, kind, name, spans, others, alike, author)::text, '' ORDER BY id), '')
    FROM speaker_statements WHERE speaker_statements.video_id = videos.video_id)), 'UTF8')), 'hex')"""
COMPARE = f"""
SELECT video_id, indexed_generation, labelled_from IS NOT NULL AND labelled_from = {MADE_FROM}
FROM {ASKED} JOIN videos USING (video_id)
"""  # noqa: S608 (constants only)
NOTE = f"""
UPDATE videos SET labelled_from = {MADE_FROM} FROM {ASKED} WHERE videos.video_id = asked.video_id
"""  # noqa: S608 (constants only)
LOCK = "SELECT video_id, indexed_generation FROM videos WHERE video_id = ANY(%s) ORDER BY video_id FOR UPDATE"
PASSAGES = """
SELECT video_id, idx, start_s, end_s, speaker, speaker_score, named_by, also_speaking
FROM segments WHERE video_id = ANY(%s) ORDER BY video_id, idx
"""


@dataclass(frozen=True)
class PresentNames:
    """The generation of the stored passages, and whether their speakers' names were made from what is there now."""

    generation: int
    is_as_before: bool


@dataclass(frozen=True)
class NewNames:
    """A run of a recording whose turns have the names of the voice models, and the source of these names."""

    video_id: str
    generation: int
    turns: Sequence[Turn]
    source: str


def compare(database: Database, sources: Mapping[str, str]) -> dict[str, PresentNames]:
    """Return what is stored of the recordings that have these sources; nothing is locked or written."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(COMPARE.encode(), _asked(sources)).fetchall()
    return {video_id: PresentNames(generation, is_as_before) for video_id, generation, is_as_before in rows}


def store(database: Database, named: Sequence[NewNames]) -> dict[str, Renamed]:
    """Store the names of recordings; return old and new names of the passages whose name changed, for each recording.

    A recording is left out, and its passages as they are, where they are older than its run: a newer run with the
    present names replaces them. Rows are locked in the order of their ids, as the ledger does.
    """
    if not named:
        return {}
    with database.transaction() as connection:
        ids = [one.video_id for one in named]
        rows: list[Any] = connection.execute(LOCK, (ids,)).fetchall()
        generations: dict[str, int] = dict(rows)
        present = [one for one in named if generations.get(one.video_id, -1) >= one.generation]
        changed = _changes(connection, present)
        new = [row_of(video_id, after) for video_id, pairs in changed.items() for _, after in pairs]
        if new:
            connection.execute(CHANGE, (json.dumps(new),))
        connection.execute(NOTE.encode(), _asked({one.video_id: one.source for one in present}))
    return {video_id: renamed(pairs) for video_id, pairs in changed.items()}


def _changes(connection: Connection, named: Sequence[NewNames]) -> dict[str, list[tuple[SpokenPassage, SpokenPassage]]]:
    """Return the passages of each recording that get other speakers, as they are and as they will be."""
    ids = [one.video_id for one in named]
    said = speaker_statements.of_each(connection, ids)
    rows: list[Any] = connection.execute(PASSAGES, (ids,)).fetchall()
    passages = {
        video_id: [SpokenPassage(*row[1:]) for row in group]
        for video_id, group in groupby(rows, key=lambda row: row[0])
    }
    changed = {}
    for one in named:
        turns = names.apply(one.turns, said.get(one.video_id, ())).turns
        before = passages.get(one.video_id, [])
        changed[one.video_id] = changed_by(before, name_passages(before, turns))
    return changed


def _asked(sources: Mapping[str, str]) -> dict[str, list[str]]:
    return {"videos": list(sources), "sources": list(sources.values())}
