"""Finds the words of each passage of a recording in its transcript on the volume, with their times and language.

A passage is made of consecutive words, or of those around an aside. Where its text is not that of its words (a very
long word was cut), the passage has no words; the search continues at the start of the next one.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.corrections import overlay
from ingest.shared.artifacts import asides, transcript, voiceprints
from ingest.shared.artifacts.transcript import INVENTED, Word, join
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.archive.reading import PassageRow
    from ingest.embedder.corrections.overlay import Overlay
    from ingest.shared.artifacts.transcript import Segment, Transcript, Turn
    from ingest.shared.artifacts.volume import Volume

DAMAGED = (Code.BAD_TRANSCRIPT, Code.BAD_VOICEPRINTS, Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH)


def stored(volume: Volume, video_id: str) -> Transcript | None:
    """Return the transcript of a recording; None when the volume has none.

    Raise ENV_VOLUME when the volume cannot be read, BAD_TRANSCRIPT for a damaged file.
    """
    path = volume.unverified(video_id, "transcript")
    return None if path is None else transcript.read(path)


def corrected(spoken: Transcript | None, turns: Sequence[Turn], said: Overlay) -> Transcript | None:
    """Return a transcript with what people have said about it, as the passages were built from it."""
    if spoken is None:
        return None
    present = overlay.present_turns(spoken, turns)
    return spoken.model_copy(update={"segments": overlay.apply(spoken, present, said).segments})


def turns_of(volume: Volume, video_id: str, spoken: Transcript | None) -> Sequence[Turn]:
    """Return the turns of a recording with their present names, which `ingest voices relabel` writes into voiceprints.

    Damaged or deleted voiceprints count as none.
    """
    manifest = volume.manifest(video_id, "voices")
    if manifest is not None:
        try:
            return voiceprints.read(volume.verified(manifest.artifact, patience_s=0)).turns
        except IngestError as error:
            if error.code not in DAMAGED:
                raise
    return (spoken.turns if spoken is not None else None) or ()


def words_of(passages: Sequence[PassageRow], spoken: Transcript | None) -> list[tuple[Word, ...]]:
    """Return the words of each passage."""
    if spoken is None:
        return [()] * len(passages)
    speech = asides.apart(_segments(spoken))
    rows = (_Row(_words(speech.segments)), _Row(_words(one for aside in speech.asides for one in aside)))
    return [_take(rows, passage) for passage in passages]


def languages_of(passages: Sequence[PassageRow], spoken: Transcript | None) -> list[str | None]:
    """Return the language of each passage: that of the segment in which it begins; None where it is not stored."""
    segments = [] if spoken is None else _segments(spoken)
    ends_s = [segment.end_s for segment in segments]
    at = [bisect.bisect_right(ends_s, passage.start_s) for passage in passages]
    return [segments[index].language if index < len(segments) else None for index in at]


def _segments(spoken: Transcript) -> list[Segment]:
    return [segment for segment in spoken.segments if INVENTED not in segment.flags]


def _words(segments: Iterable[Segment]) -> list[Word]:
    return [word for segment in segments for word in segment.words if word.text.strip()]


@dataclass
class _Row:
    """Words in order, and the index of the first one that no passage has yet."""

    words: Sequence[Word]
    at: int = 0

    def places(self, passage: PassageRow) -> Iterator[tuple[int, int]]:
        """Yield where the text of a passage is found: behind the last one, and from the start of the passage."""
        for at in (self.at, _next(self.words, self.at, passage.start_s)):
            end = _end(self.words, at, passage.text)
            if end is not None:
                yield at, end


def _take(rows: Iterable[_Row], passage: PassageRow) -> tuple[Word, ...]:
    """Return the words that have the text of a passage, and begin nearest to its start."""
    places = [(row, at, end) for row in rows for at, end in row.places(passage)]
    if not places:
        return ()
    row, at, end = min(places, key=lambda place: abs(place[0].words[place[1]].start_s - passage.start_s))
    row.at = end
    return tuple(row.words[at:end])


def _end(words: Sequence[Word], at: int, text: str) -> int | None:
    """Return the index after the words, from `at`, that have this text; None when they have another."""
    length, end = 0, at
    while end < len(words) and length < len(text):
        length += len(clean(words[end].text)) + (len(words[end].before) if end > at else 0)
        end += 1
    return end if end > at and clean(join(words[at:end])) == text else None


def _next(words: Sequence[Word], at: int, start_s: float) -> int:
    """Return the index of the first word, from `at`, that begins at `start_s` or later."""
    return next((index for index in range(at, len(words)) if words[index].start_s >= start_s), len(words))
