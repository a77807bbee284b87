"""Builds segments from recognised words; flags likely hallucinations. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.recognition.invention import Evidence, is_invented
from ingest.asr.recognition.word_times.placement import place
from ingest.shared.artifacts import sentences
from ingest.shared.artifacts.transcript import INVENTED, Segment, Word, join
from ingest.shared.scripts import needs_blank
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.whisper import ChunkTranscript
    from ingest.asr.spans import Span

PAUSE_S = 1.0
LONGEST_SEGMENT_S = 20.0
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


def _unknown(_span: Span) -> list[Span]:
    return []


def build(
    pieces: Sequence[Piece],
    duration_s: float,
    language: str,
    silences: Callable[[Span], Sequence[Span]] = _unknown,
) -> SegmentList:
    """Return the segments of all pieces with times that ascend and lie inside the recording.

    `silences` returns the short silences in a span of it.
    """
    segments: list[Segment] = []
    fixed, floor_s, last = 0, 0.0, ""
    for piece in pieces:
        words, fixed_here = place(piece.transcript, piece.chunk, floor_s, duration_s, silences(piece.chunk.span))
        fixed += fixed_here
        if words:
            words[0] = _apart(words[0], last)
            floor_s, last = words[-1].end_s, words[-1].text
        segments += [_segment(group, piece, language) for group in split(words, piece.language or language)]
    cleaned = sum(clean(word.text) != word.text for piece in pieces for word in piece.transcript.words)
    return SegmentList(tuple(flag_loops(segments)), fixed, cleaned)


def _apart(word: Word, last: str) -> Word:
    """Return the first word of a chunk with a blank before it, if the script has blanks; `last` is the word before."""
    return word.model_copy(update={"before": " "}) if needs_blank(last, word.text) else word


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
