"""Corrections by people in a large archive: the dry run of `ingest correct --all`, and relabelling with names by hand.

The archive is that of `bench.relabel`: embedded Postgres with the real schema, voiceprints on a real volume, random
voices. In each video one of three speakers has a name by hand, which beats what the voice models say.
    dry runs      of a word that a part of the passages has, of one that nearly all have, of one that none has
    relabelling   `ingest voices relabel --all`: with the names by hand, and again without changes
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from bench import report
from bench.relabel import TURN_S, Round, fill, relabelled, settings_in
from bench.rows import make_rows
from ingest.cli.local.state_folder import open_connections
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.embedder.search import occurrences
from ingest.embedder.tables import corrections, speaker_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.local.state_folder import Connections

PAGE = 50  # places that the command shows
SPEAKERS = 3
TEXTS = (("harbor", "port"), ("the", "teh"), ("xylophonic", "metallic"))


def name_by_hand(to: Connections, videos: int, duration_s: float) -> None:
    """Give one speaker of each video a name."""
    count = max(1, int(duration_s / TURN_S))
    spans = [(number * TURN_S, (number + 1) * TURN_S) for number in range(count)]
    own, others = tuple(spans[::SPEAKERS]), tuple(one for at, one in enumerate(spans) if at % SPEAKERS)
    by = corrections.author("bench")
    for number in range(videos):
        said = SpeakerStatement(0, "name", f"Person {number % 100}", own, others, (), by.name)
        speaker_statements.add(to.database, f"{number:011}", said, by)


def places(to: Connections, texts: tuple[str, str]) -> tuple[str, float]:
    """Return what the dry run of a correction in all recordings finds, and the seconds that it takes."""
    began = monotonic()
    found = occurrences.page(to.database, texts, 0, PAGE)
    least = "" if found.is_whole else "at least "
    return f"{texts[0]}: {least}{found.places} places in {found.recordings} recordings", monotonic() - began


def measure(videos: int, passages: int, seed: int) -> tuple[list[tuple[str, float]], Sequence[Round]]:
    """Return the figures of dry runs, and of relabelling."""
    with (
        tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder,
        open_connections(settings_in(Path(folder))) as to,
    ):
        fill(to, videos, passages, seed)
        name_by_hand(to, videos, make_rows("", passages, seed).passages[-1].end_s)
        dry = [places(to, texts) for texts in TEXTS]
        return dry, [relabelled(to, "names by hand are new"), relabelled(to, "nothing changes")]


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.by_hand", __doc__)
    parser.add_argument("--videos", type=report.positive, default=10_000, help="videos (default %(default)s)")
    parser.add_argument("--passages", type=report.positive, default=20, help="passages of each (default %(default)s)")
    arguments = parser.parse_args()
    report.quiet()
    dry, rounds = measure(arguments.videos, arguments.passages, arguments.seed)
    if arguments.json:
        report.print_json({"dry_runs": dry, "relabelling": [vars(one) for one in rounds]})
        return
    report.print_machine()
    report.print_table(("dry run of correct --all", "took"), [(found, f"{took_s:.2f} s") for found, took_s in dry])
    cells = [(one.way, f"{one.videos}", f"{one.took_s:.1f} s", f"{one.per_thousand_s:.1f} s") for one in rounds]
    report.print_table(("relabelling", "videos", "took", "per thousand videos"), cells)


if __name__ == "__main__":
    main()
