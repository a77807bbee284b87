"""Gives the words of a chunk their times in the recording: inside of its speech, behind silences, in order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.spans import PADDING_S, Span
from ingest.shared.artifacts.transcript import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.whisper import ChunkTranscript

SHORTEST_WORD_S = 0.02
SHORTEST_PAUSE_S = 0.01  # between padded spans of speech; those without a pause share the padding
EARLY_S = 0.05  # that a first word begins before the sound which the detection found: never late
LATEST_S = 1.0  # behind that sound: before a later word is another sound, as a laugh
SHORTEST_SOUND_S = 0.06  # behind a silence within a word; less is the beginning of the next word
SOFT_S = 0.1  # that a word may begin within a silence: as an `f` does, which is hardly louder


def place(
    transcript: ChunkTranscript, chunk: SpeechChunk, floor_s: float, duration_s: float, silences: Sequence[Span] = ()
) -> tuple[list[Word], int]:
    """Return the words of a chunk with times in the recording, and how many words had impossible times.

    The blanks around a word are kept apart from its text, as the spacing before it and before the next word. The
    alignment adds a pause to the word before it. The end of such a word is moved to the end of its span of speech. The
    alignment adds a short silence, with the end of the word before it, to the word behind it. The start of such a word
    is moved behind the silence. The alignment of the first word behind a pause is off by tenths of a second: it begins
    where its speech begins.
    """
    words, fixed, blanks = [], 0, ""
    onsets = _onsets(chunk, floor_s)
    for chunk_word in transcript.words:
        start, end = chunk.span.start_s + chunk_word.start_s, chunk.span.start_s + chunk_word.end_s
        start, end = into_speech(behind_silence(start, end, silences), end, chunk.speech)
        start = first_start(start, end, onsets)
        right_start = min(max(start, floor_s), duration_s)
        right_end = min(max(end, right_start), duration_s)
        fixed += chunk_word.end_s < chunk_word.start_s or (right_start, right_end) != (start, end)
        floor_s = right_end
        text = chunk_word.text.lstrip()
        is_apart = bool(blanks) or text != chunk_word.text
        blanks = text[len(text.rstrip()) :]
        words.append(
            Word(
                start_s=round(right_start, 3),
                end_s=round(right_end, 3),
                before=" " if is_apart else "",
                text=text.rstrip(),
                probability=chunk_word.probability,
            )
        )
    return words, fixed


def behind_silence(start_s: float, end_s: float, silences: Sequence[Span]) -> float:
    """Return the start of a word, moved behind the last silence in it, if the word may be what sounds there."""
    for silence in reversed(silences):
        if silence.end_s > start_s and end_s - silence.end_s >= SHORTEST_SOUND_S:
            return max(start_s, silence.end_s - SOFT_S)
    return start_s


def into_speech(start_s: float, end_s: float, speech: Sequence[Span]) -> tuple[float, float]:
    """Return the times of a word, moved out of the silences between the spans of speech."""
    inside = next((span for span in speech if start_s < span.end_s - SHORTEST_WORD_S), speech[-1] if speech else None)
    if inside is None:
        return start_s, end_s
    start_s = max(start_s, inside.start_s)
    return start_s, max(start_s, min(end_s, inside.end_s))


@dataclass(frozen=True)
class Onset:
    """A span of speech behind a pause, and where the first word in it begins."""

    speech: Span
    start_s: float


def _onsets(chunk: SpeechChunk, floor_s: float) -> list[Onset]:
    """Return the onsets in a chunk, without those before the end of the last word."""
    ends_s = [chunk.span.start_s, *(span.end_s for span in chunk.speech)]
    return [
        Onset(span, span.start_s + PADDING_S - EARLY_S)
        for end_s, span in zip(ends_s, chunk.speech, strict=False)
        if span.start_s - end_s >= SHORTEST_PAUSE_S and span.start_s >= floor_s
    ]


def first_start(start_s: float, end_s: float, onsets: list[Onset]) -> float:
    """Return the start of a word: of the first one behind a pause, the onset of its speech.

    It is that of a short sound before, if this has no word: the alignment has put the word behind it. Onsets up to the
    word are removed from `onsets`.
    """
    while onsets and start_s > onsets[0].start_s + LATEST_S:
        del onsets[0]
    passed = [onset for onset in onsets if onset.speech.start_s <= start_s]
    del onsets[: len(passed)]
    return min(passed[0].start_s, max(start_s, end_s - EARLY_S)) if passed else start_s
