"""Finds a text in the stored passages of all recordings, by their index of words; only stop words are read for."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from contextlib import ExitStack, closing
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.embedder.corrections.places import only_case_differs, pattern
from ingest.embedder.search.search_query import CONFIGS
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ingest.embedder.postgres.database import Database

CONTEXT = 40  # letters on both sides
FETCHED = 500  # passages at a time
MOST_COUNTED = 300_000  # places: two or three seconds
ROWS = "SELECT video_id, idx, text FROM segments"
BY_WORDS = f"""
{ROWS} WHERE ts_config = %(config)s::regconfig AND words @@ plainto_tsquery(%(config)s::regconfig, %(text)s)
"""
BY_LETTERS = f"{ROWS} WHERE ts_config = %(config)s::regconfig AND strpos(lower(text), lower(%(part)s)) > 0"
IN_ORDER = "ORDER BY video_id, idx"
SHOWN = """
SELECT video_id, idx, title, text, sentence_offsets, sentence_starts_s
FROM segments JOIN videos USING (video_id)
WHERE (video_id, idx) IN (SELECT * FROM unnest(%s::text[], %s::integer[]))
"""
IS_EMPTY = "SELECT numnode(plainto_tsquery(%s::regconfig, %s)) = 0"


Span = tuple[int, int]


class _Row(NamedTuple):
    """A passage that may have a text."""

    video_id: str
    number: int
    text: str


class _Hit(NamedTuple):
    """A place in a passage that has a text."""

    video_id: str
    number: int
    span: Span


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
    """Some of the places where a text is said, and how many there are in all.

    `is_whole`: all were counted. A text that is said so often is hardly one to correct; counting takes its time.
    """

    shown: list[Occurrence]
    places: int
    recordings: int
    is_whole: bool = True


def page(database: Database, texts: tuple[str, str], first: int, most: int, counted: int = MOST_COUNTED) -> Page:
    """Return at most `most` places, from number `first` (from 0) on, and count all of them.

    The count ends at the recording that has place `counted`, unless the page is behind it.
    """
    shown: list[_Hit] = []
    places, recordings, last, is_whole = 0, 0, "", True
    find = _finder(*texts)
    with closing(_rows(database, texts[0])) as rows:
        for row in rows:
            found = find(row.text)
            if not found:
                continue
            if row.video_id != last and places >= max(counted, first + most):
                is_whole = False
                break
            shown += [
                _Hit(row.video_id, row.number, span)
                for span in found[max(0, first - places) : max(0, first + most - places)]
            ]
            places += len(found)
            recordings += row.video_id != last
            last = row.video_id
    return Page(_occurrences(database, shown), places, recordings, is_whole)


def videos(database: Database, texts: tuple[str, str]) -> list[str]:
    """Return the recordings in which a text is said, in their order."""
    find = _finder(*texts)
    known: dict[str, None] = {}
    for row in _rows(database, texts[0]):
        if row.video_id not in known and find(row.text):
            known[row.video_id] = None
    return list(known)


def each(database: Database, expected: str, replacement: str) -> Iterator[Occurrence]:
    """Yield all places with a text that would be another one after its replacement, in the order of videos."""
    find = _finder(expected, replacement)
    found = [_Hit(row.video_id, row.number, span) for row in _rows(database, expected) for span in find(row.text)]
    for start in range(0, len(found), FETCHED):
        yield from _occurrences(database, found[start : start + FETCHED])


def _finder(expected: str, replacement: str) -> Callable[[str], list[Span]]:
    """Return what finds the places of a text that are not part of its replacement already."""
    wanted = pattern(expected, exact_case=only_case_differs(expected, replacement))
    right = pattern(replacement, exact_case=False)
    is_part = pattern(expected, exact_case=False).search(replacement) is not None

    def find(text: str) -> list[Span]:
        found = [hit.span() for hit in wanted.finditer(text)]
        done = [hit.span() for hit in right.finditer(text)] if found and is_part else []
        return [
            (start, end)
            for start, end in found
            if not any(low <= start and end <= high and high - low > end - start for low, high in done)
        ]

    return find


def _occurrences(database: Database, hits: Sequence[_Hit]) -> list[Occurrence]:
    """Return places with what is shown of them; a passage that has gone meanwhile has none."""
    if not hits:
        return []
    keys = ([one.video_id for one in hits], [one.number for one in hits])
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(SHOWN, keys).fetchall()
    found = {(video_id, number): passage for video_id, number, *passage in rows}
    places = ((hit, found.get((hit.video_id, hit.number))) for hit in hits)
    return [_occurrence(hit, *passage) for hit, passage in places if passage is not None]


def _occurrence(hit: _Hit, title: str | None, text: str, offsets: list[int], starts_s: list[float]) -> Occurrence:
    start, end = hit.span
    at_s = starts_s[max(0, bisect_right(offsets, start) - 1)]
    before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
    return Occurrence(hit.video_id, title, at_s, before, text[start:end], after)


def _rows(database: Database, expected: str) -> Generator[_Row, None, None]:
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
        yield from map(_Row._make, heapq.merge(*streams, key=itemgetter(0, 1)))
