"""When words begin: the asr stage's and faster-whisper's times beside those of a forced alignment with the known text.

Reads English recordings of a folder with a `manifest.jsonl` (default: `../shared/speech`) with the model of
INGEST_ASR_MODEL, or with the one that the folder's `prepare` makes. The aligner is pocketsphinx with the English model
of its wheel, in an environment of its own:

    python3 -m venv aligner && aligner/bin/pip install pocketsphinx==5.1.1
    python -m bench.word_starts --aligner aligner/bin/python --only vctk/p225

A recording with a word that is not in the aligner's dictionary is left out. Words that both have are compared.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from faster_whisper import WhisperModel

from bench import report
from bench.real_speech import model_of
from bench.real_speech_set import FOLDER, Recording, read
from bench.real_speech_ways import PRODUCT
from ingest.asr import audio
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.transcriber import Transcriber

    Way = Callable[[Waveform], list["Start"]]

ALIGNER = Path(__file__).with_name("word_starts_aligner.py")
PEER = "faster-whisper"
LONGEST_S = 60.0
CLOSE_S = 0.06
FULL_SCALE = 32767


@dataclass(frozen=True)
class Start:
    """A word, without case and marks, and the second at which it begins."""

    word: str
    start_s: float


@dataclass(frozen=True)
class Figure:
    """A word of a recording, and how many seconds later than in the alignment a way lets it begin."""

    file: str
    way: str
    word: str
    late_s: float


def plain(text: str) -> list[str]:
    """Return the words of a text as the aligner's dictionary has them."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("\u2019", "'"))


def starts(words: Iterable[tuple[str, float]]) -> list[Start]:
    """Return the words of a reading; only the first of those that it wrote as one has a known start."""
    return [Start(parts[0], start_s) for text, start_s in words if (parts := plain(text))]


def compared(true: Sequence[Start], found: Sequence[Start]) -> Iterator[tuple[str, float]]:
    """Yield each word that both have, and how much later it begins in `found`."""
    matcher = SequenceMatcher(None, [one.word for one in true], [one.word for one in found], autojunk=False)
    for block in matcher.get_matching_blocks():
        for one, other in zip(true[block.a :][: block.size], found[block.b :][: block.size], strict=True):
            yield one.word, other.start_s - one.start_s


def aligned(python: Path, waveform: Waveform, words: Sequence[str], scratch: Path) -> list[Start] | None:
    """Return the words of a text by forced alignment; None, with a line on standard error, where that has none."""
    samples = scratch / "samples.raw"
    samples.write_bytes((waveform * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE).astype("<i2").tobytes())
    asked = json.dumps({"audio": str(samples), "words": words})
    done = subprocess.run([python, ALIGNER], input=asked, check=True, capture_output=True, text=True)  # noqa: S603 (of the user)
    found = json.loads(done.stdout)
    if "starts_s" not in found:
        print(f"  left out: the aligner has no {', '.join(found['unknown']) or 'alignment'}", file=sys.stderr)
        return None
    return [Start(word, start_s) for word, start_s in zip(words, found["starts_s"], strict=True)]


def ways(transcriber: Transcriber, model: str, threads: int) -> dict[str, Way]:
    """Return the readings that are compared, each with the same model."""
    loaded = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)

    def product(waveform: Waveform) -> list[Start]:
        speech = audio.find_speech(waveform)
        found = transcriber.transcribe(WholeSound(waveform, speech), lambda _done_s: None)
        return starts((word.text, word.start_s) for segment in found.segments for word in segment.words)

    def peer(waveform: Waveform) -> list[Start]:
        segments, _ = loaded.transcribe(waveform, language="en", word_timestamps=True)
        return starts((word.word, word.start) for segment in segments for word in segment.words or ())

    return {PRODUCT: product, PEER: peer}


def measured(folder: Path, recordings: Sequence[Recording], read_by: dict[str, Way], aligner: Path) -> Iterator[Figure]:
    """Yield the figures of each recording."""
    with tempfile.TemporaryDirectory() as made:
        for recording in recordings:
            print(recording.file, file=sys.stderr)
            waveform, _ = audio.load(folder / recording.file, Path(made), DecodeLimits(), ChildLimits(LONGEST_S))
            true = aligned(aligner, waveform, plain(recording.text or ""), Path(made))
            for name, way in read_by.items() if true else ():
                for word, late_s in compared(true or (), way(waveform)):
                    yield Figure(recording.file, name, word, late_s)


def rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each way."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for one in figures:
        groups[one.way].append(one.late_s)
    for name, late in groups.items():
        absolute = sorted(map(abs, late))
        high = absolute[math.ceil(0.95 * len(absolute)) - 1]
        close = sum(error <= CLOSE_S for error in absolute)
        milliseconds = (f"{value * 1000:.0f} ms" for value in (report.median(absolute), high, report.median(late)))
        yield name, str(len(late)), *milliseconds, f"{close / len(absolute):.0%}"


def main() -> None:
    """Measure, and print the figures."""
    parser = report.parser("bench.word_starts", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="recordings whose path contains one")
    parser.add_argument("--aligner", type=Path, required=True, help="Python of an environment with pocketsphinx")
    wanted = parser.parse_args()
    report.quiet()
    found = [
        one
        for one in read(wanted.folder)
        if one.language == "en" and one.text and not one.is_inside and any(text in one.file for text in wanted.only)
    ]
    settings = load(AsrSettings, asr_model=model_of(wanted.folder), asr_device="cpu")
    transcriber = make_transcriber(settings)
    try:
        read_by = ways(transcriber, settings.asr_model, settings.asr_cpu_threads)
        figures = list(measured(wanted.folder, found, read_by, wanted.aligner.absolute()))
    finally:
        transcriber.batcher.close()
    if wanted.json:
        report.print_json([asdict(one) for one in figures])
        return
    report.print_machine()
    columns = ("starts of words", "words", "error: median", "95 %", "late: median", "within 60 ms")
    report.print_table(columns, rows(figures))


if __name__ == "__main__":
    main()
