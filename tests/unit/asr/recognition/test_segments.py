"""Segments from words: times ascend and lie inside the recording, likely hallucinations are flagged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.asr.recognition.chunks import SpeechChunk, merge
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.segments import (
    LONGEST_SEGMENT_S,
    better,
    build,
    flag_loops,
    is_doubtful,
    split,
)
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord, _chunk_transcript
from ingest.asr.spans import Span
from ingest.shared.artifacts.transcript import Segment, Word, join

CHUNK = SpeechChunk(Span(10.0, 20.0), (Span(10.0, 14.0), Span(16.0, 20.0)))


def chunk(*words: tuple[float, float, str], **figures: float) -> ChunkTranscript:
    chunk_words = tuple(ChunkWord(start, end, text, 0.9) for start, end, text in words)
    return ChunkTranscript(text=" ".join(word.text for word in chunk_words), words=chunk_words, **figures)  # type: ignore[arg-type]


def timed(*words: tuple[float, float, str]) -> list[Word]:
    return [Word(start_s=start, end_s=end, text=text, probability=0.9) for start, end, text in words]


garbage_times = st.floats(-100, 1000) | st.sampled_from([0.0, 30.0, float("inf"), -float("inf")])
garbage = st.lists(
    st.tuples(garbage_times, garbage_times, st.sampled_from([" yes", " no.", "", " Why?"])), max_size=12
).map(lambda words: chunk(*words))
speeches = st.lists(st.tuples(st.floats(0.1, 3), st.floats(0.05, 25)), min_size=1, max_size=8)


def spans(lengths: list[tuple[float, float]]) -> list[Span]:
    found: list[Span] = []
    at = 0.0
    for pause_s, length_s in lengths:
        found.append(Span(at + pause_s, at + pause_s + length_s))
        at = found[-1].end_s
    return found


@settings(max_examples=300)
@given(lengths=speeches, data=st.data(), cut_s=st.floats(0, 10))
def test_times_are_in_order_and_inside_the_recording_for_any_alignment(
    lengths: list[tuple[float, float]], data: st.DataObject, cut_s: float
) -> None:
    chunks = list(merge(spans(lengths)))
    transcripts = [data.draw(garbage) for _ in chunks]
    duration_s = max(0.0, chunks[-1].span.end_s - cut_s)
    built = build([Piece(*one) for one in zip(chunks, transcripts, strict=True)], duration_s, "en")
    words = [word for segment in built.segments for word in segment.words]
    assert [word.text for word in words] == [word.text.strip() for item in transcripts for word in item.words]
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= time_s <= round(duration_s, 3) for time_s in times)
    for segment in built.segments:
        assert (segment.start_s, segment.end_s) == (segment.words[0].start_s, segment.words[-1].end_s)
        assert segment.end_s - segment.start_s <= LONGEST_SEGMENT_S or len(segment.words) == 1


def test_silences_are_those_of_the_chunk_of_a_word() -> None:
    asked: list[Span] = []

    def silences(span: Span) -> list[Span]:
        asked.append(span)
        return [Span(12.2, 12.5)]

    built = build([Piece(CHUNK, chunk((1.0, 1.5, "One"), (2.0, 3.0, "two.")))], 60.0, "en", silences)
    assert [word.start_s for word in built.segments[0].words] == [11.0, pytest.approx(12.4)]
    assert asked == [CHUNK.span]


def test_words_are_split_at_sentence_ends_pauses_and_length() -> None:
    words = timed((0, 1, "One."), (1, 2, "Two"), (2, 3, "more?"), (3, 4, "After"), (5.1, 6, "pause"), (6, 24, "long"))
    words += timed((24, 25, "words"), (25, 25.2, "on"))
    texts = [[word.text for word in group] for group in split(words, "en")]
    assert texts == [["One."], ["Two", "more?"], ["After"], ["pause", "long", "words"], ["on"]]
    assert split([], "en") == []


def test_a_pause_of_a_second_does_not_split() -> None:
    assert len(split(timed((0, 1, "a"), (2, 3, "b")), "en")) == 1


WRITTEN = [  # words of Whisper's tokenizer
    pytest.param([" It's", " about", " 3", ".5", " percent", " of", " $1", ",000,", " isn't", " it?"], id="numbers"),
    pytest.param([" The", " well", "-known", " U", ".S", ".A.", " e", ".g.", " example", ".com"], id="abbreviations"),
    pytest.param([" L", "'école", " n", "'est", " pas", " aujourd", "'hui", " ?"], id="French"),
    pytest.param(["今天", "天", "气", "很好,", "我们", "去", " New", " York", " 公", "园", "吧。"], id="Chinese"),
    pytest.param(["ว", "ั", "นน", "ี้", "ด", "ี", "มา", "ก", " ไป", "เด", "ิ", "น"], id="Thai"),
    pytest.param([" a", " ", "b ", "c", " d"], id="blanks alone and after a word"),
]


@pytest.mark.parametrize("words", WRITTEN)
def test_the_text_is_what_the_recognizer_wrote(words: list[str]) -> None:
    said = _chunk_transcript(
        {"avg_logprob": 0.0, "no_speech_prob": 0.0},
        "".join(words),
        [
            {"word": word, "start": 0.1 * at, "end": 0.1 * at + 0.1, "probability": 1.0, "tokens": []}
            for at, word in enumerate(words)
        ],
    )
    assert join(build([Piece(CHUNK, said)], 60.0, "en").segments) == said.text == "".join(words).strip()


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        pytest.param(" One.", " Two.", "One. Two.", id="blanks of the recognizer"),
        pytest.param("One", "two", "One two", id="none at the beginning of a chunk"),
        pytest.param("今天。", "天气。", "今天。天气。", id="a script without blanks"),
        pytest.param("今天", " York", "今天 York", id="a blank of the recognizer after such a script"),
    ],
)
def test_chunks_are_joined_as_their_script_is_written(first: str, second: str, text: str) -> None:
    chunks = [SpeechChunk(Span(at, at + 5), (Span(at, at + 5),)) for at in (0.0, 5.0)]
    built = build([Piece(chunks[0], chunk((0, 1, first))), Piece(chunks[1], chunk((0, 1, second)))], 10.0, "en")
    assert join(built.segments) == text


def test_a_segment_has_the_figures_of_its_chunk() -> None:
    chunk_transcript = chunk((0.5, 1.0, "Yes."), (2.0, 2.5, " No."), avg_logprob=-0.51234, compression_ratio=1.23456)
    built = build([Piece(CHUNK, chunk_transcript, refined=True)], 60.0, "en")
    assert [segment.text for segment in built.segments] == ["Yes.", "No."]
    for segment in built.segments:
        assert (segment.avg_logprob, segment.compression_ratio, segment.refined) == (-0.5123, 1.235, True)
        assert segment.flags == ()


@pytest.mark.parametrize(
    ("chunk_transcript", "flags"),
    [
        pytest.param(chunk((0.5, 1.5, "fine"), compression_ratio=2.39, no_speech_prob=0.79), (), id="fine"),
        pytest.param(chunk((0.5, 1.5, "again"), compression_ratio=2.4), ("repetitive",), id="repetitive"),
        pytest.param(chunk((0.5, 1.5, "silence"), no_speech_prob=0.8), ("no_speech",), id="no speech"),
        pytest.param(chunk((0.5, 0.6, "too fast")), ("too_fast",), id="too fast"),
        pytest.param(chunk((0.5, 0.5, "no time")), (), id="no time at all"),
        pytest.param(
            chunk((0.5, 1.5, "you."), avg_logprob=-2.1, no_speech_prob=0.7), ("invented",), id="invented in silence"
        ),
    ],
)
def test_likely_hallucinations_are_flagged(chunk_transcript: ChunkTranscript, flags: tuple[str, ...]) -> None:
    assert [segment.flags for segment in build([Piece(CHUNK, chunk_transcript)], 60.0, "en").segments] == [flags]


def segment(text: str, *flags: str) -> Segment:
    return Segment(
        start_s=0, end_s=1, text=text, words=(), avg_logprob=0, compression_ratio=1, no_speech_prob=0, flags=flags
    )


@pytest.mark.parametrize(
    ("texts", "looped"),
    [
        (["a", "a", "b"], [False, False, False]),
        (["a", "a", "a"], [True, True, True]),
        (["b", "Thanks.", "thanks.", "THANKS.", "b"], [False, True, True, True, False]),
        (["a", "b", "a", "b", "a"], [False] * 5),
        ([], []),
    ],
)
def test_three_times_the_same_is_a_loop(texts: list[str], looped: list[bool]) -> None:
    flagged = flag_loops([segment(text, "too_fast") for text in texts])
    assert [one.text for one in flagged] == texts
    assert [one.flags for one in flagged] == [("too_fast", "loop") if loop else ("too_fast",) for loop in looped]


@pytest.mark.parametrize(
    ("chunk_transcript", "doubtful"),
    [
        pytest.param(
            chunk((0, 1, "x"), avg_logprob=-0.34, compression_ratio=2.3, no_speech_prob=0.7), False, id="sure"
        ),
        pytest.param(chunk((0, 1, "x"), avg_logprob=-0.35), True, id="improbable"),
        pytest.param(chunk((0, 1, "x"), compression_ratio=2.4), True, id="repetitive"),
        pytest.param(chunk((0, 1, "x"), no_speech_prob=0.8), True, id="no speech"),
        pytest.param(chunk(avg_logprob=-9.0, compression_ratio=9.0, no_speech_prob=1.0), False, id="no words"),
    ],
)
def test_a_chunk_is_doubtful_at_any_of_its_limits(chunk_transcript: ChunkTranscript, doubtful: bool) -> None:  # noqa: FBT001 (a table)
    assert is_doubtful(chunk_transcript, logprob=-0.35, compression=2.4, no_speech=0.8) is doubtful


WORD = (0.0, 1.0, "x")
FAIR = chunk(WORD, avg_logprob=-0.5, compression_ratio=1.0)


@pytest.mark.parametrize(
    ("second", "wins"),
    [
        pytest.param(chunk(WORD, avg_logprob=-0.4, compression_ratio=1.0), True, id="more probable"),
        pytest.param(chunk(WORD, avg_logprob=-0.5, compression_ratio=1.1), False, id="as probable"),
        pytest.param(chunk(WORD, avg_logprob=-0.6, compression_ratio=1.0), False, id="less probable"),
        pytest.param(chunk(WORD, avg_logprob=-0.1, compression_ratio=2.4), False, id="repetitive"),
    ],
)
def test_of_two_transcripts_the_more_probable_one_is_kept(second: ChunkTranscript, wins: bool) -> None:  # noqa: FBT001 (a table)
    assert better(FAIR, second) is (second if wins else FAIR)


def test_a_repetitive_transcript_loses_at_any_probability() -> None:
    loop = chunk(WORD, avg_logprob=-0.01, compression_ratio=2.4)
    assert better(loop, FAIR) is FAIR


@pytest.mark.parametrize(
    "first", [FAIR, chunk(WORD, avg_logprob=-0.01, compression_ratio=2.4)], ids=["fair", "repetitive"]
)
def test_a_transcript_without_words_replaces_none(first: ChunkTranscript) -> None:
    assert better(first, chunk(avg_logprob=0.0)) is first
