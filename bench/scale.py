"""Measures a growing archive: pace of storing, the vector index, the time of each kind of question, recall, memory.

Embedded Postgres with the real schema, `Store.replace`, `migrate --index` and `Search.ask`; the model is not run for
the questions, so the times are those of the database. One archive grows from size to size. Text is made of the bundled
samples and of words with Zipf's frequencies; vectors are simulated: those of the samples' sentences, disturbed.
With `--keep FOLDER` the archive stays there: the next run continues it, and measures what it has already.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from pgvector import HalfVector
from psycopg import sql
from pydantic import SecretStr

from bench import processes, report
from bench.rows import DIMENSIONS, MODEL
from bench.scale_rows import COMMON_WORDS, IN_A_VIDEO, NEWEST, Archive
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.index_state import index_name
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.postgres.vector_index import build_index, drop_index
from ingest.embedder.search import search_query
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.embedder.text_model.encoder import Vector

TIMEOUT_S = 3600.0
AT_MOST_LONGER = 2.0  # what a search may take of the time in an archive of a tenth
WITH_INDEX = 20  # videos stored once more while the index exists
NEAREST = """
SELECT video_id, idx FROM embeddings WHERE model = {model}
ORDER BY embedding::halfvec({dimensions}) <=> %s::halfvec({dimensions}) LIMIT 100
"""
NO_WORD = "qqzzqq"  # in no passage: only vectors answer
KINDS: dict[str, Callable[[int], Question]] = {
    "rare words": lambda n: Question(f"word{5000 + n} word{7000 + n}"),
    "one common word": lambda _: Question(COMMON_WORDS[0]),
    "two common words": lambda _: Question(" ".join(COMMON_WORDS)),
    "phrase": lambda n: Question(f'"{" ".join(COMMON_WORDS)}" word{n % 5}'),
    "vectors only": lambda _: Question(NO_WORD),
    "common speaker": lambda n: Question(f"word{100 + n}", speaker="common"),
    "rare speaker": lambda n: Question(f"word{100 + n}", speaker="rare"),
    "channel": lambda n: Question(f"word{100 + n}", channel=f"channel {n}"),
    "last 30 days": lambda n: Question(f"word{100 + n}", since=NEWEST - timedelta(days=30)),
    "last 5 years": lambda n: Question(f"word{100 + n}", since=NEWEST - timedelta(days=5 * 365)),
    "speaker + since": lambda n: Question(f"word{100 + n}", "common", since=NEWEST - timedelta(days=365)),
}


class PreparedVectors:
    """Stands in for the text model: gives each question the next of the prepared vectors, and sentences none."""

    key = MODEL
    dimensions = DIMENSIONS
    content_id = "0" * 40

    def __init__(self, vectors: Sequence[Vector]) -> None:
        self._vectors, self._asked = vectors, 0

    def question(self, text: str) -> Vector:
        """Return the vector of the next question."""
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the next vector for a single text, and zeros for several."""
        if len(texts) > 1:
            return list(np.zeros((len(texts), DIMENSIONS), dtype=np.float32))
        self._asked += 1
        return [self._vectors[self._asked % len(self._vectors)]]


@dataclass(frozen=True)
class Size:
    """What was measured of an archive of one size; times are in seconds, p50 and p95 by kind of question."""

    passages: int
    stored_per_s: float | None  # None: it was there, and so its index
    stored_with_index_per_s: float
    cpu_with_index_s: float  # of the server, for a passage
    index_s: float | None
    index_cpu_s: float | None
    index_bytes: int
    archive_bytes: int
    p50_s: dict[str, float]
    p95_s: dict[str, float]
    first_s: dict[str, float]  # p95 of questions that were not asked before
    recall_10: list[float]
    recall_100: list[float]
    server_bytes: int


def sizes(text: str) -> list[int]:
    """Return growing numbers of passages of whole videos: an argparse type."""
    return report.sizes(",".join(str(passages // IN_A_VIDEO * IN_A_VIDEO) for passages in report.sizes(text)))


def grow(database: Database, archive: Archive, have: int, to: int) -> float:
    """Store videos until there are `to`, and return the passages per second."""
    store = Store(database, MODEL, DIMENSIONS)
    made_s = 0.0
    began = monotonic()
    for number in range(have, to):
        drawing = monotonic()
        rows = archive.video(number)
        made_s += monotonic() - drawing
        store.replace(rows)
        with database.transaction() as connection:
            archive.describe(connection, rows.video_id)
    return (to - have) * IN_A_VIDEO / (monotonic() - began - made_s)


def questions(
    database: Database, vectors: Sequence[Vector]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return p50 and p95 of the time of each kind of question, and p95 when they were asked for the first time.

    A round of others comes first, which is not counted: it warms a server that has just been started with an archive
    of an earlier run. A question that is asked for the first time still reads passages that no other one has read.
    """
    search = Search(database, PreparedVectors(vectors))
    for kind in KINDS:
        timed(search, kind, range(len(vectors), 2 * len(vectors)))
    first = {kind: timed(search, kind, range(len(vectors))) for kind in KINDS}
    again = {kind: timed(search, kind, range(len(vectors))) for kind in KINDS}
    p50 = {kind: statistics.median(took) for kind, took in again.items()}
    p95, first_s = ({kind: float(np.percentile(took, 95)) for kind, took in one.items()} for one in (again, first))
    return p50, p95, first_s


def timed(search: Search, kind: str, numbers: Iterable[int]) -> list[float]:
    """Return the time of each question of a kind."""
    took = []
    for number in numbers:
        began = monotonic()
        search.ask(KINDS[kind](number))
        took.append(monotonic() - began)
    return took


def recall(database: Database, vectors: Sequence[Vector], count: int) -> list[float]:
    """Return for each vector the share of its `count` nearest passages that the index returns among as many."""
    query = sql.SQL(NEAREST).format(model=sql.Literal(MODEL), dimensions=sql.Literal(DIMENSIONS))
    shares = []
    for vector in vectors:
        with database.transaction() as connection:
            search_query.prepare(connection)
            found = connection.execute(query, (HalfVector(vector),)).fetchall()[:count]
            connection.execute("SET LOCAL enable_indexscan = off")
            exact = connection.execute(query, (HalfVector(vector),)).fetchall()[:count]
        shares.append(len(set(found) & set(exact)) / len(exact))
    return shares


def measure(url: str, folder: Path, wanted: Sequence[int], asked: int, seed: int) -> list[Size]:
    """Let an archive grow and return the figures of each size."""
    with Database(SecretStr(url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open() as database:
        migrate(database)
    measured = []
    with Database(SecretStr(url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open() as database:
        have = stored(database)
        archive = Archive([seed, have])
        for passages in wanted:
            to = passages // IN_A_VIDEO
            measured.append(one_size(database, folder, archive, (have, to), asked))
            have = max(have, to) + WITH_INDEX
    return measured


def stored(database: Database) -> int:
    """Return how many videos the archive has."""
    with database.transaction() as connection:
        (count,) = connection.execute("SELECT count(*) FROM videos WHERE state = 'indexed'").fetchone() or (0,)
    return int(str(count))


def grown(database: Database, archive: Archive, have: int, to: int) -> float | None:
    """Let the archive grow without vector index, and return the passages per second; None when it has them."""
    if have >= to:
        return None
    drop_index(database, MODEL)
    stored_per_s = grow(database, archive, have, to)
    with database.transaction() as connection:
        connection.execute("UPDATE models SET content_id = %s", (PreparedVectors.content_id,))
    return stored_per_s


def indexed(database: Database, folder: Path) -> tuple[float | None, float | None]:
    """Build the index, and return how long it took and the processor time of the server; None when it is there."""
    server = processes.family(first_process(folder))
    began, spent_s = monotonic(), processes.cpu_s(server)
    if not build_index(database):
        return None, None
    index_s, index_cpu_s = monotonic() - began, processes.cpu_s(processes.family(server[0])) - spent_s
    with database.session() as connection:
        connection.execute("VACUUM ANALYZE")  # as autovacuum does
    return index_s, index_cpu_s


def one_size(database: Database, folder: Path, archive: Archive, videos: tuple[int, int], asked: int) -> Size:
    """Let the archive grow, build the index and ask the questions."""
    index = index_name(MODEL)
    stored_per_s = grown(database, archive, *videos)
    index_s, index_cpu_s = indexed(database, folder)
    vectors = [archive.vector() for _ in range(asked)]
    times = questions(database, vectors)
    with database.transaction() as connection:
        row = connection.execute(
            "SELECT count(*), pg_relation_size(%s), pg_database_size(current_database()) FROM segments", (index,)
        ).fetchone()
    count, index_bytes, archive_bytes = (int(str(value)) for value in row or (0, 0, 0))
    shares = recall(database, vectors, 10), recall(database, vectors, 100)
    server = server_bytes(folder)
    last, spent_s = max(videos), processes.cpu_s(processes.family(first_process(folder)))
    with_index_per_s = grow(database, archive, last, last + WITH_INDEX)
    used_s = processes.cpu_s(processes.family(first_process(folder))) - spent_s
    return Size(
        count,
        stored_per_s,
        with_index_per_s,
        used_s / WITH_INDEX / IN_A_VIDEO,
        index_s,
        index_cpu_s,
        index_bytes,
        archive_bytes,
        *times,
        *shares,
        server,
    )


def first_process(folder: Path) -> int:
    """Return the first process of the server."""
    (lock,) = folder.rglob("postmaster.pid")
    return int(lock.read_text().split("\n", 1)[0])


def server_bytes(folder: Path) -> int:
    """Return the memory of the server's processes, what they share counted once."""
    total = 0
    for process in processes.family(first_process(folder)):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def taken(figure: float | None, form: str) -> str:
    """Return a figure, or a word for what an earlier run has done."""
    return "earlier" if figure is None else form.format(figure)


def show(measured: Sequence[Size]) -> None:
    """Print a column for each size."""
    report.print_machine()
    lines: list[tuple[str, Callable[[Size], str]]] = [
        ("stored, passages/s", lambda one: taken(one.stored_per_s, "{:.0f}")),
        ("stored while the index exists, passages/s", lambda one: f"{one.stored_with_index_per_s:.0f}"),
        ("processor time of a passage then", lambda one: f"{one.cpu_with_index_s * 1000:.1f} ms"),
        ("vector index built in", lambda one: taken(one.index_s, "{:.1f} s")),
        ("processor time of that", lambda one: taken(one.index_cpu_s, "{:.1f} s")),
        ("vector index", lambda one: f"{one.index_bytes / 1e6:.0f} MB"),
        ("archive with its indexes", lambda one: f"{one.archive_bytes / 1e6:.0f} MB"),
        ("memory of the server", lambda one: f"{one.server_bytes / 1e6:.0f} MB"),
        ("recall@10: mean, worst", lambda one: f"{np.mean(one.recall_10):.3f}, {min(one.recall_10):.2f}"),
        ("recall@100: mean, worst", lambda one: f"{np.mean(one.recall_100):.3f}, {min(one.recall_100):.2f}"),
    ]
    rows = [(name, *(cell(one) for one in measured)) for name, cell in lines]
    rows += [(f"{kind}: p50, p95; p95 of the first time", *(times_of(one, kind) for one in measured)) for kind in KINDS]
    report.print_table(("passages", *(f"{one.passages}" for one in measured)), rows)
    print(f"\nvectors: {DIMENSIONS}-d, simulated (those of the samples' sentences, disturbed)")
    for before, after in pairwise(measured):
        print(growth(before, after))


def times_of(one: Size, kind: str) -> str:
    """Return the times of a kind of question."""
    figures = (one.p50_s[kind], one.p95_s[kind], one.first_s[kind])
    return "{:.0f}, {:.0f}; {:.0f} ms".format(*(seconds * 1000 for seconds in figures))


def growth(before: Size, after: Size) -> str:
    """Return how much longer a search takes in the larger archive, and which kinds take more than twice as long."""
    longer = {kind: after.p95_s[kind] / before.p95_s[kind] for kind in KINDS}
    beyond = ", ".join(f"{kind} ({factor:.1f})" for kind, factor in longer.items() if factor > AT_MOST_LONGER)
    factors = f"{min(longer.values()):.1f} to {max(longer.values()):.1f} times as long"
    more = f"p95 among {after.passages} passages is {factors} as among {before.passages}"
    return f"{more}; more than {AT_MOST_LONGER:g} times: {beyond or 'none'}"


@contextmanager
def place(kept: Path | None, parent: Path | None) -> Iterator[Path]:
    """Yield the folder of the archive: one to keep, or a temporary one."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="ingest-bench-", dir=parent) as folder:
        yield Path(folder)


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.scale", __doc__)
    parser.add_argument(
        "--passages", type=sizes, default="10k,100k", help="sizes, as 10k,100k,1M (default %(default)s)"
    )
    parser.add_argument("--questions", type=report.positive, default=20, help="of each kind (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the temporary archive is (default: that of the system)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the archive here; a next run continues it")
    options = parser.parse_args()
    report.quiet()
    with place(options.keep, options.folder) as folder:
        server = EmbeddedPostgres(folder / "postgres")
        try:
            measured = measure(server.url, folder, options.passages, options.questions, options.seed)
        finally:
            server.stop()
    if options.json:
        report.print_json([asdict(one) for one in measured])
    else:
        show(measured)


if __name__ == "__main__":
    main()
