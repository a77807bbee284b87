"""Names by hand of real speakers, under another diarization: how much speech keeps its name, how much gets a wrong one.

Reads the recordings with several speakers of a folder with a `manifest.jsonl` (default: `../shared/speech`), with the
pipeline of INGEST_DIARIZATION_MODEL. Each speaker that it finds gets a name by hand, as `ingest voices name` gives it.
Then the recording is diarized again, from half a second on and with noise 30 dB below it, so that turns begin
elsewhere and clusters are others. A second counts where both runs have one speaker. `best possible`: if each of the new
clusters had the name that most of it had before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import report
from bench.citations import of_several
from bench.diarization import read as samples
from bench.real_speech_set import FOLDER, HALVES, chosen, read
from ingest.asr.device import device_of
from ingest.asr.settings import AsrSettings
from ingest.asr.speakers import build as speaker_models
from ingest.embedder.corrections import names
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.errors import ConfigurationError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.diarizer import Diarizer
    from ingest.shared.sandbox.decode import FloatArray

LATER_S = 0.5
NOISE = 10 ** (-30 / 20)
STEP_S = 0.1
LONGEST_S = 36_000.0


@dataclass(frozen=True)
class Figure:
    """What became of the names of a recording: statements that are placed, and seconds."""

    recording: str
    names: int
    placed: int
    right_s: float
    wrong_s: float
    unnamed_s: float
    possible_s: float


def turns(model: Diarizer, waveform: FloatArray, later_s: float = 0.0) -> list[Turn]:
    """Return the turns of a recording that begins later."""
    found = model.diarize(waveform, [])
    numbers = {name: number for number, name in enumerate(dict.fromkeys(one.speaker for one in found), start=1)}
    return [
        Turn(
            start_s=one.span.start_s + later_s,
            end_s=one.span.end_s + later_s,
            cluster=one.speaker,
            speaker=f"Unknown {numbers[one.speaker]}",
        )
        for one in found
    ]


def named(known: Sequence[Turn]) -> list[SpeakerStatement]:
    """Return what names each speaker."""
    made = []
    for number, speaker in enumerate(sorted({one.speaker for one in known}), start=1):
        others = tuple((one.start_s, one.end_s) for one in known if one.speaker != speaker)
        made.append(SpeakerStatement(number, "name", f"Person {number}", names.spans_of(known, speaker), others))
    return made


def heard(found: Sequence[Turn], length_s: float, *, clusters: bool = False) -> list[str | None]:
    """Return who speaks in each tenth of a second; None where none or several speak."""
    steps: list[set[str]] = [set() for _ in range(int(length_s / STEP_S) + 1)]
    for one in found:
        for step in range(int(one.start_s / STEP_S), min(len(steps), int(one.end_s / STEP_S))):
            steps[step].add(one.cluster if clusters else one.speaker)
    return [next(iter(step)) if len(step) == 1 else None for step in steps]


def measure(recording: str, model: Diarizer, waveform: FloatArray, draw: np.random.Generator) -> Figure:
    """Name the speakers of a recording, diarize it again, and compare."""
    length_s = len(waveform) / SAMPLE_RATE
    before = turns(model, waveform)
    said = named(before)
    loudness = float(np.sqrt(np.mean(waveform**2)))
    noise = draw.standard_normal(len(waveform), dtype=np.float32) * loudness * NOISE
    after = turns(model, (waveform + noise)[int(LATER_S * SAMPLE_RATE) :], LATER_S)
    done = names.apply(after, said)
    first = heard(names.apply(before, said).turns, length_s)
    pairs = list(zip(first, heard(done.turns, length_s), heard(after, length_s, clusters=True), strict=True))
    both = [(was, now, cluster) for was, now, cluster in pairs if was is not None and now is not None]
    shares = Counter((cluster, was) for was, _, cluster in both)
    best = Counter[str | None]()
    for (cluster, _), count in shares.items():
        best[cluster] = max(best[cluster], count)
    right = sum(was == now for was, now, _ in both)
    unnamed = sum(names.is_unknown(now) for _, now, _ in both)
    return Figure(
        recording,
        len(said),
        sum(one.state == "placed" for one in done.outcomes),
        *(round(count * STEP_S, 1) for count in (right, len(both) - right - unnamed, unnamed, best.total())),
    )


def main() -> None:
    """Run the benchmark."""
    parser = report.parser("bench.names_by_hand", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--half", choices=HALVES, default="report", help="default %(default)s")
    arguments = parser.parse_args()
    report.quiet()
    settings = load(AsrSettings)
    if settings.diarization_model is None:
        raise ConfigurationError("set INGEST_DIARIZATION_MODEL")
    model, draw = speaker_models.load(settings, device_of(settings.asr_device)), np.random.default_rng(arguments.seed)
    found = [
        measure(one.file, model, samples(arguments.folder / one.file, LONGEST_S), draw)
        for one in of_several(chosen(read(arguments.folder), arguments.half, None))
    ]
    if arguments.json:
        report.print_json([asdict(one) for one in found])
        return
    columns = ("recording", "names", "placed", "right", "wrong", "unnamed", "best possible")
    cells = [
        (
            *(one.recording, f"{one.names}", f"{one.placed}"),
            *(f"{seconds:.1f} s" for seconds in (one.right_s, one.wrong_s, one.unnamed_s, one.possible_s)),
        )
        for one in found
    ]
    report.print_table(columns, cells)
    print(
        f"{sum(one.placed for one in found)} of {sum(one.names for one in found)} names placed; seconds: "
        f"{sum(one.right_s for one in found):.1f} right, {sum(one.wrong_s for one in found):.1f} wrong, "
        f"{sum(one.unnamed_s for one in found):.1f} unnamed, {sum(one.possible_s for one in found):.1f} best possible"
    )


if __name__ == "__main__":
    main()
