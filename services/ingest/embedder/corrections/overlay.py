"""All that people have said about a recording, applied to its transcript. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.corrections import names, words
from ingest.shared.artifacts import attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.embedder.corrections.places import WordCorrection
    from ingest.shared.artifacts.transcript import Segment, Transcript, Turn


@dataclass(frozen=True)
class Overlay:
    """What people have said about a recording: right words, and speakers."""

    words: tuple[WordCorrection, ...] = ()
    speakers: tuple[SpeakerStatement, ...] = ()


@dataclass(frozen=True)
class OverlaidText:
    """Segments and turns as people have corrected them, and what became of each correction."""

    segments: tuple[Segment, ...]
    turns: tuple[Turn, ...]
    words: tuple[words.Outcome, ...]
    speakers: tuple[names.Outcome, ...]


def apply(content: Transcript, turns: Sequence[Turn], overlay: Overlay) -> OverlaidText:
    """Return a transcript with what people have said; `turns` have the present names of the voice models.

    Only where a speaker was corrected, words are joined with turns again: their names may have changed since.
    """
    text = words.apply(content.segments, overlay.words)
    named = names.apply(turns, overlay.speakers)
    segments = text.segments
    if overlay.speakers:
        segments = tuple(attribution.attribute(segments, sorted(named.turns, key=lambda turn: turn.start_s)))
    return OverlaidText(segments, named.turns, text.outcomes, named.outcomes)


def present_turns(content: Transcript, stored: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns of a transcript with the names of its voiceprints, unless these are of another run."""
    own = content.turns or ()
    is_same = len(own) == len(stored) and all(
        (one.start_s, one.end_s, one.cluster) == (other.start_s, other.end_s, other.cluster)
        for one, other in zip(own, stored, strict=True)
    )
    return stored if is_same else own
