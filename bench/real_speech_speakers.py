"""The speakers of a recording against its true turns: error rate, number, and words with the right speaker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.spans import Span
    from ingest.shared.artifacts import transcript
    from ingest.shared.artifacts.transcript import Turn

COLLAR_S = 0.25


def compare(
    true: Sequence[tuple[Span, str]], found: Sequence[Turn], segments: Iterable[transcript.Segment], duration_s: float
) -> dict[str, float]:
    """Return seconds of speech and of errors, both numbers of speakers, and the words with the right speaker."""
    from pyannote.core import Annotation, Segment, Timeline  # seconds of imports
    from pyannote.metrics.diarization import DiarizationErrorRate

    reference, hypothesis = Annotation(), Annotation()
    for number, (span, speaker) in enumerate(true):
        reference[Segment(span.start_s, span.end_s), number] = speaker
    for number, turn in enumerate(found):
        hypothesis[Segment(turn.start_s, turn.end_s), number] = turn.cluster
    metric = DiarizationErrorRate(collar=COLLAR_S)
    part = metric(reference, hypothesis, uem=Timeline([Segment(0, duration_s)]), detailed=True)
    right, total = _right_words(true, segments)
    return {
        "total_s": part["total"],
        "wrong_s": part["confusion"] + part["missed detection"] + part["false alarm"],
        "speakers": len({speaker for _, speaker in true}),
        "found": len({turn.cluster for turn in found}),
        "words": total,
        "right_words": right,
    }


def _right_words(true: Sequence[tuple[Span, str]], segments: Iterable[transcript.Segment]) -> tuple[int, int]:
    """Return how many words have the right speaker, and how many lie in the turn of exactly one.

    A speaker that was found is the true one with whom most of its words are shared.
    """
    shared: Counter[tuple[str | None, str]] = Counter()
    for segment in segments:
        for word in segment.words:
            middle_s = (word.start_s + word.end_s) / 2
            present = {speaker for span, speaker in true if span.start_s <= middle_s <= span.end_s}
            if len(present) == 1:
                shared[segment.speaker, present.pop()] += 1
    right, taken = 0, set[str]()
    known: set[str | None] = {None}
    for (name, speaker), count in shared.most_common():
        if name not in known and speaker not in taken:
            right += count
            known.add(name)
            taken.add(speaker)
    return right, shared.total()
