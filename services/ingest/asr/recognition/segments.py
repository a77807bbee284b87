"""Builds segments from recognised words: corrects their times, flags likely hallucinations. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.recognition.invention import Evidence, is_invented
from ingest.asr.spans import PADDING_S
from ingest.shared.artifacts import sentences
from ingest.shared.artifacts.transcript import INVENTED, Segment, Word, join
from ingest.shared.scripts import needs_blank
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.whisper import ChunkTranscript
    from ingest.asr.spans import Span

PAUSE_S = 1.0
LONGEST_SEGMENT_S = 20.0
SHORTEST_WORD_S = 0.02
SHORTEST_PAUSE_S = 0.01  # between padded spans of speech; those without a pause share the padding
EARLY_S = 0.05  # that a first word begins before the sound which the detection found: never late
LATEST_S = 1.0  # behind that sound: before a later word is another sound, as a laugh
LOOP_LENGTH = 3
REPETITIVE = 2.4  # compression ratio
SILENT = 0.8  # probability of no speech
FASTEST_CHARACTERS_A_SECOND = 40.0


@dataclass(frozen=True)
class SegmentList:
    """The segments of a recording, and how many words had impossible times or unprintable characters."""

    segments: tuple[Segment, ...]
    fixed_times: int
    cleaned_words: int


def build(pieces: Sequence[Piece], duration_s: float, language: str) -> SegmentList:
    """Return the segments of all pieces with times that ascend and lie inside the recording."""
    segments: list[Segment] = []
    fixed, floor_s, last = 0, 0.0, ""
    for piece in pieces:
        words, fixed_here = place(piece.transcript, piece.chunk, floor_s, duration_s)
        fixed += fixed_here
        if words:
            words[0] = _apart(words[0], last)
            floor_s, last = words[-1].end_s, words[-1].text
        segments += [_segment(group, piece, language) for group in split(words, piece.language or language)]
    cleaned = sum(clean(word.text) != word.text for piece in pieces for word in piece.transcript.words)
    return SegmentList(tuple(flag_loops(segments)), fixed, cleaned)


def place(transcript: ChunkTranscript, chunk: SpeechChunk, floor_s: float, duration_s: float) -> tuple[list[Word], int]:
    """Return the words of a chunk with times in the recording, and how many words had impossible times.

    The blanks around a word are kept apart from its text, as the spacing before it and before the next word. The
    alignment adds a pause to the word before it. The end of such a word is moved to the end of its span of speech.
    The alignment of the first word behind a pause is off by tenths of a second: it begins where its speech begins.
    """
    words, fixed, blanks = [], 0, ""
    onsets = _onsets(chunk, floor_s)
    for chunk_word in transcript.words:
        start, end = chunk.span.start_s + chunk_word.start_s, chunk.span.start_s + chunk_word.end_s
        start, end = into_speech(start, end, chunk.speech)
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


def _apart(word: Word, last: str) -> Word:
    """Return the first word of a chunk with a blank before it, if the script has blanks; `last` is the word before."""
    return word.model_copy(update={"before": " "}) if needs_blank(last, word.text) else word


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


def split(words: Sequence[Word], language: str) -> list[list[Word]]:
    """Split words at sentence ends, at pauses, and where a segment would get longer than 20 s."""
    groups: list[list[Word]] = []
    for word, is_first in zip(words, [True, *sentences.ends(words, language)], strict=False):
        last = groups[-1] if groups else None
        if (
            last is None
            or is_first
            or word.start_s - last[-1].end_s > PAUSE_S
            or word.end_s - last[0].start_s > LONGEST_SEGMENT_S
        ):
            groups.append([word])
        else:
            last.append(word)
    return groups


def _segment(words: Sequence[Word], piece: Piece, language: str) -> Segment:
    text, transcript = join(words), piece.transcript
    length_s = words[-1].end_s - words[0].start_s
    flags = []
    if transcript.compression_ratio >= REPETITIVE:
        flags.append("repetitive")
    if transcript.no_speech_prob >= SILENT:
        flags.append("no_speech")
    if length_s > 0 and len(text) / length_s > FASTEST_CHARACTERS_A_SECOND:
        flags.append("too_fast")
    if is_invented(Evidence(text, transcript.avg_logprob, transcript.no_speech_prob, piece.chunk.speech_s)):
        flags.append(INVENTED)
    return Segment(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text=text,
        words=tuple(words),
        avg_logprob=round(transcript.avg_logprob, 4),
        compression_ratio=round(transcript.compression_ratio, 3),
        no_speech_prob=round(transcript.no_speech_prob, 4),
        refined=piece.refined,
        language=piece.language if piece.language != language else None,
        flags=tuple(flags),
    )


def flag_loops(segments: Iterable[Segment]) -> list[Segment]:
    """Flag runs of three or more segments with the same text: usually a loop of the recognizer."""
    runs: list[list[Segment]] = []
    for segment in segments:
        if runs and runs[-1][0].text.casefold() == segment.text.casefold():
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [
        segment.model_copy(update={"flags": (*segment.flags, "loop")}) if len(run) >= LOOP_LENGTH else segment
        for run in runs
        for segment in run
    ]


def is_doubtful(transcript: ChunkTranscript, *, logprob: float, compression: float, no_speech: float) -> bool:
    """Whether a chunk should be decoded again by the second pass."""
    is_improbable = transcript.avg_logprob <= logprob or transcript.no_speech_prob >= no_speech
    return bool(transcript.words) and (is_improbable or transcript.compression_ratio >= compression)


def better(first: ChunkTranscript, second: ChunkTranscript) -> ChunkTranscript:
    """Return the more probable of two transcripts of the same chunk.

    A repetitive transcript is replaced by one that is not repetitive. One without words replaces none.
    """
    if not second.words:
        return first
    if (first.compression_ratio >= REPETITIVE) != (second.compression_ratio >= REPETITIVE):
        return second if first.compression_ratio >= REPETITIVE else first
    return second if second.avg_logprob > first.avg_logprob else first
