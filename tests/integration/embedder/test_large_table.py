"""The table of videos when it is large: totals are read from indexes alone, and all rows a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from bench.videos import fill
from ingest.embedder.tables import catalog
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.telemetry.time_split import DEVICE_FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import LiteralString

    from ingest.embedder.postgres.database import Database

VIDEOS = 10_000


@pytest.fixture
def large(database: Database) -> Database:
    fill(database, VIDEOS)
    return database


def scans(
    database: Database, query: LiteralString, values: Sequence[object] | Mapping[str, object] | None
) -> set[tuple[str, str | None]]:
    """Return the scans of the plan of a query, each with its index."""
    with database.transaction() as connection:
        row: Any = connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) ") + sql.SQL(query), values).fetchone()
    return {
        (node["Node Type"], node.get("Index Name"))
        for node in nodes(row[0][0]["Plan"])
        if "Scan" in node["Node Type"] and node["Node Type"] not in {"Function Scan", "Subquery Scan"}
    }


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def test_the_queries_of_ingest_status_read_no_whole_table(large: Database) -> None:
    alone = {("Index Only Scan", "videos_totals")}
    assert scans(large, catalog.TOTALS, None) == alone
    assert scans(large, catalog.PASSAGES_BY_LANGUAGE, None) == alone
    assert scans(large, catalog.DEVICE_SECONDS, (list(DEVICE_FIGURES),)) == {("Index Scan", "videos_updated")}
    running = {"states": ["running"], "codes": None, "limit": 10}
    assert {kind for kind, _ in scans(large, catalog.CHOSEN, running)} <= {
        "Index Scan",
        "Bitmap Heap Scan",
        "Bitmap Index Scan",
    }


def test_each_row_is_read_once_a_page_at_a_time(large: Database) -> None:
    known = Catalog(large)
    failed = [row.video_id for row in known.each(states=["failed"], page=7)]
    assert failed == sorted(set(failed))
    assert len(failed) == sum(total.videos for total in known.totals() if total.state == "failed")
    assert sum(1 for _ in known.each(page=999)) == VIDEOS
