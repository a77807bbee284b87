"""Words become segments with right times, and what looks invented is flagged. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts.transcript import Segment, Word
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.whisper import Recognised
    from ingest.asr.spans import Span

SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001 (the marks of other scripts)
PAUSE_S = 1.0
LONGEST_SEGMENT_S = 20.0
SHORTEST_WORD_S = 0.02
LOOP_LENGTH = 3
REPETITIVE = 2.4
SILENT = 0.8
FASTEST_CHARACTERS_A_SECOND = 40.0


@dataclass(frozen=True)
class Built:
    """The segments of a recording, and how many words had to be put right: in their times, in their text."""

    segments: tuple[Segment, ...]
    fixed: int
    cleaned: int


def build(
    chunks: Sequence[SpeechChunk], answers: Sequence[Recognised], refined: Sequence[bool], duration_s: float
) -> Built:
    """Return the segments of all chunks, their times in order and inside the recording."""
    segments: list[Segment] = []
    fixed, floor_s = 0, 0.0
    for chunk, answer, better in zip(chunks, answers, refined, strict=True):
        words, wrong = place(answer, chunk, floor_s, duration_s)
        fixed += wrong
        floor_s = words[-1].end_s if words else floor_s
        segments += [_segment(group, answer, refined=better) for group in split(words)]
    cleaned = sum(clean(heard.text) != heard.text for answer in answers for heard in answer.words)
    return Built(tuple(flag_loops(segments)), fixed, cleaned)


def place(answer: Recognised, chunk: SpeechChunk, floor_s: float, duration_s: float) -> tuple[list[Word], int]:
    """Return the words of a chunk in the time of the recording, and how many times were impossible.

    A word's end is drawn back to the end of the speech it began in: the alignment gives a pause to the word before it.
    """
    words, fixed = [], 0
    for heard in answer.words:
        start, end = chunk.span.start_s + heard.start_s, chunk.span.start_s + heard.end_s
        start, end = into_speech(start, end, chunk.speech)
        right_start = min(max(start, floor_s), duration_s)
        right_end = min(max(end, right_start), duration_s)
        fixed += heard.end_s < heard.start_s or (right_start, right_end) != (start, end)
        floor_s = right_end
        text = heard.text.strip()
        words.append(
            Word(start_s=round(right_start, 3), end_s=round(right_end, 3), text=text, probability=heard.probability)
        )
    return words, fixed


def into_speech(start_s: float, end_s: float, speech: Sequence[Span]) -> tuple[float, float]:
    """Return a word's times moved out of the silences between the spans of speech."""
    inside = next((span for span in speech if start_s < span.end_s - SHORTEST_WORD_S), speech[-1] if speech else None)
    if inside is None:
        return start_s, end_s
    start_s = max(start_s, inside.start_s)
    return start_s, max(start_s, min(end_s, inside.end_s))


def split(words: Sequence[Word]) -> list[list[Word]]:
    """Split words at sentence ends, at pauses, and where a segment would get longer than 20 s."""
    groups: list[list[Word]] = []
    for word in words:
        last = groups[-1] if groups else None
        if (
            last is None
            or last[-1].text.endswith(SENTENCE_ENDS)
            or word.start_s - last[-1].end_s > PAUSE_S
            or word.end_s - last[0].start_s > LONGEST_SEGMENT_S
        ):
            groups.append([word])
        else:
            last.append(word)
    return groups


def _segment(words: Sequence[Word], answer: Recognised, *, refined: bool) -> Segment:
    text = " ".join(word.text for word in words)
    length_s = words[-1].end_s - words[0].start_s
    flags = []
    if answer.compression_ratio >= REPETITIVE:
        flags.append("repetitive")
    if answer.no_speech_prob >= SILENT:
        flags.append("no_speech")
    if length_s > 0 and len(text) / length_s > FASTEST_CHARACTERS_A_SECOND:
        flags.append("too_fast")
    return Segment(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text=text,
        words=tuple(words),
        avg_logprob=round(answer.avg_logprob, 4),
        compression_ratio=round(answer.compression_ratio, 3),
        no_speech_prob=round(answer.no_speech_prob, 4),
        refined=refined,
        flags=tuple(flags),
    )


def flag_loops(segments: Iterable[Segment]) -> list[Segment]:
    """Flag runs of three or more segments with the same text: a recognizer's loop, or a person who repeats himself."""
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


def is_doubtful(answer: Recognised, *, logprob: float, compression: float, no_speech: float) -> bool:
    """Tell whether a chunk should be decoded again with more effort."""
    return bool(answer.words) and (
        answer.avg_logprob <= logprob or answer.compression_ratio >= compression or answer.no_speech_prob >= no_speech
    )


def better(first: Recognised, second: Recognised) -> Recognised:
    """Return the more probable of two readings of the same chunk.

    A repetitive reading loses against one that is not, and one without words against any.
    """
    if not second.words:
        return first
    if (first.compression_ratio >= REPETITIVE) != (second.compression_ratio >= REPETITIVE):
        return second if first.compression_ratio >= REPETITIVE else first
    return second if second.avg_logprob > first.avg_logprob else first
