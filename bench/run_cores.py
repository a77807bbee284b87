"""What the processors do while `ingest run` works on recordings of real people.

Everything is real: servers, services, Whisper, the pipeline for speakers, the model for passages. Reads a folder with
a `manifest.jsonl` (default: `../shared/speech`), with the model of INGEST_ASR_MODEL or the one that the folder's
`prepare` makes. The recordings are drawn among those with a text, of at most `--longest` seconds.

The time of the work goes from the first recording that is requested to the last one that is indexed; the models are
loaded within it. The processors are read from the system every quarter of a second: all that runs on the machine is in
the figures, so nothing else should. The lower bound is the processor time over the cores, as if no core ever waited.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from bench import report
from bench.real_speech import model_of
from bench.real_speech_set import FOLDER, read
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.tables.catalog import Catalog

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

LOOK_S = 0.25
PARTS = 10  # of the time of the work, each with its share of busy processors
WORK = """
SELECT count(*) FILTER (WHERE state = 'indexed'), sum(duration_s), sum(passages),
    extract(epoch FROM min(created_at))::float8, extract(epoch FROM max(updated_at))::float8
FROM videos
"""


@dataclass(frozen=True)
class Look:
    """The processors at a moment (seconds since 1970): seconds that all cores have worked, and rested."""

    at_s: float
    busy_s: float
    idle_s: float


@dataclass(frozen=True)
class Figures:
    """What a run has shown. `shares` are the busy shares of the cores in equal parts of the time of the work."""

    recordings: int
    indexed: int
    passages: int
    audio_s: float
    run_s: float
    work_s: float
    busy_s: float
    idle_s: float
    shares: tuple[float, ...]
    recognizer_s: dict[str, float]

    @property
    def bound_s(self) -> float:
        """Return the lower bound of the time of the work."""
        return self.busy_s / (os.cpu_count() or 1)


def look() -> Look:
    """Return the processors now. Time that a host took from a virtual machine is neither work nor rest."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, idle, waiting, interrupts, soft, _stolen = map(int, fields)
    ticks = os.sysconf("SC_CLK_TCK")
    return Look(time.time(), (user + nice + system + interrupts + soft) / ticks, (idle + waiting) / ticks)


def shares(looks: Sequence[Look], began_s: float, ended_s: float, parts: int) -> tuple[float, ...]:
    """Return the busy share of the cores in equal parts of a time."""
    busy, total = [0.0] * parts, [0.0] * parts
    for before, after in pairwise(looks):
        part = int((after.at_s - began_s) / (ended_s - began_s) * parts)
        if 0 <= part < parts:
            worked_s = after.busy_s - before.busy_s
            busy[part] += worked_s
            total[part] += worked_s + after.idle_s - before.idle_s
    return tuple(one / all_s if all_s else 0.0 for one, all_s in zip(busy, total, strict=True))


def measured(folder: Path, files: Sequence[Path], given: dict[str, str]) -> Figures:
    """Run on an empty archive in a folder, and return the figures."""
    state = folder / "state"
    command = [sys.executable, "-m", "ingest.cli", "run", *map(str, files), "--state", str(state)]
    looks = [look()]
    with subprocess.Popen(command, env={**os.environ, **given}, stdout=subprocess.DEVNULL) as run:  # noqa: S603 (our own)
        while run.poll() is None:
            time.sleep(LOOK_S)
            looks.append(look())
    if run.returncode:
        raise SystemExit(f"error: `ingest run` ended with {run.returncode}")
    postgres = EmbeddedPostgres(state / "postgres")
    try:
        with Database(SecretStr(postgres.url), password=None, size=1, timeout_s=60.0, name="bench").open() as database:
            with database.transaction() as connection:
                row: Any = connection.execute(WORK).fetchone()
            indexed, audio_s, passages, began_s, ended_s = row
            recognizer_s = Catalog(database).device_seconds()
    finally:
        postgres.stop()
    inside = [one for one in looks if began_s <= one.at_s <= ended_s]
    return Figures(
        recordings=len(files),
        indexed=indexed,
        passages=passages,
        audio_s=audio_s,
        run_s=looks[-1].at_s - looks[0].at_s,
        work_s=ended_s - began_s,
        busy_s=inside[-1].busy_s - inside[0].busy_s,
        idle_s=inside[-1].idle_s - inside[0].idle_s,
        shares=shares(inside, began_s, ended_s, PARTS),
        recognizer_s=recognizer_s,
    )


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    found = [one for one in read(options.folder) if one.text and one.seconds <= options.longest]
    if len(found) < options.recordings:
        raise SystemExit(f"error: {options.folder} has {len(found)} such recordings")
    chosen = random.Random(options.seed).sample(found, options.recordings)
    pipeline = options.pipeline or options.folder / "models" / "diarization"
    given = {"INGEST_ASR_MODEL": str(model_of(options.folder)), "INGEST_DIARIZATION_MODEL": str(pipeline)}
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as made:
        figures = measured(Path(made), [options.folder / one.file for one in chosen], given)
    if options.json:
        report.print_json({**asdict(figures), "bound_s": figures.bound_s})
        return
    report.print_machine()
    report.print_table(("`ingest run` on recordings of real people", ""), _rows(figures))


def _rows(one: Figures) -> list[tuple[str, str]]:
    recognizer = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(one.recognizer_s.items()))
    return [
        ("recordings, of them indexed; passages", f"{one.recordings}, {one.indexed}; {one.passages}"),
        ("audio", f"{one.audio_s:.0f} s"),
        ("whole command", f"{one.run_s:.1f} s"),
        ("time of the work", f"{one.work_s:.1f} s"),
        ("lower bound: processor time over the cores", f"{one.bound_s:.1f} s"),
        ("lower bound over time of the work", f"{one.bound_s / one.work_s:.3f}"),
        ("cores at rest, sum", f"{one.idle_s:.1f} s"),
        (f"busy cores by {PARTS}ths of that time", " ".join(f"{share:.0%}" for share in one.shares)),
        ("recognizer's time", recognizer),
    ]


def _options() -> argparse.Namespace:
    parser = report.parser("bench.run_cores", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--pipeline", type=Path, help="for speakers (default: models/diarization of the folder)")
    parser.add_argument("--recordings", type=report.positive, default=60, help="(default %(default)s)")
    parser.add_argument("--longest", type=float, default=30.0, metavar="S", help="(default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
