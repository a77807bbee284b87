"""Names of real voices: how much speech gets the right name, how much a wrong one, and the scores behind it.

Reads the recordings of a folder with a `manifest.jsonl` (default: `../shared/speech`) whose speaker is known, with the
pipeline of INGEST_DIARIZATION_MODEL and its thresholds. A voice with enough recordings is enrolled from the first ones
(30 s of speech) and looked for in the others. Voices with fewer recordings are strangers, and must stay Unknown. Each
recording is one speaker with a vector for every three seconds of speech; who speaks when is not part of the figures.
Settings are chosen on the half `tune` alone: `ingest voices calibrate` reads the recordings that `--list` prints.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import report
from bench.real_speech_set import ALL, FOLDER, HALVES, Recording, chosen, read
from ingest.asr import audio
from ingest.asr.settings import AsrSettings
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.matching import Thresholds, name_turns, scores
from ingest.asr.speakers.profiles import MIN_SPEECH_S, Profile
from ingest.asr.speakers.vectors import l2_normalize
from ingest.cli.voices.enroll import build_profile
from ingest.cli.voices.samples import EXCERPT_EVERY_S, MIN_EXCERPTS, VoiceSample
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.errors import IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, FloatArray, decode
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.speakers.diarizer import Diarizer

STRANGERS = "strangers"


@dataclass(frozen=True, eq=False)
class Sample:
    """A recording and its voice: vectors of excerpts, where these are, and the seconds of speech."""

    recording: Recording
    turns: tuple[Turn, ...]
    vectors: np.ndarray
    speech_s: float


@dataclass(frozen=True)
class Figure:
    """A trial: a recording, and the parts of its speech with a right and with a wrong name."""

    recording: Recording
    enrolled: bool
    speech_s: float
    right_s: float
    wrong_s: float
    own: float | None  # score of the mean vector
    other: float  # the highest one


def of_one_voice(recordings: Iterable[Recording]) -> list[Recording]:
    """Return the recordings in which one known person speaks."""
    return [one for one in recordings if one.speaker and not one.is_silent and one.rttm is None]


def sampled(folder: Path, recording: Recording, diarizer: Diarizer) -> Sample:
    """Return the voice of a recording, as it is read to enroll it."""
    blocks: list[FloatArray] = []
    decode(folder / recording.file, DecodeLimits(), lambda block: blocks.append(block.astype(np.float32)))
    waveform = np.concatenate(blocks)
    speech = audio.find_speech(waveform)
    spans = excerpts.spread(speech, EXCERPT_EVERY_S, MIN_EXCERPTS)
    cut = excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), waveform)
    vectors = diarizer.embed(waveform, cut)
    turns = tuple(
        Turn(
            start_s=one.start / SAMPLE_RATE,
            end_s=(one.start + one.count) / SAMPLE_RATE,
            cluster="S1",
            speaker="",
            vector=row,
        )
        for row, one in enumerate(cut)
    )
    return Sample(recording, turns, vectors, sum(span.duration_s for span in speech))


def divided(samples: Sequence[Sample], same_voice: float) -> tuple[list[Profile], list[Sample], list[str]]:
    """Return profiles, the samples that are left to be named, and why a voice could not be enrolled."""
    voices: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        voices[sample.recording.speaker or ""].append(sample)
    profiles, trials, refused = [], list[Sample](), list[str]()
    for name, members in voices.items():
        first = _enough(members)
        if len(first) == len(members):
            trials += members
            continue
        recorded = [VoiceSample(one.recording.file, "model", one.vectors, one.speech_s) for one in first]
        trials += members[len(first) :]
        try:
            profiles.append(build_profile(name, recorded, None, same_voice))
        except IngestError as error:
            refused.append(f"{name}: {error}")
    return profiles, trials, refused


def _enough(members: Sequence[Sample]) -> Sequence[Sample]:
    """Return the first samples with the speech that a profile needs."""
    total_s = 0.0
    for count, one in enumerate(members, 1):
        total_s += one.speech_s
        if total_s >= MIN_SPEECH_S:
            return members[:count]
    return members


def tried(sample: Sample, profiles: Sequence[Profile], thresholds: Thresholds) -> Figure:
    """Return which names the speech of a sample gets."""
    name = sample.recording.speaker
    named = name_turns(sample.turns, sample.vectors, profiles, thresholds)
    mean = l2_normalize(sample.vectors.mean(axis=0, keepdims=True))
    found = {one.name: float(scores(mean, l2_normalize(one.vectors))[0]) for one in profiles}
    known = {profile.name for profile in profiles}
    each_s = sample.speech_s / max(1, len(named))
    return Figure(
        recording=sample.recording,
        enrolled=name in found,
        speech_s=sample.speech_s,
        right_s=each_s * sum(turn.speaker == name for turn in named),
        wrong_s=each_s * sum(turn.speaker in known and turn.speaker != name for turn in named),
        own=found.get(name or ""),
        other=max((score for other, score in found.items() if other != name), default=0.0),
    )


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return a row for all enrolled voices, one for each folder of these, and those of the strangers."""
    enrolled = [one for one in figures if one.enrolled]
    strangers = [one for one in figures if not one.enrolled]
    groups = sorted({one.recording.group for one in enrolled})
    return [
        _row("enrolled voices", enrolled),
        *(_row(f"  {name}", [one for one in enrolled if one.recording.group == name]) for name in groups),
        _row(STRANGERS, strangers),
        _row("all", figures),
    ]


def _row(label: str, some: Sequence[Figure]) -> tuple[str, ...]:
    speech_s = sum(one.speech_s for one in some) or 1.0
    own = [one.own for one in some if one.own is not None]
    return (
        *(label, str(len({one.recording.speaker for one in some})), str(len(some)), f"{speech_s:.0f} s"),
        f"{sum(one.right_s for one in some) / speech_s:.1%}" if own else "-",
        f"{sum(one.wrong_s for one in some) / speech_s:.2%}",
        f"{min(own):.2f}, {np.median(own):.2f}" if own else "-",
        f"{np.median([one.other for one in some]):.2f}, {max(one.other for one in some):.2f}" if some else "-",
    )


def main() -> None:
    """Measure, and print the figures."""
    parser = report.parser("bench.real_names", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--half", choices=(*HALVES, ALL), default=ALL, help="thresholds are chosen on `tune` alone")
    parser.add_argument("--without", metavar="TEXT", help="leave out recordings whose path contains this text")
    parser.add_argument("--list", action="store_true", help="print NAME=FILE of each recording, and measure nothing")
    wanted = parser.parse_args()
    report.quiet()
    found = of_one_voice(chosen(read(wanted.folder), wanted.half, None))
    found = [one for one in found if not (wanted.without and wanted.without in one.file)]
    if wanted.list:
        print("\n".join(f"{one.speaker}={wanted.folder / one.file}" for one in found))
        return
    settings = load(AsrSettings, asr_device="cpu")
    diarizer, thresholds = speaker_models.load(settings, "cpu"), speaker_models.thresholds(settings)
    samples = [sampled(wanted.folder, one, diarizer) for one in found]
    profiles, trials, refused = divided([one for one in samples if len(one.vectors)], thresholds.same_voice)
    figures = [tried(one, profiles, thresholds) for one in trials]
    if wanted.json:
        report.print_json([asdict(one) for one in figures])
        return
    report.print_machine()
    print(f"{thresholds!r}; {len(profiles)} voices enrolled", *refused, sep="\n")
    columns = (
        "recordings of",
        "voices",
        "recordings",
        "speech",
        "right name",
        "wrong name",
        "own score (least, median)",
    )
    report.print_table((*columns, "best other score (median, greatest)"), rows(figures))


if __name__ == "__main__":
    main()
