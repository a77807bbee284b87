"""Nothing that was said is left out in silence: gaps and doubtful text are read again, the rest is reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.asr.recognition.chunks import SpeechChunk, merge
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.rereading import read_again
from ingest.asr.recognition.unread import SHORTEST_UNREAD_S
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord
from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORD_S = 0.5


@dataclass
class Reader:
    """A recognizer that finds a word in each half second of speech, and stops after some of them.

    `figures` are those of every later reading.
    """

    stops_after: int = 1000
    figures: dict[str, float] = field(default_factory=dict)
    asked: list[Span] = field(default_factory=list)

    def __call__(self, chunks: Sequence[tuple[SpeechChunk, str | None]]) -> Iterator[ChunkTranscript]:
        for chunk, _ in chunks:
            self.asked.append(chunk.span)
            yield ChunkTranscript(words=tuple(self.words(chunk)[: self.stops_after]), **self.figures)  # type: ignore[arg-type]

    def words(self, chunk: SpeechChunk) -> list[ChunkWord]:
        starts = [
            span.start_s + number * WORD_S for span in chunk.speech for number in range(int(span.duration_s / WORD_S))
        ]
        at_s = chunk.span.start_s
        return [ChunkWord(start - at_s, start - at_s + WORD_S, f" {start:.1f}", 0.9) for start in starts]


def spoken(*spans: tuple[float, float]) -> SpeechChunk:
    speech = tuple(Span(*span) for span in spans)
    return SpeechChunk(Span(speech[0].start_s, speech[-1].end_s), speech)


def words(*said: tuple[float, float, str], **figures: float) -> ChunkTranscript:
    return ChunkTranscript(words=tuple(ChunkWord(*word, 0.9) for word in said), **figures)  # type: ignore[arg-type]


def texts(pieces: Sequence[Piece]) -> list[str]:
    return [word.text.strip() for piece in pieces for word in piece.transcript.words]


CHUNK = spoken((10.0, 14.0), (15.0, 20.0))
ALL = Reader().words(CHUNK)


def test_a_chunk_with_words_for_all_of_its_speech_is_read_once() -> None:
    reader = Reader()
    read = read_again([Piece(CHUNK, next(reader([(CHUNK, None)])))], reader)
    assert (len(reader.asked), read.chunks, read.unread) == (1, 0, ())


def test_speech_behind_the_last_word_is_read_from_there() -> None:
    reader = Reader()
    first = ChunkTranscript(words=tuple(ALL[:3]))
    read = read_again([Piece(CHUNK, first)], reader)
    assert reader.asked == [Span(11.5, 20.0)]
    assert texts(read.pieces) == [word.text.strip() for word in ALL]
    assert read.unread == ()


def test_a_reading_that_stops_again_is_continued_and_the_rest_is_reported() -> None:
    reader = Reader(stops_after=3)
    first = ChunkTranscript(words=tuple(ALL[:3]))
    read = read_again([Piece(CHUNK, first)], reader)
    assert reader.asked == [Span(11.5, 20.0), Span(13.0, 20.0)]
    assert len(texts(read.pieces)) == 9
    assert read.unread == (Span(15.5, 20.0),)


def test_a_word_that_was_stretched_over_speech_is_read_again_with_it() -> None:
    first = words((0.0, 0.4, " Good"), (0.4, 7.9, " evening."), (8.0, 10.0, " Bye."))
    read = read_again([Piece(CHUNK, first)], Reader())
    assert texts(read.pieces)[0] == "Good"
    assert texts(read.pieces)[1] == "10.4"
    assert texts(read.pieces)[-1] == "Bye."
    assert "evening." not in texts(read.pieces)


def test_a_slow_word_and_a_pause_are_no_gaps() -> None:
    reader = Reader()
    slow = words((0.0, 3.0, " Wooow"), (3.0, 4.0, " so"), (5.0, 10.0, " electroencephalographically"))
    assert read_again([Piece(CHUNK, slow)], reader).chunks == 0


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({"avg_logprob": -1.1}, id="improbable"),
        pytest.param({"no_speech_prob": 0.7}, id="no speech"),
        pytest.param({"compression_ratio": 2.4}, id="repeated"),
    ],
)
def test_what_a_later_reading_is_likely_to_invent_is_not_kept_but_reported(figures: dict[str, float]) -> None:
    reader = Reader(figures=figures)
    first = words((0.0, 3.9, " Goodbye, then, and thank you all."))
    read = read_again([Piece(CHUNK, first)], reader)
    assert texts(read.pieces) == ["Goodbye, then, and thank you all."]
    assert read.unread == (Span(15.0, 20.0),)


def test_a_chunk_without_words_is_read_in_two_parts() -> None:
    reader = Reader()
    read = read_again([Piece(CHUNK, ChunkTranscript())], reader)
    assert reader.asked == [Span(10.0, 14.0), Span(15.0, 20.0)]
    assert len(texts(read.pieces)) == len(ALL)


def test_a_chunk_without_words_and_pauses_is_reported() -> None:
    chunk = spoken((0.0, 5.0))
    reader = Reader()
    read = read_again([Piece(chunk, ChunkTranscript())], reader)
    assert (reader.asked, read.unread) == ([], (Span(0.0, 5.0),))


LOOP = words(*[(index * 0.5, index * 0.5 + 0.5, " again") for index in range(20)], compression_ratio=5.0)
IMPROBABLE = words(*[(index * 0.5, index * 0.5 + 0.5, " hm") for index in range(20)], avg_logprob=-1.2)


@pytest.mark.parametrize("doubtful", [pytest.param(LOOP, id="repeated"), pytest.param(IMPROBABLE, id="improbable")])
def test_doubtful_text_is_read_in_two_parts(doubtful: ChunkTranscript) -> None:
    assert len(texts(read_again([Piece(CHUNK, doubtful)], Reader()).pieces)) == len(ALL)


@pytest.mark.parametrize("doubtful", [pytest.param(LOOP, id="repeated"), pytest.param(IMPROBABLE, id="improbable")])
def test_doubtful_text_is_kept_where_no_reading_is_better(doubtful: ChunkTranscript) -> None:
    read = read_again([Piece(CHUNK, doubtful)], Reader(figures={"avg_logprob": -1.3}))
    assert texts(read.pieces) == [word.text.strip() for word in doubtful.words]
    assert read.unread == ()


def test_words_around_a_gap_stay_in_place() -> None:
    first = ChunkTranscript(words=(*ALL[:2], *ALL[12:]))
    read = read_again([Piece(CHUNK, first)], Reader())
    assert texts(read.pieces) == [word.text.strip() for word in ALL]


lengths = st.lists(st.tuples(st.floats(0.1, 3), st.integers(1, 20)), min_size=1, max_size=8)


@settings(max_examples=60)
@given(lengths=lengths, left_out=st.tuples(st.integers(0, 60), st.integers(0, 60)), stops_after=st.integers(0, 60))
def test_every_word_is_read_or_reported_or_too_short_to_miss(
    lengths: list[tuple[float, int]], left_out: tuple[int, int], stops_after: int
) -> None:
    spans, at = [], 0.0
    for pause_s, count in lengths:
        spans.append(Span(at + pause_s, at + pause_s + count * WORD_S + 1e-6))
        at = spans[-1].end_s
    chunks = list(merge(spans))
    reader = Reader(stops_after=stops_after)
    said = [reader.words(chunk) for chunk in chunks]
    first = [ChunkTranscript(words=(*some[: left_out[0]], *some[sum(left_out) :])) for some in said]
    read = read_again([Piece(*one) for one in zip(chunks, first, strict=True)], reader)
    starts = [piece.chunk.span.start_s + word.start_s for piece in read.pieces for word in piece.transcript.words]
    assert starts == sorted(starts)
    missing = 0.0
    for chunk, some in zip(chunks, said, strict=True):
        for start_s in (chunk.span.start_s + word.start_s for word in some):
            is_there = any(abs(start_s - found) < WORD_S for found in starts)
            is_told = any(span.start_s - WORD_S < start_s < span.end_s for span in read.unread)
            missing = 0.0 if is_there or is_told else missing + WORD_S
            assert missing < SHORTEST_UNREAD_S + WORD_S
        missing = 0.0
