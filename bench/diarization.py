"""Diarization of recordings with known turns: the error rate and the time of three ways, side by side.

`ours` runs the voice network once over a recording, if it is one of WeSpeaker's. `by chunk` runs it once for each chunk
of ten seconds with speech. `stock` is the pipeline of pyannote.audio as it comes. A recording has its turns
beside it, in a file of the same name that ends in .rttm. The error rate is that of pyannote.metrics with a collar of
0.25 s, overlapped speech included. CPU seconds are those of the process: other processes do not show in them.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import report
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, FloatArray, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyannote.core import Annotation

COLLAR_S = 0.25  # total: half of it on each side of a boundary
TURNS = ".rttm"
WAYS = ("ours", "by chunk", "stock")


@dataclass(frozen=True)
class Figure:
    """The figures of one recording and one way, in seconds; `wrong_s` is missed, false and confused speech."""

    group: str
    recording: str
    way: str
    length_s: float
    speakers: int
    found: int
    speech_s: float
    wrong_s: float
    took_s: float
    cpu_s: float


def reference(path: Path, length_s: float) -> Annotation:
    """Return the turns of an RTTM file up to a second."""
    from pyannote.core import Annotation, Segment  # seconds of imports

    annotation = Annotation()
    for number, line in enumerate(path.read_text().splitlines()):
        fields = line.split()
        start_s = float(fields[3])
        end_s = min(start_s + float(fields[4]), length_s)
        if end_s > start_s:
            annotation[Segment(start_s, end_s), number] = fields[7]
    return annotation


def loaded(way: str, options: DiarizerOptions) -> Diarizer:
    """Return a diarizer that goes one of the ways."""
    made = Diarizer(options)
    if way != "ours":
        made.frames = None
    if way == "stock":
        del made.pipeline.get_embeddings, made.pipeline.reconstruct  # the methods of pyannote.audio remain
    return made


def read(path: Path, most_s: float) -> FloatArray:
    """Return the beginning of a recording."""
    blocks: list[FloatArray] = []
    decode(path, DecodeLimits(), lambda block: blocks.append(block.astype(np.float32)))
    return np.concatenate(blocks)[: int(most_s * SAMPLE_RATE)]


@dataclass(frozen=True)
class Difference:
    """How far found turns are from the true ones, in seconds, and the numbers of speakers."""

    speech_s: float
    wrong_s: float
    speakers: int
    found: int


def compared(turns: Path, found: Iterable[tuple[float, float, str]], length_s: float) -> Difference:
    """Compare turns (start, end, speaker) with those of a file."""
    from pyannote.core import Annotation, Segment, Timeline  # seconds of imports
    from pyannote.metrics.diarization import DiarizationErrorRate

    annotation = Annotation()
    for number, (start_s, end_s, speaker) in enumerate(found):
        annotation[Segment(start_s, end_s), number] = speaker
    true = reference(turns, length_s)
    part = DiarizationErrorRate(collar=COLLAR_S)(true, annotation, uem=Timeline([Segment(0, length_s)]), detailed=True)
    wrong_s = part["missed detection"] + part["false alarm"] + part["confusion"]
    return Difference(part["total"], wrong_s, len(true.labels()), len(annotation.labels()))


def measure(path: Path, waveform: FloatArray, way: str, diarizer: Diarizer) -> Figure:
    """Diarize a recording and compare it with its turns."""
    length_s = len(waveform) / SAMPLE_RATE
    wall, cpu = time.monotonic(), time.process_time()
    turns = diarizer.diarize(waveform, [])
    took_s, cpu_s = time.monotonic() - wall, time.process_time() - cpu
    found = [(turn.span.start_s, turn.span.end_s, turn.speaker) for turn in turns]
    part = compared(path.with_suffix(TURNS), found, length_s)
    return Figure(
        group=path.parent.name,
        recording=path.name,
        way=way,
        length_s=length_s,
        speakers=part.speakers,
        found=part.found,
        speech_s=part.speech_s,
        wrong_s=part.wrong_s,
        took_s=took_s,
        cpu_s=cpu_s,
    )


def recordings(given: list[Path]) -> list[Path]:
    """Return the given recordings, and those of the given folders that have a file with turns."""
    beside = [each for path in given if path.is_dir() for each in sorted(path.rglob(f"*{TURNS}"))]
    known = [other for turns in beside for other in sorted(turns.parent.glob(f"{turns.stem}.*")) if other != turns]
    return [path for path in given if path.is_file()] + known


def totals(figures: list[Figure]) -> list[tuple[str, ...]]:
    """Return a row for each group and way: error rate, right numbers of speakers, CPU and wall time, ratio to ours."""
    rows: list[tuple[str, ...]] = []
    for group, found in groupby(sorted(figures, key=lambda one: one.group), key=lambda one: one.group):
        members = list(found)
        ours_s = sum(one.cpu_s for one in members if one.way == "ours")
        for way in dict.fromkeys(one.way for one in members):
            of_way = [one for one in members if one.way == way]
            error = sum(one.wrong_s for one in of_way) / max(1e-9, sum(one.speech_s for one in of_way))
            minutes = sum(one.length_s for one in of_way) / 60
            cpu_s = sum(one.cpu_s for one in of_way)
            right = sum(one.found == one.speakers for one in of_way)
            rows.append(
                (
                    *(group, way, f"{minutes:.1f}", f"{error:.2%}", f"{right} of {len(of_way)}", f"{cpu_s:.1f} s"),
                    *(f"{sum(one.took_s for one in of_way):.1f} s", f"{cpu_s / ours_s:.1f}x" if ours_s else "-"),
                )
            )
    return rows


def beside(figures: list[Figure]) -> list[tuple[str, ...]]:
    """Return a row for each recording: the error rate of each way, and how many points ours is above the last one."""
    rows: list[tuple[str, ...]] = []
    for recording, found in groupby(figures, key=lambda one: (one.group, one.recording)):
        errors = {one.way: 100 * one.wrong_s / max(1e-9, one.speech_s) for one in found}
        above = f"{errors['ours'] - list(errors.values())[-1]:+.2f}" if "ours" in errors else "-"
        rows.append(("/".join(recording), *(f"{error:.2f} %" for error in errors.values()), above))
    return rows


def _line(one: Figure) -> str:
    return f"{one.recording} {one.way}: {one.wrong_s / max(1e-9, one.speech_s):.2%}, {one.cpu_s:.1f} s of CPU"


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.diarization", __doc__)
    parser.add_argument("recordings", nargs="+", type=Path, help="recordings, or folders with recordings and turns")
    parser.add_argument("--model", required=True, help="the pipeline: a folder, or a name on the hub")
    parser.add_argument("--seconds", type=float, default=180.0, help="of each recording (default %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["ours", "by chunk"], help="(default: %(default)s)")
    arguments = parser.parse_args()
    report.quiet()
    options = DiarizerOptions(arguments.model, "cpu", 16, 1800.0, 0.7)
    diarizers = {way: loaded(way, options) for way in arguments.ways}
    figures = []
    for path in recordings(arguments.recordings):
        waveform = read(path, arguments.seconds)
        for way, diarizer in diarizers.items():
            figures.append(measure(path, waveform, way, diarizer))
            print(_line(figures[-1]), file=sys.stderr, flush=True)
    if arguments.json:
        report.print_json([asdict(one) for one in figures])
        return
    report.print_machine()
    report.print_table(("recording", *diarizers, f"points above {arguments.ways[-1]}"), beside(figures))
    print()
    columns = ("group", "way", "minutes", "error", "speakers right", "CPU time", "wall time", "CPU of ours")
    report.print_table(columns, totals(figures))


if __name__ == "__main__":
    main()
