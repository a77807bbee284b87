"""The voice of a single turn beside that of its speaker, and beside strangers: the limit that `ingest verify` sets.

Reads the recordings of a folder with a `manifest.jsonl` (default: `../shared/speech`) of which is known who speaks
when, with the voice network of INGEST_DIARIZATION_MODEL. A turn is compared, as a citation is, with the mean of all
turns of its speaker in the recording, with those of the other speakers there, and with those of other recordings. No
words are recognised.

`LEAST` in `ingest.cli.quotes.voice` is chosen on the half `tune`; the half `report` shows what it achieves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import report
from bench.citations import of_several
from bench.real_speech_set import FOLDER, HALVES, Recording, chosen, read, turns
from ingest.asr.device import device_of
from ingest.asr.settings import AsrSettings
from ingest.asr.spans import Span
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers.vectors import l2_normalize
from ingest.cli.quotes.listener import voice_vectors
from ingest.cli.quotes.voice import LEAST
from ingest.shared.sandbox.decode import DecodeLimits, FloatArray, decode
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.identifier import VoiceModel

SHORTEST_S, LONGEST_S = 2.0, 20.0  # of a turn: a citation is about a sentence or a few
LIMITS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True, eq=False)
class SpokenTurn:
    """A turn: its recording, its speaker, and its mean vector."""

    recording: str
    speaker: str
    vector: FloatArray


@dataclass(frozen=True)
class Likeness:
    """The similarity of a turn to its speaker, to the most similar other one there, and to that of other recordings."""

    own: float
    other: float | None
    stranger: float | None


def spoken(folder: Path, recording: Recording, model: VoiceModel) -> list[SpokenTurn]:
    """Return the turns of a recording that are long enough, with their vectors."""
    blocks: list[FloatArray] = []
    decode(folder / recording.file, DecodeLimits(), lambda block: blocks.append(block.astype(np.float32)))
    known = [(span, name) for span, name in turns(folder / (recording.rttm or "")) if span.duration_s >= SHORTEST_S]
    parts = [Span(span.start_s, min(span.end_s, span.start_s + LONGEST_S)) for span, _ in known]
    vectors = voice_vectors(model, np.concatenate(blocks), parts)
    return [
        SpokenTurn(recording.file, name, l2_normalize(found.sum(axis=0, keepdims=True)))
        for (_, name), found in zip(known, vectors, strict=True)
        if len(found)
    ]


def compared(found: Sequence[SpokenTurn]) -> list[Likeness]:
    """Return the similarities of each turn of a speaker with several."""
    voices: dict[tuple[str, str], list[FloatArray]] = {}
    for one in found:
        voices.setdefault((one.recording, one.speaker), []).append(one.vector)
    means = {key: l2_normalize(np.concatenate(own).sum(axis=0, keepdims=True)) for key, own in voices.items()}
    likenesses = []
    for one in found:
        scores = {key: float((one.vector @ mean.T)[0, 0]) for key, mean in means.items()}
        own = scores.pop((one.recording, one.speaker))
        if len(voices[one.recording, one.speaker]) > 1:  # else it is compared with itself
            others = [score for (file, _), score in scores.items() if file == one.recording]
            strangers = [
                score for (file, name), score in scores.items() if file != one.recording and name != one.speaker
            ]
            likenesses.append(Likeness(own, max(others, default=None), max(strangers, default=None)))
    return likenesses


def print_tables(found: Sequence[Likeness], limit: float) -> None:
    """Print the similarities, and what each limit would refuse and let pass."""
    own = [one.own for one in found]
    others = [one.other for one in found if one.other is not None]
    strangers = [one.stranger for one in found if one.stranger is not None]
    groups = (("its speaker", own), ("nearest other speaker there", others), ("nearest of other recordings", strangers))
    shares = (0, 0.01, 0.05, 0.5, 0.95, 0.99, 1)
    report.print_table(
        ("similarity of a turn to", "turns", "least", "1 %", "5 %", "median", "95 %", "99 %", "most"),
        [
            (name, str(len(some)), *(f"{np.quantile(some, share):.3f}" for share in shares))
            for name, some in groups
            if some
        ],
    )
    rows = [
        (
            f"{one:.2f}" + (" (as it is)" if abs(one - limit) < 0.005 else ""),  # noqa: PLR2004 (half of what is shown)
            f"{sum(score < one for score in own)} of {len(own)}",
            f"{sum(score >= one for score in strangers)} of {len(strangers)}",
        )
        for one in sorted({*LIMITS, limit})
    ]
    report.print_table(("limit", "true turns refused", "nearest strangers let pass"), rows)


def main() -> None:
    """Run the benchmark."""
    parser = report.parser("bench.citation_voices", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with manifest.jsonl (default %(default)s)")
    parser.add_argument("--half", choices=HALVES, default="report", help="default %(default)s")
    chosen_by = parser.parse_args()
    report.quiet()
    settings = load(AsrSettings)
    model = speaker_models.load(settings, device_of(settings.asr_device))
    recordings = of_several(chosen(read(chosen_by.folder), chosen_by.half, None))
    found = compared([turn for one in recordings for turn in spoken(chosen_by.folder, one, model)])
    if chosen_by.json:
        report.print_json([asdict(one) for one in found])
        return
    limit = LEAST * speaker_models.thresholds(settings).split_accept
    print(f"half {chosen_by.half}: {len(recordings)} recordings, {len(found)} turns; the limit is {limit:.3f}")
    print_tables(found, limit)


if __name__ == "__main__":
    main()
