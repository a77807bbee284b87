"""Real people, a real Whisper: wrong words, words that are missing or invented, languages, times and speakers.

Reads the recordings of a folder with a `manifest.jsonl` (default: `../shared/speech`), with the model that the folder's
`prepare` makes or with INGEST_ASR_MODEL, and beside it with the two ways of faster-whisper. With a pipeline
(INGEST_DIARIZATION_MODEL), speakers are compared, too.

A large folder is measured in parts: `--only` with `--json` prints the figures of a part, `--of` reads them again.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import track

from bench import real_speech_page, report
from bench import real_speech_score as score
from bench.real_speech_set import ALL, FOLDER, HALVES, Recording, chosen, read
from bench.real_speech_ways import PRODUCT, Bench, Figure, peers
from ingest.asr.device import device_of
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.recognition.sources import SourceLanguages
from ingest.asr.settings import AsrSettings
from ingest.asr.speakers import build as speaker_models
from ingest.shared.settings import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence


SHORTEST_S = 3.0  # of speech, for the share of right languages
SHORT_S = 2.0  # a recording of one short utterance
FIGURES = TypeAdapter(list[Figure])


def figures(
    folder: Path, recordings: Sequence[Recording], settings: AsrSettings, *, alone: bool, as_folders: bool = False
) -> Iterator[Figure]:
    """Yield the figures of each recording; `alone` leaves out the ways of faster-whisper."""
    with ExitStack() as held:
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory()))
        transcriber = make_transcriber(settings)
        held.callback(transcriber.batcher.close)
        others = {} if alone else peers(settings.asr_model, settings.asr_beam, settings.asr_cpu_threads)
        speakers = speaker_models.make(settings, device_of(settings.asr_device))
        bench = Bench(folder, scratch, transcriber, others, speakers, SourceLanguages() if as_folders else None)
        for recording in recordings:
            yield bench.measure(recording)


def print_words(measured: Sequence[Figure]) -> None:
    """Print the word error rates of all ways: of all recordings, of each language and of each folder."""
    spoken = [one for one in measured if one.words]
    ways = list(dict.fromkeys(name for one in spoken for name in one.readings))
    columns = ("words", "recordings", "spoken", *(f"{name} (95 %)" for name in ways), *(f"{name} RTF" for name in ways))
    groups = [(ALL, spoken), *_grouped(spoken, _language), *_grouped(spoken, lambda one: one.recording.group)]
    report.print_table(columns, (_word_row(name, group, ways) for name, group in groups))


def _word_row(name: str, group: Sequence[Figure], ways: Sequence[str]) -> tuple[str, ...]:
    total = sum(one.words for one in group)
    seconds = sum(one.recording.seconds for one in group)
    wrong = [sum(one.readings[way].wrong for one in group) for way in ways]
    ranges = [score.interval(count, total) for count in wrong]
    shares = [f"{count / total:.1%} ({low:.0%}-{high:.0%})" for count, (low, high) in zip(wrong, ranges, strict=True)]
    factors = (
        [sum(one.readings[way].took_s for one in group) / seconds for way in ways] if seconds else [0.0] * len(ways)
    )
    return name, str(len(group)), str(total), *shares, *(f"{factor:.2f}" for factor in factors)


def print_rest(measured: Sequence[Figure]) -> None:
    """Print what is no word error rate: a line for each figure."""
    long = [one for one in measured if one.recording.language and one.speech_s >= SHORTEST_S]
    right = sum(one.is_language_right for one in long)
    speech_s = sum(one.speech_s for one in measured if not one.recording.is_silent)
    unread_s = sum(one.unread_s for one in measured if not one.recording.is_silent)
    silent = [one for one in measured if one.recording.is_silent]
    rows = [
        ("right language (3 s of speech or more)", f"{right} of {len(long)}"),
        ("seconds of speech without words, flagged", f"{unread_s:.1f} of {speech_s:.1f}"),
        ("recordings without speech", str(len(silent))),
        ("searchable words in them", str(_count(one.searchable for one in silent))),
        ("the same without the list of phrases", str(_count(one.searchable_without_phrases for one in silent))),
        ("words flagged as invented in the others, of all", _flagged(measured)),
        ("recordings of at most 2 s whose words are searchable", _short(measured)),
        *_times(measured),
        *_speakers(measured),
    ]
    report.print_table(("figure", ""), rows)
    for one in long:
        if not one.is_language_right:
            print(f"  {one.recording.file}: {one.language} instead of {one.recording.language}")


def _flagged(measured: Sequence[Figure]) -> str:
    spoken = [one for one in measured if not one.recording.is_silent]
    written = _count((one.readings[PRODUCT].text,) for one in spoken)
    return f"{_count(one.invented for one in spoken)} of {written}"


def _short(measured: Sequence[Figure]) -> str:
    short = [one for one in measured if one.words and 0 < one.recording.seconds <= SHORT_S]
    return f"{sum(bool(one.readings[PRODUCT].text) and not one.invented for one in short)} of {len(short)}"


def _times(measured: Sequence[Figure]) -> Iterator[tuple[str, str]]:
    errors = sorted(error for one in measured for error in one.start_errors_s)
    if errors:
        absolute = sorted(map(abs, errors))
        middle, high = report.median(absolute), absolute[math.ceil(0.95 * len(absolute)) - 1]
        yield "first word of a turn: error of its start", f"median {middle * 1000:.0f} ms, 95 % {high * 1000:.0f} ms"
        yield "of these later than 0.2 s", f"{sum(error > 0.2 for error in errors)} of {len(errors)}"  # noqa: PLR2004 (in the label)


def _speakers(measured: Sequence[Figure]) -> Iterator[tuple[str, str]]:
    found = [one.diarization for one in measured if one.diarization]
    if found:
        wrong, total = (sum(one[name] for one in found) for name in ("wrong_s", "total_s"))
        words, right = (sum(one[name] for one in found) for name in ("words", "right_words"))
        same = sum(one["speakers"] == one["found"] for one in found)
        yield "diarization error rate (collar 0.25 s)", f"{wrong / max(total, 0.01):.1%}"
        yield "right number of speakers", f"{same} of {len(found)}"
        yield "words with the right speaker", f"{right:.0f} of {words:.0f}"


def _grouped(measured: Iterable[Figure], key: Callable[[Figure], str]) -> list[tuple[str, list[Figure]]]:
    groups: defaultdict[str, list[Figure]] = defaultdict(list)
    for one in measured:
        groups[key(one)].append(one)
    return sorted(groups.items())


def _language(figure: Figure) -> str:
    return figure.recording.language or "unknown"


def _count(texts: Iterable[Sequence[str]]) -> int:
    return sum(len(text.split()) for some in texts for text in some)


def model_of(folder: Path) -> str:
    """Return INGEST_ASR_MODEL, else the model that the program `prepare` of a folder makes."""
    named = os.environ.get("INGEST_ASR_MODEL")
    if named:
        return named
    made = subprocess.run([folder.resolve() / "prepare"], check=True, capture_output=True, text=True)  # noqa: S603 (of the user)
    return made.stdout.strip()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = report.parser("bench.real_speech", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument(
        "--subset", type=report.positive, metavar="N", help="the N shortest of each folder and language"
    )
    parser.add_argument("--half", choices=(*HALVES, ALL), default=ALL, help="settings are chosen on `tune` alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="recordings whose path contains this text")
    parser.add_argument("--alone", action="store_true", help="leave out the two ways of faster-whisper")
    parser.add_argument(
        "--as-folders",
        action="store_true",
        help="languages of a folder's recordings are evidence for the next, as in use",
    )
    parser.add_argument("--of", type=Path, nargs="+", default=(), metavar="FILE", help="measure nothing: read figures")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the differences and the audio")
    return parser.parse_args()


def measured_before(files: Iterable[Path], wanted: argparse.Namespace) -> list[Figure]:
    """Return the figures that files have, printed by `--json`, of the chosen recordings."""
    found = _merged(one for file in files for one in FIGURES.validate_python(json.loads(file.read_bytes())["figures"]))
    kept = set(_kept([one.recording for one in found], wanted))
    return [one for one in found if one.recording in kept]


def _merged(figures: Iterable[Figure]) -> list[Figure]:
    """Return the last figure of each recording; measured alone, it keeps the other ways of the one before."""
    last: dict[str, Figure] = {}
    for one in figures:
        before = last.get(one.recording.file, one)
        last[one.recording.file] = replace(one, readings=before.readings | one.readings)
    return list(last.values())


def measured_now(wanted: argparse.Namespace) -> list[Figure]:
    """Return the figures of the chosen recordings of a folder."""
    if not (wanted.folder / "manifest.jsonl").is_file():
        raise SystemExit(f"{wanted.folder} has no manifest.jsonl: name a folder with recordings by --folder")
    found = _kept(read(wanted.folder), wanted)
    settings = load(AsrSettings, asr_model=model_of(wanted.folder), asr_device="cpu")
    steps = figures(wanted.folder, found, settings, alone=wanted.alone, as_folders=wanted.as_folders)
    return list(track(steps, "recordings", len(found), console=Console(stderr=True)))


def _kept(recordings: Sequence[Recording], wanted: argparse.Namespace) -> list[Recording]:
    found = [one for one in chosen(recordings, wanted.half, wanted.subset) if wanted.only in one.file]
    if not found:
        raise SystemExit("no recording is left: leave out --only, or take --half all")
    return found


def main() -> None:
    """Measure, and print the figures."""
    wanted = arguments()
    report.quiet()
    measured = measured_before(wanted.of, wanted) if wanted.of else measured_now(wanted)
    if wanted.html:
        wanted.html.write_text(real_speech_page.page(measured, wanted.folder), encoding="utf-8")
    if wanted.json:
        report.print_json([asdict(one) for one in measured])
        return
    report.print_machine()
    print_words(measured)
    print()
    print_rest(measured)


if __name__ == "__main__":
    main()
