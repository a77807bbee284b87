"""The product beside what others would use, on the same recordings with the same weights, in one run.

Words: the asr stage (with the language given, and finding it), faster-whisper one window after another, its batched
pipeline, and WhisperX. Speakers: the asr stage's diarization, and the pipeline of pyannote.audio as it comes. Rows:
COPY and INSERT. Vectors: shared batches, and one call of the model for each recording. Each way of words and of
speakers has a process of its own, whose memory is shown; models are loaded before. Ways are taken in turn, round by
round.

WhisperX and pyannote.audio come from an environment of their own:

    python3.11 -m venv peers && peers/bin/pip install --no-deps --require-hashes -r bench/peers.lock
    python -m bench.peers --python peers/bin/python

Without `--python`, WhisperX is left out, and pyannote.audio is that of the product's environment.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import copy_rows, peers_vectors, report
from bench.peers_process import Process
from bench.peers_set import GROUPS, groups, job, wrong_turns, wrong_words
from bench.real_speech import model_of
from bench.real_speech_set import FOLDER, Recording, read

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    Compare = Callable[[Sequence[Recording], Sequence[Any]], tuple[float, float]]

BATCH = 8  # of the batched ways of others
WORDS, TURNS, ROWS, VECTORS = PARTS = ("words", "speakers", "rows", "vectors")


@dataclass(frozen=True)
class Figure:
    """What one way took for a group of recordings in a round; `wrong` of `total` are words, or seconds of speech."""

    group: str
    way: str
    wrong: float
    total: float
    took_s: float
    cpu_s: float
    memory: int


def word_ways(options: argparse.Namespace) -> dict[str, Process]:
    """Return the processes that recognise words; the first is the one that others are compared with."""
    common = {"model": model_of(options.folder), "beam": options.beam, "threads": options.threads}
    made = {
        "ingest": Process("ingest", {**common, "is_given": True}),
        "ingest, finding the language": Process("ingest", {**common, "is_given": False}),
        "faster-whisper": Process("faster_whisper", {**common, "batch": 0}),
        "faster-whisper, batched": Process("faster_whisper", {**common, "batch": BATCH}),
    }
    if options.python:
        made["WhisperX, no times of words"] = Process("whisperx", {**common, "batch": BATCH}, options.python)
    return made


def speaker_ways(options: argparse.Namespace) -> dict[str, Process]:
    """Return the processes that find speakers."""
    common = {"pipeline": str(options.pipeline or options.folder / "models/diarization"), "threads": options.threads}
    return {"ingest": Process("speakers", common), "pyannote.audio": Process("pyannote", common, options.python)}


def measured(
    ways: dict[str, Process],
    chosen: dict[str, list[Recording]],
    rounds: int,
    jobs: Callable[[Recording], object],
    compare: Compare,
) -> Iterator[Figure]:
    """Yield the figures of all ways, in turn."""
    with ExitStack() as running:
        started = {name: running.enter_context(way) for name, way in ways.items()}
        for _ in range(rounds):
            for group, recordings in chosen.items():
                for name, way in started.items():
                    answer = way.ask([jobs(one) for one in recordings])
                    wrong, total = compare(recordings, answer["found"])
                    yield Figure(group, name, wrong, total, answer["took_s"], answer["cpu_s"], answer["memory"])


def rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each group and way: the medians of the rounds, and the ratios to the first way."""
    sets: defaultdict[str, defaultdict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    for one in figures:
        sets[one.group][one.way].append(one)
    for group, ways in sets.items():
        base = next(iter(ways.values()))
        for way, each in ways.items():
            yield (
                *(group, way, f"{100 * each[0].wrong / max(each[0].total, 1e-9):.2f} %"),
                f"{report.median(one.took_s for one in each):.1f} s",
                f"{report.median(one.cpu_s for one in each):.1f} s",
                report.ratios([one.took_s for one in each], [one.took_s for one in base]),
                report.ratios([one.cpu_s for one in each], [one.cpu_s for one in base]),
                f"{max(one.memory for one in each) / 1e6:.0f} MB",
            )


def speech(options: argparse.Namespace, part: str, scratch: Path) -> tuple[dict[str, list[Recording]], list[Figure]]:
    """Return the recordings of a part (words or speakers) by group, and its figures."""
    found = read(options.folder)
    usable = [one for one in found if (one.text and one.language if part == WORDS else one.rttm)]
    chosen = {name: some for name, some in groups(usable, options.seconds).items() if name in options.groups}
    ways = word_ways(options) if part == WORDS else speaker_ways(options)
    compare = wrong_words if part == WORDS else partial(wrong_turns, options.folder)
    jobs = partial(job, folder=options.folder, scratch=scratch)
    return chosen, list(measured(ways, chosen, options.rounds, jobs, compare))


def print_speech(part: str, chosen: dict[str, list[Recording]], figures: Sequence[Figure]) -> None:
    """Print the table of words or of speakers."""
    for name, some in chosen.items():
        print(f"{part}, {name}: {len(some)} recordings, {sum(one.seconds for one in some) / 60:.1f} minutes")
    error = "WER" if part == WORDS else "DER"
    report.print_table(("group", "way", error, "wall", "CPU", "wall, x", "CPU, x", "memory"), rows(figures))
    print()


def print_vectors(options: argparse.Namespace) -> None:
    """Measure and print the table of vectors."""
    taken = peers_vectors.measured(options.texts, options.rounds, options.seed)
    base = taken[peers_vectors.OURS]
    print(f"vectors of {options.texts} made-up recordings of 1 to {peers_vectors.MOST_PASSAGES} passages")
    report.print_table(
        ("way", "wall, x", "CPU, x"),
        (
            (name, *(report.ratios([one[kind] for one in each], [one[kind] for one in base]) for kind in (0, 1)))
            for name, each in taken.items()
        ),
    )
    print()


def _options() -> argparse.Namespace:
    parser = report.parser("bench.peers", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--pipeline", type=Path, help="for speakers (default: models/diarization of the folder)")
    parser.add_argument("--python", type=Path, help="Python of the environment of bench/peers.lock")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="(default: all)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of recordings in a group (default %(default)s)")
    parser.add_argument("--texts", type=report.positive, default=100, help="recordings for vectors (%(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="default %(default)s")
    parser.add_argument("--beam", type=report.positive, default=5, help="default %(default)s")
    parser.add_argument("--threads", type=report.positive, default=os.cpu_count(), help="default %(default)s")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as scratch:
        spoken = {part: speech(options, part, Path(scratch)) for part in (WORDS, TURNS) if part in options.parts}
    if options.json:
        report.print_json({part: [asdict(one) for one in figures] for part, (_, figures) in spoken.items()})
        return
    report.print_machine()
    print(f"medians of {options.rounds} rounds, taken in turn; x: times as much as the first way\n")
    for part, (chosen, figures) in spoken.items():
        print_speech(part, chosen, figures)
    if VECTORS in options.parts:
        print_vectors(options)
    if ROWS in options.parts:
        amount = copy_rows.Amount(rounds=options.rounds, seed=options.seed)
        copy_rows.print_ways(amount, copy_rows.measured(amount)[0])


if __name__ == "__main__":
    main()
