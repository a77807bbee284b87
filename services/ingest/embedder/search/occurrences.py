"""Finds a text in the stored passages of all recordings, by their index of words; only stop words are read for."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from contextlib import ExitStack, closing
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ingest.embedder.corrections.places import only_case_differs, pattern
from ingest.embedder.search.search_query import CONFIGS
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ingest.embedder.postgres.database import Database

CONTEXT = 40  # letters on both sides
FETCHED = 500  # passages at a time
MOST_COUNTED = 300_000  # places: two or three seconds
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


Span = tuple[int, int]


class _Row(NamedTuple):
    """A passage that may have a text."""

    video_id: str
    number: int
    title: str | None
    text: str
    offsets: list[int]
    starts_s: list[float]


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
    shown: list[Occurrence] = []
    places, recordings, last = 0, 0, ""
    find = _finder(*texts)
    with closing(_rows(database, texts[0])) as rows:
        for row in rows:
            found = find(row.text)
            if not found:
                continue
            if row.video_id != last and places >= max(counted, first + most):
                return Page(shown, places, recordings, is_whole=False)
            shown += [_occurrence(row, span) for span in found[max(0, first - places) : max(0, first + most - places)]]
            places += len(found)
            recordings += row.video_id != last
            last = row.video_id
    return Page(shown, places, recordings)


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
    for row in _rows(database, expected):
        for span in find(row.text):
            yield _occurrence(row, span)


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


def _occurrence(row: _Row, span: Span) -> Occurrence:
    start, end = span
    at_s = row.starts_s[max(0, bisect_right(row.offsets, start) - 1)]
    before, after = row.text[max(0, start - CONTEXT) : start], row.text[end : end + CONTEXT]
    return Occurrence(row.video_id, row.title, at_s, before, row.text[start:end], after)


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
