"""Speaker identification: diarization and naming error rates on conversations of voices that no model was trained with.

Conversations of 2 to 4 synthetic speakers, 3 to 10 minutes, with pauses, overlapped speech and noise, take the way of
the service: voice activity, diarization, one embedding for each turn, names. Every second speaker is enrolled, from a
recording of his own. Needs the synthesizers (Debian: apt-get install espeak-ng flite).
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from bench import report
from ingest.asr import audio
from ingest.asr.settings import AsrSettings
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.asr.speakers.identifier import SpeakerIdentifier
from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.demo import VOICE_MODEL, voice_model_sha256
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.settings import load
from training.conversations import Conversation, Speaker, converse, speaking, unseen_speakers

if TYPE_CHECKING:
    from ingest.shared.artifacts.voiceprints import Voiceprints

COLLAR_S = 0.25  # total: half of it on each side of a boundary
STEP_S = 0.01
ENROLLING_S = 60.0


@dataclass(frozen=True)
class Figure:
    """The figures of one conversation; shares are of the reference speech."""

    minutes: float
    speakers: int
    found: int
    error: float
    confusion: float
    missed: float
    false_alarm: float
    named_right: float  # of the enrolled speakers' speech
    false_accepts: float  # of all speech
    unknown_strangers: float  # of the speech without a profile


def reference(conversation: Conversation) -> Annotation:
    """Return the true turns."""
    annotation = Annotation()
    for number, turn in enumerate(conversation.utterances):
        annotation[Segment(turn.start_s, turn.end_s), number] = str(turn.speaker)
    return annotation


def hypothesis(found: Voiceprints) -> Annotation:
    """Return the found turns."""
    annotation = Annotation()
    for number, turn in enumerate(found.turns):
        annotation[Segment(turn.start_s, turn.end_s), number] = turn.cluster
    return annotation


def naming(conversation: Conversation, found: Voiceprints, names: dict[int, str]) -> tuple[float, float, float]:
    """Return three shares: enrolled speech with its name, all speech with another name, unenrolled speech without one.

    Counted in steps of 10 ms where one person speaks, outside of the collars.
    """
    steps = int(len(conversation.samples) / SAMPLE_RATE / STEP_S)
    speaker, busy = np.full(steps, -1), np.zeros(steps, dtype=int)
    scored = np.ones(steps, dtype=bool)
    for turn in conversation.utterances:
        first, last = int(turn.start_s / STEP_S), int(turn.end_s / STEP_S)
        speaker[first:last] = turn.speaker
        busy[first:last] += 1
        for edge_s in (turn.start_s, turn.end_s):
            scored[max(0, int((edge_s - COLLAR_S / 2) / STEP_S)) : int((edge_s + COLLAR_S / 2) / STEP_S)] = False
    scored &= busy == 1
    named: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {
        name: np.zeros(steps, dtype=bool) for name in names.values()
    }
    for found_turn in found.turns:
        if found_turn.speaker in named:
            named[found_turn.speaker][int(found_turn.start_s / STEP_S) : int(found_turn.end_s / STEP_S)] = True
    right = sum(int((named[name] & scored & (speaker == number)).sum()) for number, name in names.items())
    wrong = np.zeros(steps, dtype=bool)
    for number, name in names.items():
        wrong |= named[name] & scored & (speaker != number)
    enrolled = scored & np.isin(speaker, list(names))
    strangers = scored & ~np.isin(speaker, list(names))
    return (
        right / max(1, int(enrolled.sum())),
        int(wrong.sum()) / max(1, int(scored.sum())),
        1 - int((wrong & strangers).sum()) / max(1, int(strangers.sum())),
    )


def measure(conversation: Conversation, found: Voiceprints, names: dict[int, str]) -> Figure:
    """Return the figures of one conversation."""
    metric = DiarizationErrorRate(collar=COLLAR_S)
    length_s = len(conversation.samples) / SAMPLE_RATE
    part = metric(reference(conversation), hypothesis(found), uem=Timeline([Segment(0, length_s)]), detailed=True)
    right, wrong, unknown = naming(conversation, found, names)
    present = {turn.speaker for turn in conversation.utterances}
    return Figure(
        minutes=length_s / 60,
        speakers=len(present),
        found=len({turn.cluster for turn in found.turns}),
        error=part["diarization error rate"],
        confusion=part["confusion"] / part["total"],
        missed=part["missed detection"] / part["total"],
        false_alarm=part["false alarm"] / part["total"],
        named_right=right if present & set(names) else float("nan"),
        false_accepts=wrong,
        unknown_strangers=unknown if present - set(names) else float("nan"),
    )


def enroll(diarizer: Diarizer, profiles: Profiles, speakers: list[Speaker], rng: random.Random) -> dict[int, str]:
    """Enroll every second speaker from a separate recording; return the names by number."""
    names = {}
    for number in range(0, len(speakers), 2):
        alone = converse(speaking(speakers, rng), [number], rng, ENROLLING_S).samples
        spans = excerpts.spread(audio.find_speech(alone), 3.0, 3)
        vectors = diarizer.embed(alone, excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), alone))
        names[number] = profiles.keep(Profile(f"Speaker {number}", 1, diarizer.key, vectors)).name
    return names


def figures(count: int, seed: int) -> list[Figure]:
    """Return the figures of `count` conversations."""
    diarizer = Diarizer(DiarizerOptions(str(VOICE_MODEL), "cpu", 32, 1800.0, 0.7, sha256=voice_model_sha256()))
    thresholds = speaker_models.thresholds(load(AsrSettings, diarization_model=str(VOICE_MODEL)))
    rng = random.Random(seed)
    speakers = unseen_speakers()
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        profiles = Profiles(Path(folder))
        names = enroll(diarizer, profiles, speakers, rng)
        identifier = SpeakerIdentifier(diarizer, profiles, thresholds)
        for number in range(count):
            present = rng.sample(range(len(speakers)), 2 + number % 3)
            conversation = converse(speaking(speakers, rng), present, rng, rng.uniform(180, 600))
            found = identifier.identify("abcdefghijk", conversation.samples, audio.find_speech(conversation.samples))
            enrolled = {number: name for number, name in names.items() if number in present}
            measured.append(measure(conversation, found, enrolled))
    return measured


def weighted(measured: list[Figure], name: str) -> float:
    """Return the mean of a figure, weighted by the length of the conversations; missing figures are skipped."""
    rows = [(getattr(one, name), one.minutes) for one in measured if not np.isnan(getattr(one, name))]
    return float(np.average([value for value, _ in rows], weights=[minutes for _, minutes in rows])) if rows else 0.0


def print_figures(measured: list[Figure]) -> None:
    """Print a line for each conversation and one for all."""
    shares = ("error", "confusion", "missed", "false_alarm", "named_right", "false_accepts", "unknown_strangers")
    columns = ("minutes", "speakers", "found", *(name.replace("_", " ") for name in shares))

    def cell(value: float) -> str:
        return "-" if np.isnan(value) else f"{value:.2%}"

    rows = [
        (f"{one.minutes:.1f}", str(one.speakers), str(one.found), *(cell(getattr(one, name)) for name in shares))
        for one in measured
    ]
    right = sum(one.found == one.speakers for one in measured) / len(measured)
    minutes = sum(one.minutes for one in measured)
    rows.append((f"{minutes:.1f}", "all", f"{right:.0%} right", *(cell(weighted(measured, name)) for name in shares)))
    report.print_table(columns, rows)


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.speakers", __doc__)
    parser.add_argument("--conversations", type=report.positive, default=15, help="how many (default %(default)s)")
    arguments = parser.parse_args()
    report.quiet()
    measured = figures(arguments.conversations, arguments.seed)
    if arguments.json:
        report.print_json([asdict(one) for one in measured])
        return
    report.print_machine()
    print_figures(measured)


if __name__ == "__main__":
    main()
