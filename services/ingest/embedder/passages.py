"""Merges segments into passages: the units of search, each with one speaker. Pure.

Consecutive segments are merged until a passage is long enough. Passages are cut at sentence ends; their times are those
of the words (without word times, each word gets an equal share of its segment). Only segments with the flag INVENTED
are left out: repeated text stays repeated. A short word of another speaker ("Mhm.") does not divide a passage: it is a
passage of its own, behind the one in which it was said. No passage has more tokens than the embedding model reads.
Lengths are those of Latin letters: a passage in Chinese has a third of the letters, and takes as long to say.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.shared import scripts
from ingest.shared.artifacts import asides, sentences
from ingest.shared.artifacts.transcript import INVENTED, join, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.shared.artifacts.transcript import Segment, Word


@dataclass(frozen=True)
class PassageLimits:
    """Lengths of passages in Latin letters, seconds, and tokens of the embedding model."""

    min_chars: int
    max_chars: int
    max_gap_s: float
    max_s: float
    max_tokens: int


@dataclass(frozen=True)
class Sentence:
    """A part of a segment that is not cut further; its quality figures are those of the segment."""

    start_s: float
    end_s: float
    before: str
    text: str
    segment: Segment


@dataclass(frozen=True)
class Passage:
    """A text with its times; without a language, in that of the recording. `named_by` has named its speaker by hand.

    `offsets` (characters) and `starts_s` (seconds) are the beginnings of its sentences. `also_speaking` are those who
    speak at the same time.
    """

    index: int
    start_s: float
    end_s: float
    text: str
    speaker: str | None
    speaker_score: float | None
    is_overlap: bool
    offsets: tuple[int, ...]
    starts_s: tuple[float, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    refined: bool
    flags: tuple[str, ...]
    language: str | None = None
    named_by: str | None = None
    also_speaking: tuple[str, ...] = ()


def build(
    segments: Iterable[Segment], language: str, limits: PassageLimits, count_tokens: Callable[[str], int]
) -> list[Passage]:
    """Return the passages of a transcript, in the order of their starts."""
    speech = asides.apart(segment for segment in segments if INVENTED not in segment.flags)
    stretches = [
        list(_together(_sentences(stretch, language, limits, count_tokens), limits, count_tokens))
        for stretch in (speech.segments, *speech.asides)
    ]
    return [
        _passage(index, together)
        for index, together in enumerate(heapq.merge(*stretches, key=lambda together: together[0].start_s))
    ]


def inside(passages: Sequence[Passage], duration_s: float) -> tuple[list[Passage], int]:
    """Return passages with their times limited to the recording, and the number of those that were changed."""
    limited = [
        replace(
            passage,
            start_s=min(passage.start_s, duration_s),
            end_s=min(passage.end_s, duration_s),
            starts_s=tuple(min(start_s, duration_s) for start_s in passage.starts_s),
        )
        for passage in passages
    ]
    return limited, sum(new != old for new, old in zip(limited, passages, strict=True))


def _together(
    sentences: Iterable[Sentence], limits: PassageLimits, count_tokens: Callable[[str], int]
) -> Iterator[list[Sentence]]:
    """Yield the sentences of each passage."""
    together: list[Sentence] = []
    for sentence in sentences:
        if together and not _belongs(sentence, together, limits, count_tokens):
            yield together
            together = []
        together.append(sentence)
    if together:
        yield together


def _belongs(
    sentence: Sentence, together: Sequence[Sentence], limits: PassageLimits, count_tokens: Callable[[str], int]
) -> bool:
    joined = join([*together, sentence])
    return (
        sentence.segment.speaker == together[0].segment.speaker
        and sentence.segment.language == together[0].segment.language
        and scripts.length(join(together)) < limits.min_chars
        and scripts.length(joined) <= limits.max_chars
        and sentence.start_s - together[-1].end_s <= limits.max_gap_s
        and sentence.end_s - together[0].start_s <= limits.max_s
        and count_tokens(joined) <= limits.max_tokens
    )


def _sentences(
    segments: Iterable[Segment], language: str, limits: PassageLimits, count_tokens: Callable[[str], int]
) -> Iterator[Sentence]:
    for segment in segments:
        words = [word for word in segment.words if word.text.strip()]
        for sentence in sentences.split(
            words or spread(segment.text, segment.start_s, segment.end_s), segment.language or language
        ):
            for piece in _fitting(sentence, limits, count_tokens):
                yield Sentence(piece[0].start_s, piece[-1].end_s, piece[0].before, join(piece), segment)


def _fitting(
    words: Sequence[Word], limits: PassageLimits, count_tokens: Callable[[str], int]
) -> Iterator[Sequence[Word]]:
    """Yield a sentence, or its halves (and theirs) when it is longer than a passage may be."""
    text = join(words)
    fits = scripts.length(text) <= limits.max_chars and count_tokens(text) <= limits.max_tokens
    if fits and words[-1].end_s - words[0].start_s <= limits.max_s:
        yield words
    elif len(words) > 1:
        middle = len(words) // 2
        yield from _fitting(words[:middle], limits, count_tokens)
        yield from _fitting(words[middle:], limits, count_tokens)
    elif fits:
        yield words  # one word that took longer than a passage may
    else:
        word = words[0]
        middle = len(word.text) // 2
        for part in ({"text": word.text[:middle]}, {"before": "", "text": word.text[middle:]}):
            yield from _fitting([word.model_copy(update=part)], limits, count_tokens)


def _passage(index: int, together: Sequence[Sentence]) -> Passage:
    text, offsets = together[0].text, [0]
    for sentence in together[1:]:
        offsets.append(len(text) + len(sentence.before))
        text += sentence.before + sentence.text
    quality = [sentence.segment for sentence in together]
    return Passage(
        index=index,
        start_s=together[0].start_s,
        end_s=together[-1].end_s,
        text=text,
        speaker=quality[0].speaker,
        speaker_score=min((item.speaker_score for item in quality if item.speaker_score is not None), default=None),
        is_overlap=any(segment.is_overlap for segment in quality),
        offsets=tuple(offsets),
        starts_s=tuple(sentence.start_s for sentence in together),
        avg_logprob=min(segment.avg_logprob for segment in quality),
        compression_ratio=max(segment.compression_ratio for segment in quality),
        no_speech_prob=max(segment.no_speech_prob for segment in quality),
        refined=any(segment.refined for segment in quality),
        flags=tuple(sorted({flag for segment in quality for flag in segment.flags})),
        language=quality[0].language,
    )
