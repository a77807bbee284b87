"""Whether a vocabulary helps: recordings read without it, with it as a plain prompt, and with it as ingest does.

Reads recordings of a folder with a `manifest.jsonl` (default: `../shared/speech`) with the model of INGEST_ASR_MODEL,
or with the one that the folder's `prepare` makes. The vocabulary is the same for all (`--words FILE`, a text in each
line; default: names in the texts of that folder): most of it is never said in a recording.

    python -m bench.vocabulary --only asterisk_en/demo --only nonspeech

`without` is the recognizer alone, `prompt` all chunks of speech with the whole vocabulary as hotwords, `ingest` the asr
stage. All three read the same chunks in the language of the manifest.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from bench import real_speech_score as score
from bench import report
from bench.real_speech import model_of
from bench.real_speech_set import FOLDER, Recording, read
from ingest.asr import audio
from ingest.asr.recognition import chunks
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.recognition.first_reading import Reader
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.shared.artifacts.transcript import INVENTED, join
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ingest.asr.recognition.transcriber import Transcriber

WORDS = Path(__file__).with_name("vocabulary_words.txt")
WITHOUT, PROMPT, PRODUCT = "without", "prompt", "ingest"
DECODE_S = 120.0


@dataclass(frozen=True)
class Reading:
    """One way's text of a recording: wrong words, names that are right, and names that are not said."""

    text: str
    wrong: int
    right_names: int
    made_up: tuple[str, ...]
    took_s: float
    refused: int = 0


@dataclass(frozen=True)
class Figure:
    """The readings of a recording, by way; `names` are those of the vocabulary that its text has."""

    file: str
    words: int
    names: int
    readings: dict[str, Reading]


@dataclass(frozen=True)
class Bench:
    """Reads recordings in all ways."""

    folder: Path
    scratch: Path
    transcriber: Transcriber
    vocabulary: Sequence[str]

    def measure(self, recording: Recording) -> Figure:
        """Return the figures of a recording."""
        limits = ChildLimits(DECODE_S)
        waveform, _ = audio.load(self.folder / recording.file, self.scratch, DecodeLimits(), limits)
        sound = WholeSound(waveform, audio.find_speech(waveform))
        language = recording.language or "en"
        said = score.words(recording.text or "", language)
        made = {
            WITHOUT: self._read(sound, language, ()),
            PROMPT: self._prompted(sound, language),
            PRODUCT: self._read(sound, language, self.vocabulary),
        }
        names = sum(_count(said, score.words(text, language)) for text in self.vocabulary)
        return Figure(
            recording.file,
            len(said),
            names,
            {way: self._reading(recording, said, *one) for way, one in made.items()},
        )

    def _read(self, sound: WholeSound, language: str, vocabulary: Sequence[str]) -> tuple[str, float, int]:
        began = time.monotonic()
        found = self.transcriber.transcribe(sound, lambda _done_s: None, LanguageHint(given=language), vocabulary)
        text = join(one for one in found.segments if INVENTED not in one.flags)
        return text, time.monotonic() - began, sum(not one.is_taken for one in found.splices)

    def _prompted(self, sound: WholeSound, language: str) -> tuple[str, float, int]:
        began = time.monotonic()
        reader = Reader(self.transcriber.recognizer, self.transcriber.batcher, self.transcriber.time)
        hotwords = ", ".join(self.vocabulary)
        requests = (
            replace(reader.request(sound, part.span, language), hotwords=hotwords)
            for part in chunks.with_context(chunks.merge(sound.speech()))
        )
        text = " ".join(one.text for one in self.transcriber.batcher.map(requests))
        return text, time.monotonic() - began, 0

    def _reading(self, recording: Recording, said: Sequence[str], text: str, took_s: float, refused: int) -> Reading:
        language = recording.language or "en"
        written = score.words(text, language)
        right, made_up = 0, []
        for name in self.vocabulary:
            wanted = score.words(name, language)
            true, found = _count(said, wanted), _count(written, wanted)
            right += min(true, found)
            made_up += [name] * max(0, found - true)
        wrong = score.errors(said, written, inside=recording.is_inside)
        return Reading(text, wrong, right, tuple(made_up), took_s, refused)


def _count(words: Sequence[str], wanted: Sequence[str]) -> int:
    """Return how often some words have consecutive words."""
    return sum(list(words[at : at + len(wanted)]) == list(wanted) for at in range(len(words) - len(wanted) + 1))


def measured(wanted: argparse.Namespace) -> list[Figure]:
    """Return the figures of the chosen recordings: those whose text is known, and those without speech."""
    found = [
        one
        for one in read(wanted.folder)
        if (one.is_silent or one.text) and (not wanted.only or any(text in one.file for text in wanted.only))
    ]
    vocabulary = [line.strip() for line in wanted.words.read_text(encoding="utf-8").splitlines() if line.strip()]
    settings = load(AsrSettings, asr_model=model_of(wanted.folder), asr_device="cpu")
    transcriber = make_transcriber(settings)
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as scratch:
        bench = Bench(wanted.folder, Path(scratch), transcriber, vocabulary)
        try:
            return [bench.measure(one) for one in track(found, "recordings", console=Console(stderr=True))]
        finally:
            transcriber.batcher.close()


def rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield the figures of each way over all recordings."""
    words, names = sum(one.words for one in figures), sum(one.names for one in figures)
    for way in (WITHOUT, PROMPT, PRODUCT):
        made = [one.readings[way] for one in figures]
        wrong = sum(one.wrong for one in made)
        yield (
            way,
            f"{sum(one.right_names for one in made)} of {names}",
            str(sum(len(one.made_up) for one in made)),
            f"{wrong} of {words} ({wrong / max(1, words):.1%})",
            str(sum(one.refused for one in made)) if way == PRODUCT else "",
            f"{sum(one.took_s for one in made):.0f} s",
        )


def main() -> None:
    """Measure, and print the figures."""
    parser = report.parser("bench.vocabulary", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--only", action="append", metavar="TEXT", help="recordings whose path contains one of these")
    parser.add_argument("--words", type=Path, default=WORDS, help="a file with the vocabulary (default %(default)s)")
    wanted = parser.parse_args()
    report.quiet()
    figures = measured(wanted)
    if wanted.json:
        report.print_json([asdict(one) for one in figures])
        return
    report.print_machine()
    print(f"{len(figures)} recordings")
    columns = ("way", "names right", "names made up", "wrong words", "refused", "took")
    report.print_table(columns, rows(figures))
    for one in figures:
        for way, reading in one.readings.items():
            if reading.made_up:
                print(f"made up by {way} in {one.file}: {', '.join(sorted(set(reading.made_up)))}")


if __name__ == "__main__":
    main()
