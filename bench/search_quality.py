"""Quality of search: the right passage, recording, speaker and second; by words, by vectors, by both, by exact search.

An archive in which it is known who said what when (`search_quality_set`), and with `--speech` also transcripts of real
people (`search_quality_speech`), in an embedded Postgres with the product's own passages, `Store.replace`, index and
`Search.ask`. Settings are compared on the half `tune` of the questions, and the other half is reported.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import SecretStr

from bench import report, search_quality_set
from bench.search_quality_set import HALVES, Query, Transcript
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder import passages, sentence_vectors
from ingest.embedder.passages import PassageLimits
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Hit, Question
from ingest.embedder.search.tuning import USUAL, Tuning
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.tables.store import Rows, Store
from ingest.embedder.text_model import model_keys
from ingest.embedder.text_model.encoder import Encoder
from ingest.embedder.text_model.model_files import BUNDLED
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEEP = 10  # answers that count
WAYS = {
    "words only": replace(USUAL, by_meaning=0.0, by_title=0.0),
    "vectors only": replace(USUAL, by_words=0.0, by_title=0.0),
    "both": USUAL,
    "both, exact": replace(USUAL, most_read=10_000_000, most_ranked=10_000_000, is_exact=True),
}
WEIGHTS = (0.5, 1.0, 2.0)  # of words, against meaning
CONSTANTS = (10, 60)
SIZES = {"200-600": (200, 600), "400-1200": (400, 1200), "800-2400": (800, 2400)}  # characters of a passage
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Score:
    """What became of a question. The error is that of the second of the right passage, if that is among the answers."""

    kind: str
    ndcg: float
    is_right_recording: bool
    is_right_speaker: bool
    seek_error_s: float | None


@dataclass(frozen=True)
class Quality:
    """The means over questions, and the errors of the seconds."""

    questions: int
    ndcg: float
    right_recording: float
    right_speaker: float
    seek_median_s: float
    seek_90_s: float


def score(asked: Query, hits: Sequence[Hit]) -> Score:
    """Compare the answers to a question with what was said: one passage is right."""
    right = [
        place
        for place, hit in enumerate(hits[:DEEP])
        if hit.video_id == asked.video_id and hit.passage_start_s <= asked.second < hit.passage_end_s
    ]
    first = hits[0] if hits else None
    return Score(
        kind=asked.kind,
        ndcg=1 / log2(right[0] + 2) if right else 0.0,
        is_right_recording=first is not None and first.video_id == asked.video_id,
        is_right_speaker=first is not None and first.speaker == asked.speaker,
        seek_error_s=abs(hits[right[0]].start_s - asked.second) if right else None,
    )


def quality(scored: Sequence[Score]) -> Quality:
    """Return the figures of questions."""
    errors = [one.seek_error_s for one in scored if one.seek_error_s is not None] or [float("nan")]
    return Quality(
        questions=len(scored),
        ndcg=statistics.fmean(one.ndcg for one in scored),
        right_recording=statistics.fmean(one.is_right_recording for one in scored),
        right_speaker=statistics.fmean(one.is_right_speaker for one in scored),
        seek_median_s=float(np.percentile(errors, 50)),
        seek_90_s=float(np.percentile(errors, 90)),
    )


def fill(
    database: Database, encoder: Encoder, transcripts: Iterable[Transcript], limits: PassageLimits, generation: int = 1
) -> int:
    """Store transcripts as the embedder does, and build the index; return the number of passages.

    Those of an earlier generation are replaced.
    """
    key = model_keys.register(database, encoder)
    store, stored = Store(database, key, encoder.dimensions), 0
    for one in transcripts:
        built = passages.build(one.segments, "en", limits, encoder.count_tokens)
        vectors = sentence_vectors.encode(built, encoder.run)
        stored += store.replace(Rows(one.video_id, generation, "en", built, *vectors))
    build_index(database)
    with database.session() as connection:
        connection.execute("VACUUM ANALYZE")  # as autovacuum does
    return stored


def ask(database: Database, encoder: Encoder, asked: Iterable[Query], tuning: Tuning = USUAL) -> list[Score]:
    """Ask questions in one way."""
    search = Search(database, encoder, tuning, longest_s=TIMEOUT_S)
    return [score(one, search.ask(Question(one.text, limit=DEEP))) for one in asked]


def limits_of(characters: tuple[int, int], encoder: Encoder) -> PassageLimits:
    """Return the limits of passages of that many characters."""
    settings = load(EmbedderSettings)
    return PassageLimits(*characters, settings.passage_max_gap_s, settings.passage_max_s, encoder.max_tokens)


def by_kind(scored: Iterable[Score]) -> dict[str, Quality]:
    """Return the figures of all questions and of each kind."""
    groups: defaultdict[str, list[Score]] = defaultdict(list)
    for one in scored:
        groups["all"].append(one)
        groups[one.kind].append(one)
    return {kind: quality(group) for kind, group in groups.items()}


def measure(database: Database, encoder: Encoder, made: Sequence[tuple[Transcript, list[Query]]]) -> dict[str, Quality]:
    """Return the figures of all ways and settings, by a name for each."""
    halves = {half: [one for _, asked in made for one in asked if one.half == half] for half in HALVES}
    found: dict[str, Quality] = {}
    for generation, (size, characters) in enumerate(SIZES.items(), start=1):
        count = fill(database, encoder, (one for one, _ in made), limits_of(characters, encoder), generation)
        found[f"tune: passages of {size} ({count})"] = quality(ask(database, encoder, halves["tune"]))
        if size != "400-1200":
            continue
        for weight in WEIGHTS:
            for constant in CONSTANTS:
                tuning = replace(USUAL, by_words=weight, constant=constant)
                name = f"tune: words {weight:g}, constant {constant}"
                found[name] = quality(ask(database, encoder, halves["tune"], tuning))
        for way, tuning in WAYS.items():
            for kind, figures in by_kind(ask(database, encoder, halves["report"], tuning)).items():
                found[f"report: {way}: {kind}"] = figures
    return found


def show(found: dict[str, Quality]) -> None:
    """Print a line for each setting and way."""
    report.print_machine()
    columns = ("half: way or setting", "questions", "nDCG@10", "right recording", "speaker", "seek error: p50", "p90")
    rows = [
        (
            name,
            str(one.questions),
            f"{one.ndcg:.3f}",
            f"{one.right_recording:.1%}",
            f"{one.right_speaker:.1%}",
            f"{one.seek_median_s:.2f} s",
            f"{one.seek_90_s:.2f} s",
        )
        for name, one in found.items()
    ]
    report.print_table(columns, rows)


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.search_quality", __doc__)
    parser.add_argument("--recordings", type=report.positive, default=30, help="made up (default %(default)s)")
    parser.add_argument("--facts", type=report.positive, default=60, help="in them, at most 60 (default %(default)s)")
    parser.add_argument("--speech", type=Path, metavar="FOLDER", help="also recordings of people, with a manifest")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where their transcripts are kept")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="of them those with this in their path")
    options = parser.parse_args()
    report.quiet()
    made = list(search_quality_set.archive(options.recordings, options.facts, options.seed))
    encoder = Encoder(BUNDLED, "cpu", 64)
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        if options.speech:
            from bench.search_quality_speech import transcripts  # loads the recognizer

            made += transcripts(options.speech, options.keep or Path(folder) / "transcripts", options.only)
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            with Database(
                SecretStr(server.url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench"
            ).open() as database:
                migrate(database)
                database.renew()
                found = measure(database, encoder, made)
        finally:
            server.stop()
    if options.json:
        report.print_json({name: asdict(one) for name, one in found.items()})
    else:
        show(found)


if __name__ == "__main__":
    main()
