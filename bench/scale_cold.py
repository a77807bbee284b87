"""The first questions after a start of the machine: nothing of the archive is in memory, with and without the warm-up.

The archive is one that `bench.scale --keep FOLDER` has made. Before each of the two starts, the system forgets its
files. The first start asks at once; the second one after the questions that the read side asks by itself. The model
is not run.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bench import report
from bench.scale import KINDS, TIMEOUT_S, PreparedVectors
from bench.scale_rows import Archive
from ingest.archive.model import Model
from ingest.archive.warming import Warming
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.search.hybrid import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.text_model.encoder import Vector


def forget(folder: Path) -> None:
    """Let the system forget what it has in memory of the files of a folder."""
    for path in filter(Path.is_file, folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def measure(folder: Path, vectors: Sequence[Vector], *, warm: bool) -> tuple[list[float], list[float]]:
    """Start the server; return the times of the warm-up, and of the first question of each kind."""
    forget(folder)
    server = EmbeddedPostgres(folder)
    url = SecretStr(server.url)
    try:
        with Database(url, password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open() as database:
            model = Model(lambda: PreparedVectors(vectors[len(KINDS) :]))
            model.start()
            warmed = list(Warming(database, model).asked()) if warm else []
            search = Search(database, PreparedVectors(vectors[: len(KINDS)]), longest_s=TIMEOUT_S)
            took = []
            for ask in KINDS.values():
                began = monotonic()
                search.ask(ask(0))
                took.append(monotonic() - began)
    finally:
        server.stop()
    return warmed, took


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.scale_cold", __doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", required=True, help="the archive of bench.scale")
    options = parser.parse_args()
    report.quiet()
    archive = Archive(options.seed)
    vectors = [archive.vector() for _ in range(60)]
    _, cold = measure(options.keep / "postgres", vectors, warm=False)
    warmed, warm = measure(options.keep / "postgres", vectors, warm=True)
    if options.json:
        report.print_json({"cold_s": cold, "warmed_s": warmed, "warm_s": warm})
        return
    report.print_machine()
    rows = [(kind, f"{one:.2f} s", f"{other:.2f} s") for kind, one, other in zip(KINDS, cold, warm, strict=True)]
    report.print_table(("the first question of a kind", "at once", "after the warm-up"), rows)
    print(
        f"\nwarm-up: {len(warmed)} questions in {sum(warmed):.0f} s, first {warmed[0]:.1f} s, last {warmed[-1]:.1f} s"
    )


if __name__ == "__main__":
    main()
