"""Reads chunks again with the words of a vocabulary that they may contain; `splicing` decides what is taken from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.asr.recognition.vocabulary.splicing import splice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.recognition.first_reading import Reader
    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.vocabulary.likeness import Phrase, Phrases
    from ingest.asr.recognition.vocabulary.splicing import Splice
    from ingest.asr.sound import Sound

MOST_LETTERS = 200  # of a prompt: it takes its tokens from those of the answer


@dataclass(frozen=True)
class SplicedReading:
    """Pieces with words of the vocabulary, and what was taken and refused, with times in the recording."""

    pieces: list[Piece]
    splices: tuple[Splice, ...] = ()


def read_with(reader: Reader, sound: Sound, pieces: list[Piece], phrases: Phrases, language: str) -> SplicedReading:
    """Return pieces with the words of a vocabulary; those in which nothing sounds like one are not read again."""
    expected = {number: found for number, one in enumerate(pieces) if (found := expected_in(one, phrases))}
    requests = (
        replace(
            reader.request(sound, pieces[number].chunk.span, pieces[number].language or language),
            hotwords=", ".join(phrase.text for phrase in found),
        )
        for number, found in expected.items()
    )
    read = list(pieces)
    splices: list[Splice] = []
    for (number, found), second in zip(expected.items(), reader.batcher.map(requests), strict=True):
        piece = pieces[number]
        text, done = splice(piece.transcript, second, found)
        read[number] = replace(piece, transcript=text)
        offset_s = piece.chunk.span.start_s
        splices += [replace(one, start_s=offset_s + one.start_s, end_s=offset_s + one.end_s) for one in done]
    return SplicedReading(read, tuple(splices))


def expected_in(piece: Piece, phrases: Phrases) -> Sequence[Phrase]:
    """Return the phrases of a vocabulary that a piece may contain, as many as a prompt may have."""
    found: list[Phrase] = []
    letters = 0
    for phrase in phrases.like([word.text for word in piece.transcript.words]):
        letters += len(phrase.text) + 2
        if letters > MOST_LETTERS:
            break
        found.append(phrase)
    return found
