"""Finds a text in the stored passages of all recordings, by their index of words; only stop words are read for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.places import only_case_differs, pattern
from ingest.embedder.search.search_query import CONFIGS
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.embedder.postgres.database import Database

CONTEXT = 40  # letters on both sides
ROWS = """
SELECT segments.video_id, title, channel, idx, text, sentence_offsets, sentence_starts_s
FROM segments JOIN videos USING (video_id)
"""
BY_WORDS = f"""
{ROWS} WHERE ts_config = %(config)s::regconfig AND segments.words @@ plainto_tsquery(%(config)s::regconfig, %(text)s)
"""
BY_LETTERS = f"{ROWS} WHERE ts_config = %(config)s::regconfig AND strpos(lower(text), lower(%(part)s)) > 0"
IS_EMPTY = "SELECT numnode(plainto_tsquery(%s::regconfig, %s)) = 0"


@dataclass(frozen=True)
class Occurrence:
    """A place where a text is said: the beginning of its sentence, and the text around it."""

    video_id: str
    title: str | None
    start_s: float
    before: str
    text: str
    after: str


def find(database: Database, expected: str, replacement: str) -> list[Occurrence]:
    """Return all places with a text that would be another one after its replacement, in the order of videos."""
    wanted = pattern(expected, exact_case=only_case_differs(expected, replacement))
    right = pattern(replacement, exact_case=False)
    found = []
    for video_id, title, _, index, text, offsets, starts_s in _rows(database, expected):
        is_right = [hit.span() for hit in right.finditer(text)]
        for hit in wanted.finditer(text):
            start, end = hit.span()
            if any(low <= start and end <= high and high - low > end - start for low, high in is_right):
                continue  # the replacement contains what it replaces, and is there already
            at_s = starts_s[max(0, bisect_right(offsets, start) - 1)]
            before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
            found.append(((video_id, index, start), Occurrence(video_id, title, at_s, before, hit[0], after)))
    return [one for _, one in sorted(found, key=lambda item: item[0])]


def _rows(database: Database, expected: str) -> Iterator[Any]:
    """Yield the passages that may have a text."""
    text = scripts.spaced(expected)
    with database.transaction() as connection:
        for (config,) in connection.execute(CONFIGS).fetchall():
            (is_empty,) = connection.execute(IS_EMPTY, (config, text)).fetchone() or (True,)
            query = BY_LETTERS if is_empty else BY_WORDS
            part = max(expected.split(), key=len)
            yield from connection.execute(query.encode(), {"config": config, "text": text, "part": part}).fetchall()
