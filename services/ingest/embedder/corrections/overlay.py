"""All that people have said about a recording, applied to its transcript. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.corrections import names, vocabulary, words
from ingest.shared.artifacts import attribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.embedder.corrections.places import WordCorrection
    from ingest.embedder.corrections.vocabulary import Replacement
    from ingest.embedder.corrections.words import CorrectedText
    from ingest.shared.artifacts.transcript import Segment, Transcript, Turn


@dataclass(frozen=True)
class Overlay:
    """What people have said about a recording: right words, speakers, and what the vocabulary replaces in it."""

    words: tuple[WordCorrection, ...] = ()
    speakers: tuple[SpeakerStatement, ...] = ()
    vocabulary: tuple[Replacement, ...] = ()


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
    text = words_of(content.segments, overlay)
    named = names.apply(turns, overlay.speakers)
    segments = text.segments
    if overlay.speakers:
        segments = tuple(attribution.attribute(segments, sorted(named.turns, key=lambda turn: turn.start_s)))
    return OverlaidText(segments, named.turns, text.outcomes, named.outcomes)


def words_of(segments: Iterable[Segment], overlay: Overlay) -> CorrectedText:
    """Return segments with the words that people have corrected."""
    return words.apply(vocabulary.apply(segments, overlay.vocabulary).segments, overlay.words)


def present_turns(content: Transcript, stored: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns of a transcript with the names of its voiceprints, unless these are of another run."""
    own = content.turns or ()
    is_same = len(own) == len(stored) and all(
        (one.start_s, one.end_s, one.cluster) == (other.start_s, other.end_s, other.cluster)
        for one, other in zip(own, stored, strict=True)
    )
    return stored if is_same else own
