"""Storing the passages of a video: binary COPY (as the embedder does) against INSERT of the same rows.

Real embedded Postgres with pgvector, the real schema with its indexes, text of the bundled samples, random vectors.
    copy         Store.replace itself: one transaction, binary COPY
    executemany  the same transaction, one pipelined INSERT for each table
    single       the same transaction, an INSERT at a time
    committed    an INSERT at a time and a commit for each passage, on fewer passages
The whole video is passages (with their full-text index) and vectors; "vectors" is the latter alone.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from bench import report
from bench.rows import (
    DIMENSIONS,
    SECOND_MODEL,
    ByCommit,
    ByCopy,
    ByInsert,
    insert_many,
    insert_single,
    make_rows,
)
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables.store import REGISTER_MODEL, Rows

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

COPY, COMMITTED = "copy", "committed"
TIMEOUT_S = 300.0
# a transaction that writes takes a number when it begins to write; the log's position grows with every byte written
COUNTERS = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
"""
FINGERPRINT = """
SELECT md5(string_agg(concat_ws('|', idx, start_s, end_s, text, sentence_offsets, sentence_starts_s, avg_logprob,
    compression_ratio, no_speech_prob, refined, flags, ts_config, words, embedding), '|' ORDER BY idx, model))
FROM segments JOIN embeddings USING (video_id, idx) WHERE video_id = %s
"""
SAME_VECTORS = b"CREATE TABLE as_%s AS SELECT embedding::%s AS embedding FROM embeddings"
SIZES = b"SELECT sum(pg_column_size(embedding)), count(*), pg_total_relation_size('as_%s') FROM as_%s"


class Way(Protocol):
    """A way to store rows."""

    def video(self, rows: Rows) -> None:
        """Store a video."""

    def vectors(self, rows: Rows) -> None:
        """Store the vectors of a stored video once more, as those of another model."""


@dataclass(frozen=True)
class Figures:
    """What storing one video has taken; commits and log bytes are those of the whole video."""

    passages: int
    video_s: float
    vectors_s: float
    commits: int
    log_bytes: int

    @property
    def video_passage_s(self) -> float:
        """Return the seconds for each passage, text and vector."""
        return self.video_s / self.passages

    @property
    def vector_s(self) -> float:
        """Return the seconds for each vector."""
        return self.vectors_s / self.passages


@dataclass(frozen=True)
class Size:
    """What vectors take in a column of a type: bytes of each value, and of the whole table for each row."""

    value_bytes: float
    row_bytes: float


@dataclass(frozen=True)
class Amount:
    """How many passages a video has (those of `committed` fewer), and how many videos each way stores."""

    rounds: int = 15
    passages: int = 300
    committed_passages: int = 50
    seed: int = 7


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    amount = Amount(options.rounds, options.passages, options.committed_passages, options.seed)
    rounds, sizes = measured(amount)
    if options.json:
        figures = {way: [asdict(one) for one in each] for way, each in rounds.items()}
        sizes_json = {kind: asdict(size) for kind, size in sizes.items()}
        report.print_json({"options": vars(options), "rounds": figures, "sizes": sizes_json})
    else:
        report.print_machine()
        print_ways(amount, rounds)
        _print_sizes(sizes)


def measured(amount: Amount) -> tuple[dict[str, list[Figures]], dict[str, Size]]:
    """Return the figures of each way and round, and the sizes of vectors, in a database that is made for this."""
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            with _open(server.url) as database:
                migrate(database)
            with _open(server.url) as database:  # connections learn about vectors when they are made
                return _measure(database, amount), _sizes(database)
        finally:
            server.stop()


def _options() -> argparse.Namespace:
    parser = report.parser("bench.copy_rows", __doc__)
    parser.add_argument("--passages", type=report.positive, default=300, help="of one video (default %(default)s)")
    parser.add_argument(
        "--committed-passages", type=report.positive, default=50, help="for `committed` (default %(default)s)"
    )
    parser.add_argument("--rounds", type=report.positive, default=15, help="videos for each way (default %(default)s)")
    return parser.parse_args()


def _open(url: str) -> Database:
    return Database(SecretStr(url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open()


def _measure(database: Database, amount: Amount) -> dict[str, list[Figures]]:
    """Store a video in each way in turn, so many times; the first of each is thrown away."""
    ways: dict[str, Way] = {
        COPY: ByCopy(database),
        "executemany": ByInsert(database, insert_many),
        "single": ByInsert(database, insert_single),
        COMMITTED: ByCommit(database),
    }
    with database.transaction() as connection:
        connection.execute(REGISTER_MODEL, (SECOND_MODEL, DIMENSIONS))
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    numbers = itertools.count()
    for number in range(amount.rounds + 1):
        stored = {}
        for name, way in ways.items():
            count = amount.committed_passages if name == COMMITTED else amount.passages
            rows = make_rows(f"video{next(numbers):06}", count, amount.seed + number)
            one = _store(database, way, rows)
            if number:
                figures[name].append(one)
            if name != COMMITTED:
                stored[name] = _one(database, FINGERPRINT.encode(), rows.video_id)[0]
        if len(set(stored.values())) != 1:
            raise AssertionError(f"the ways have stored different rows: {stored}")
    return figures


def _store(database: Database, way: Way, rows: Rows) -> Figures:
    commits, log_bytes = _counters(database)
    video_s = _timed(lambda: way.video(rows))
    commits_after, log_bytes_after = _counters(database)
    vectors_s = _timed(lambda: way.vectors(rows))
    return Figures(len(rows.passages), video_s, vectors_s, commits_after - commits, log_bytes_after - log_bytes)


def _timed(work: Callable[[], None]) -> float:
    began = monotonic()
    work()
    return monotonic() - began


def _counters(database: Database) -> tuple[int, int]:
    transactions, log_bytes = _one(database, COUNTERS.encode())
    return int(str(transactions)), int(str(log_bytes))


def _sizes(database: Database) -> dict[str, Size]:
    """Return what the same vectors take in a column of each type."""

    def each() -> Iterator[tuple[str, Size]]:
        for kind in ("halfvec", "vector"):
            name = kind.encode()
            with database.transaction() as connection:
                connection.execute(SAME_VECTORS % (name, name))
            value_bytes, count, table_bytes = (int(str(value)) for value in _one(database, SIZES % (name, name)))
            yield kind, Size(value_bytes / count, table_bytes / count)

    return dict(each())


def _one(database: Database, query: bytes, *values: object) -> tuple[object, ...]:
    with database.transaction() as connection:
        row = connection.execute(query, values).fetchone()
    if row is None:
        raise AssertionError(f"no row for {query.decode()}")
    return row


def print_ways(amount: Amount, rounds: dict[str, list[Figures]]) -> None:
    """Print a row for each way."""
    print(f"one video: {amount.passages} passages ({COMMITTED}: {amount.committed_passages}), {DIMENSIONS}-d vectors")
    print(f"medians of {amount.rounds} rounds, taken in turn; every way stored the same rows\n")
    base = rounds[COPY]
    columns = (
        "way",
        "passages/s",
        "copy is faster",
        "vectors/s",
        "copy is faster",
        "commits",
        "commits/passage",
        "log bytes/passage",
    )
    report.print_table(columns, (_row(name, base, each) for name, each in rounds.items()))


def _print_sizes(sizes: dict[str, Size]) -> None:
    print(f"\nthe same {DIMENSIONS}-d vectors in a column of each type")
    report.print_table(
        ("type", "bytes/value", "table bytes/row", "share of vector"),
        (
            (
                kind,
                f"{size.value_bytes:.0f}",
                f"{size.row_bytes:.0f}",
                f"{size.value_bytes / sizes['vector'].value_bytes:.1%}",
            )
            for kind, size in sizes.items()
        ),
    )


def _row(name: str, base: list[Figures], each: list[Figures]) -> tuple[str, ...]:
    return (
        name,
        f"{report.median(1 / one.video_passage_s for one in each):.0f}",
        report.ratios([one.video_passage_s for one in each], [one.video_passage_s for one in base]),
        f"{report.median(1 / one.vector_s for one in each):.0f}",
        report.ratios([one.vector_s for one in each], [one.vector_s for one in base]),
        f"{report.median(one.commits for one in each):.0f}",
        f"{report.median(one.commits / one.passages for one in each):.3f}",
        f"{report.median(one.log_bytes / one.passages for one in each):.0f}",
    )


if __name__ == "__main__":
    main()
