"""Words get times inside of the speech, behind silences, and in order."""

from __future__ import annotations

import pytest

from ingest.asr.recognition.chunks import SpeechChunk
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord
from ingest.asr.recognition.word_times.placement import behind_silence, into_speech, place
from ingest.asr.spans import Span

CHUNK = SpeechChunk(Span(10.0, 20.0), (Span(10.0, 14.0), Span(16.0, 20.0)))


def chunk(*words: tuple[float, float, str]) -> ChunkTranscript:
    return ChunkTranscript(words=tuple(ChunkWord(start, end, text, 0.9) for start, end, text in words))


def test_good_times_are_moved_to_the_recording_and_not_counted_as_wrong() -> None:
    words, fixed = place(chunk((0.5, 1.0, " Hello"), (7.5, 8.0, " there.")), CHUNK, 0.0, 60.0)
    assert [(word.start_s, word.end_s, word.text) for word in words] == [(10.5, 11.0, "Hello"), (17.5, 18.0, "there.")]
    assert fixed == 0


@pytest.mark.parametrize(
    ("word", "floor_s", "duration_s", "times"),
    [
        pytest.param((2.0, 1.0, "x"), 0.0, 60.0, (12.0, 12.0), id="ends before it begins"),
        pytest.param((0.5, 1.0, "x"), 10.8, 60.0, (10.8, 11.0), id="begins before the one before has ended"),
        pytest.param((0.5, 1.0, "x"), 13.0, 60.0, (13.0, 13.0), id="ends before the one before has ended"),
        pytest.param((9.0, 9.9, "x"), 0.0, 19.5, (19.0, 19.5), id="ends after the recording"),
        pytest.param((9.0, 9.9, "x"), 0.0, 18.0, (18.0, 18.0), id="begins after the recording"),
    ],
)
def test_impossible_times_are_corrected_and_counted(
    word: tuple[float, float, str], floor_s: float, duration_s: float, times: tuple[float, float]
) -> None:
    (placed,), fixed = place(chunk(word), CHUNK, floor_s, duration_s)
    assert (placed.start_s, placed.end_s) == times
    assert fixed == 1


@pytest.mark.parametrize(
    ("word", "moved"),
    [
        pytest.param((11.0, 12.0), (11.0, 12.0), id="inside"),
        pytest.param((13.0, 15.9), (13.0, 14.0), id="end in the pause after it"),
        pytest.param((13.0, 17.0), (13.0, 14.0), id="end beyond the pause"),
        pytest.param((15.0, 17.0), (16.0, 17.0), id="begins in the pause"),
        pytest.param((13.99, 17.0), (16.0, 17.0), id="begins with the last breath before the pause"),
        pytest.param((9.0, 11.0), (10.0, 11.0), id="begins before the speech"),
        pytest.param((21.0, 22.0), (21.0, 21.0), id="after all speech"),
        pytest.param((14.5, 15.5), (16.0, 16.0), id="within the pause"),
    ],
)
def test_words_are_moved_out_of_the_silences(word: tuple[float, float], moved: tuple[float, float]) -> None:
    assert into_speech(*word, CHUNK.speech) == moved


@pytest.mark.parametrize(
    ("word", "start_s"),
    [
        pytest.param((6.0, 6.5), 16.15, id="within the padding"),
        pytest.param((5.0, 6.5), 16.15, id="within the pause"),
        pytest.param((6.5, 7.0), 16.15, id="late"),
        pytest.param((6.0, 6.1), 16.05, id="ends within the padding"),
        pytest.param((7.2, 7.6), 17.2, id="behind another sound"),
    ],
)
def test_the_first_word_behind_a_pause_begins_with_its_speech(word: tuple[float, float], start_s: float) -> None:
    words, fixed = place(chunk((1.0, 1.5, "One."), (*word, "Two"), (7.7, 8.0, "three.")), CHUNK, 0.0, 60.0)
    assert [one.start_s for one in words] == [11.0, pytest.approx(start_s), 17.7]
    assert fixed == 0


def test_the_first_word_of_a_chunk_begins_with_its_speech_if_there_is_a_pause() -> None:
    late = chunk((0.9, 1.2, "Late"))
    (first,), _ = place(late, SpeechChunk(Span(9.8, 14.0), (Span(10.0, 14.0),)), 0.0, 60.0)
    (second,), fixed = place(late, SpeechChunk(Span(9.8, 14.0), (Span(10.0, 14.0),)), 10.3, 60.0)
    (third,), _ = place(late, SpeechChunk(Span(10.0, 14.0), (Span(10.0, 14.0),)), 0.0, 60.0)
    assert (first.start_s, second.start_s, third.start_s) == (10.15, 10.7, 10.9)
    assert fixed == 0


def test_a_word_behind_a_sound_without_words_begins_with_it() -> None:
    speech = (Span(10.0, 12.0), Span(13.0, 13.5), Span(13.9, 16.0), Span(18.0, 18.2), Span(19.5, 20.0))
    words, fixed = place(
        chunk((0.5, 1.0, "One"), (4.0, 4.3, "two"), (4.5, 4.8, "three."), (9.7, 9.9, "Far.")),
        SpeechChunk(Span(10.0, 20.0), speech),
        0.0,
        60.0,
    )
    assert [word.start_s for word in words] == [10.5, pytest.approx(13.15), 14.5, pytest.approx(19.65)]
    assert fixed == 0


@pytest.mark.parametrize(
    ("word", "silences", "start_s"),
    [
        pytest.param((1.0, 1.6), (), 1.0, id="none"),
        pytest.param((1.0, 1.6), ((1.2, 1.4),), 1.3, id="within"),
        pytest.param((1.0, 1.6), ((0.9, 1.04),), 1.0, id="at its start, shorter than what a soft sound may take"),
        pytest.param((1.0, 1.6), ((0.8, 1.3),), 1.2, id="from before its start"),
        pytest.param((1.0, 1.9), ((1.1, 1.3), (1.5, 1.7)), 1.6, id="two: behind the last one"),
        pytest.param((1.0, 1.9), ((1.1, 1.3), (1.7, 1.85)), 1.2, id="behind the last one is the next word"),
        pytest.param((1.0, 1.6), ((1.2, 1.7),), 1.0, id="up to its end"),
        pytest.param((1.0, 1.6), ((0.5, 0.9), (1.7, 1.9)), 1.0, id="elsewhere"),
    ],
)
def test_a_word_begins_behind_the_silence_in_it(
    word: tuple[float, float], silences: tuple[tuple[float, float], ...], start_s: float
) -> None:
    assert behind_silence(*word, [Span(*one) for one in silences]) == pytest.approx(start_s)


def test_without_speech_a_word_stays_where_it_is() -> None:
    assert into_speech(3.0, 4.0, ()) == (3.0, 4.0)
