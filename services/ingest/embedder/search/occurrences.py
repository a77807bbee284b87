"""Finds a text in the stored passages of all recordings, by their index of words; only stop words are read for."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.places import only_case_differs, pattern
from ingest.embedder.search.search_query import CONFIGS
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.embedder.postgres.database import Database

CONTEXT = 40  # letters on both sides
FETCHED = 500  # passages at a time
ROWS = """
SELECT segments.video_id, idx, title, text, sentence_offsets, sentence_starts_s
FROM segments JOIN videos USING (video_id)
"""
BY_WORDS = f"""
{ROWS} WHERE ts_config = %(config)s::regconfig AND segments.words @@ plainto_tsquery(%(config)s::regconfig, %(text)s)
"""
BY_LETTERS = f"{ROWS} WHERE ts_config = %(config)s::regconfig AND strpos(lower(text), lower(%(part)s)) > 0"
IN_ORDER = "ORDER BY segments.video_id, idx"
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


@dataclass(frozen=True)
class Page:
    """Some of the places where a text is said, and how many there are in all."""

    shown: list[Occurrence]
    places: int
    recordings: int


def page(database: Database, texts: tuple[str, str], first: int, most: int) -> Page:
    """Return at most `most` places, from number `first` (from 0) on, and count all of them."""
    shown, places, recordings, last = [], 0, 0, ""
    for found in each(database, *texts):
        if first <= places < first + most:
            shown.append(found)
        places += 1
        recordings += found.video_id != last
        last = found.video_id
    return Page(shown, places, recordings)


def videos(database: Database, texts: tuple[str, str]) -> list[str]:
    """Return the recordings in which a text is said, in their order."""
    return list(dict.fromkeys(found.video_id for found in each(database, *texts)))


def each(database: Database, expected: str, replacement: str) -> Iterator[Occurrence]:
    """Yield all places with a text that would be another one after its replacement, in the order of videos."""
    wanted = pattern(expected, exact_case=only_case_differs(expected, replacement))
    right = pattern(replacement, exact_case=False)
    for video_id, _, title, text, offsets, starts_s in _rows(database, expected):
        is_right = [hit.span() for hit in right.finditer(text)]
        for hit in wanted.finditer(text):
            start, end = hit.span()
            if any(low <= start and end <= high and high - low > end - start for low, high in is_right):
                continue  # the replacement contains what it replaces, and is there already
            at_s = starts_s[max(0, bisect_right(offsets, start) - 1)]
            before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
            yield Occurrence(video_id, title, at_s, before, hit[0], after)


def _rows(database: Database, expected: str) -> Iterator[Any]:
    """Yield the passages that may have a text, in the order of videos; of each text search, some are in memory."""
    text, part = scripts.spaced(expected), max(expected.split(), key=len)
    with database.long_transaction() as connection, ExitStack() as opened:
        streams = []
        for number, (config,) in enumerate(connection.execute(CONFIGS).fetchall()):
            (is_empty,) = connection.execute(IS_EMPTY, (config, text)).fetchone() or (True,)
            query = f"{BY_LETTERS if is_empty else BY_WORDS} {IN_ORDER}"
            cursor = opened.enter_context(connection.cursor(name=f"places_{number}"))
            cursor.itersize = FETCHED
            cursor.execute(query.encode(), {"config": config, "text": text, "part": part})
            streams.append(cursor)
        yield from heapq.merge(*streams, key=itemgetter(0, 1))
