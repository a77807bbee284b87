"""The table of videos at a size: the queries of `ingest status`, lists, and reading all rows a page at a time.

Embedded Postgres with the real schema; the rows are made up. The figure of memory is that of this process.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bench import report
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.index_state import missing_indexes
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables import set_aside
from ingest.embedder.tables.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 3600.0
REPEATS = 5
# Nine of ten are indexed; one in a hundred failed, skipped, or is on its way.
FILL = """
INSERT INTO videos (video_id, state, stage, error_code, error_message, language, passages, duration_s, source_kind,
    source_url, title, channel, published_at, updated_at, figures)
SELECT 'v' || lpad(n::text, 10, '0'), state, 'embedder', code, code || ': the reason in a sentence of usual length',
    CASE WHEN state = 'indexed' THEN (ARRAY['en', 'de', 'es', 'fr', 'ja'])[1 + n %% 5] END,
    CASE WHEN state = 'indexed' THEN 50 END, 1200 + n %% 900, 'media', 'https://media.example.org/episodes/' || n,
    'Episode ' || n || ' about ' || md5(n::text), 'Channel ' || n %% 500,
    timestamptz '2020-01-01' + n %% 2000 * interval '1 day', timestamptz '2026-01-01' - n * interval '1 second',
    jsonb_build_object('asr.cpu_busy_s', 80 + n %% 50, 'asr.cpu_starved_s', 5, 'asr.cpu_decoding_s', 2,
        'asr.took_s', 120, 'asr.speech_s', 1100, 'asr.segments', 300, 'download.bytes', 20000000 + n)
FROM generate_series(%(first)s::int, %(last)s::int) AS n, LATERAL (
    SELECT CASE WHEN n %% 100 < 90 THEN 'indexed' WHEN n %% 100 < 94 THEN 'failed' WHEN n %% 100 < 98 THEN 'skipped'
        WHEN n %% 100 = 98 THEN 'queued' ELSE 'postponed' END AS state,
    CASE WHEN n %% 100 >= 90 AND n %% 100 < 98 THEN (ARRAY['NETWORK_TIMEOUT', 'PRIVATE_VIDEO'])[1 + n %% 2]
        END AS code
) AS drawn
"""
GROUP = 50_000
SOME_IDS = [f"v{number:010}" for number in range(1, 50_000, 50)]


def fill(database: Database, videos: int) -> None:
    """Make rows, and let the server gather statistics as autovacuum does."""
    for first in range(1, videos + 1, GROUP):
        with database.transaction() as connection:
            connection.execute(FILL, {"first": first, "last": min(videos, first + GROUP - 1)})
    with database.session() as connection:
        connection.execute("VACUUM ANALYZE")


def timed(ask: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the longest of some repetitions."""
    took = []
    for _ in range(REPEATS):
        began = monotonic()
        ask()
        took.append(monotonic() - began)
    return statistics.median(took), max(took)


def measure(database: Database) -> dict[str, tuple[float, float]]:
    """Return the times of the queries by name."""
    catalog = Catalog(database)
    asked: dict[str, Callable[[], object]] = {
        "totals by state and reason": catalog.totals,
        "passages by language": catalog.passages_by_language,
        "time of the devices": catalog.device_seconds,
        "ten running videos": lambda: catalog.chosen(states=["running"], limit=10),
        "100 latest failures": lambda: catalog.chosen(states=["failed"], limit=100),
        "1,000 failed videos, as retry reads them": lambda: next(catalog.each(states=["failed"])),
        "1,000 waiting videos, as resume reads them": lambda: next(catalog.each(states=["postponed"])),
        "1,000 videos by their ids, as purge reads them": lambda: catalog.videos(SOME_IDS),
        "events set aside": lambda: set_aside.count(database),
        "missing indexes": lambda: missing_indexes(database),
    }
    return {name: timed(ask) for name, ask in asked.items()}


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.videos", __doc__)
    parser.add_argument("--videos", type=report.positive, default=100_000, help="rows (default %(default)s)")
    parser.add_argument("--queries-only", action="store_true", help="do not read all rows")
    options = parser.parse_args()
    report.quiet()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            with Database(
                SecretStr(server.url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench"
            ).open() as database:
                migrate(database)
                began = monotonic()
                fill(database, options.videos)
                filled_s = monotonic() - began
                found = measure(database)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                began = monotonic()
                count = 0 if options.queries_only else sum(1 for _ in Catalog(database).each())
                read_s = monotonic() - began
                grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        finally:
            server.stop()
    if options.json:
        report.print_json(
            {name: {"median_s": middle, "longest_s": longest} for name, (middle, longest) in found.items()}
        )
        return
    report.print_machine()
    report.print_table(
        (f"{options.videos} videos", "median", "longest"),
        [(name, f"{middle * 1000:.0f} ms", f"{longest * 1000:.0f} ms") for name, (middle, longest) in found.items()],
    )
    print(
        f"filled in {filled_s:.0f} s; {count} rows read page by page in {read_s:.0f} s, memory +{grown / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
