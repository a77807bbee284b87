"""Languages: much speech decides, and a long stretch with a sure detection is in its own language."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.asr.recognition.chunks import SpeechChunk
from ingest.asr.recognition.languages import best_read, candidates, more_probable, of_stretches, samples, shares
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord
from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Found = tuple[SpeechChunk, ChunkTranscript]


def part(speech_s: float, start_s: float = 0.0) -> SpeechChunk:
    span = Span(start_s, start_s + speech_s)
    return SpeechChunk(span, (span,))


def detected(speech_s: float, **languages: float) -> Found:
    return part(speech_s), ChunkTranscript(languages=languages)


def reading(logprob: float | None) -> ChunkTranscript:
    """Return a reading of a word; of none without a probability."""
    words = () if logprob is None else (ChunkWord(0, 1, " ano", 0.9),)
    return ChunkTranscript(words=words, avg_logprob=logprob or 0.0)


@pytest.mark.parametrize(
    ("found", "language", "probability"),
    [
        pytest.param([detected(3, pl=0.9, cs=0.1)], "pl", 0.9, id="one chunk"),
        pytest.param([detected(2, pl=0.9, cs=0.1), detected(18, cs=0.7, pl=0.2)], "cs", 0.64, id="more speech"),
        pytest.param([detected(10, en=0.6, de=0.4), detected(10, de=0.8, en=0.1)], "de", 0.6, id="more sure"),
    ],
)
def test_the_language_is_that_of_most_speech(found: list[Found], language: str, probability: float) -> None:
    known = shares(found)
    assert max(known, key=lambda name: known[name]) == language
    assert round(known[language], 3) == probability


@pytest.mark.parametrize(
    ("detected", "likely", "expected"),
    [
        pytest.param({"pl": 0.6, "cs": 0.3}, None, ["pl", "cs"], id="unsure"),
        pytest.param({"pl": 0.95, "cs": 0.03}, None, ["pl"], id="sure"),
        pytest.param({"pl": 0.6, "cs": 0.3}, "cs", ["cs", "pl"], id="the source prefers another"),
        pytest.param({"en": 0.99, "de": 0.005}, "de", ["en"], id="the detection is surer than the source"),
        pytest.param({"pl": 0.95, "cs": 0.03}, "sv", ["pl"], id="the language of the source is not detected at all"),
        pytest.param({"pl": 0.05, "cs": 0.9}, "cs", ["cs"], id="both agree"),
        pytest.param(dict.fromkeys("abcdefgh", 0.1), None, list("abcde"), id="five at most"),
    ],
)
def test_the_candidates_are_the_languages_that_detection_and_source_leave(
    detected: dict[str, float], likely: str | None, expected: list[str]
) -> None:
    assert list(candidates(detected, likely, speech_s=3.0)) == expected


def test_a_sample_of_little_speech_is_not_read_in_several_languages() -> None:
    assert candidates({"en": 0.43, "ru": 0.04}, None, speech_s=0.8).keys() == {"en"}


@pytest.mark.parametrize(
    ("logprobs", "language"),
    [
        pytest.param({"pl": -0.67, "cs": -0.55}, "cs", id="more probable words"),
        pytest.param({"pl": -0.5, "cs": -0.49}, "pl", id="hardly more probable words"),
        pytest.param({"pl": -0.67, "cs": None}, "pl", id="no words"),
        pytest.param({"pl": None, "cs": None}, "pl", id="no words at all"),
    ],
)
def test_the_language_is_the_one_in_which_the_words_are_probable(
    logprobs: dict[str, float | None], language: str
) -> None:
    readings = {name: reading(logprob) for name, logprob in logprobs.items()}
    assert best_read({"pl": 0.6, "cs": 0.4}, lambda names: map(readings.__getitem__, names), 3.0) == language


def test_repeated_words_are_no_sign_of_a_language() -> None:
    readings = {"pl": reading(-0.5), "cs": replace(reading(-0.1), compression_ratio=3.0)}
    assert best_read({"pl": 0.6, "cs": 0.4}, lambda names: map(readings.__getitem__, names), 3.0) == "pl"


READINGS = st.builds(
    lambda said, ratio: replace(reading(said), compression_ratio=ratio),
    st.none() | st.floats(-3, 0),
    st.sampled_from([1.0, 3.0]),
)


@given(st.lists(st.tuples(st.floats(0, 1), READINGS), min_size=1, max_size=5), st.floats(2, 30))
def test_languages_that_cannot_be_better_are_not_read(
    drawn: list[tuple[float, ChunkTranscript]], speech_s: float
) -> None:
    ordered = sorted(drawn, key=lambda one: -one[0])
    weights = {name: weight for name, (weight, _) in zip("abcde", ordered, strict=False)}
    readings = {name: said for name, (_, said) in zip("abcde", ordered, strict=False)}
    asked: list[str] = []

    def read(names: Sequence[str]) -> Iterator[ChunkTranscript]:
        asked.extend(names)
        return map(readings.__getitem__, names)

    scores = {
        name: log(max(weights[name], 1e-9)) + 4 * speech_s * said.avg_logprob
        for name, said in readings.items()
        if said.words and said.compression_ratio < 2
    }
    assert best_read(weights, read, speech_s) == max(scores or weights, key=(scores or weights).__getitem__)
    assert asked[0] == "a"
    assert all(log(max(weights[name], 1e-9)) > scores.get("a", -inf) for name in asked[1:])


@pytest.mark.parametrize(
    ("lengths", "chosen"),
    [
        pytest.param([], [], id="none"),
        pytest.param([4.0], [4.0], id="one"),
        pytest.param([1.0, 2.0], [1.0, 2.0], id="two"),
        pytest.param([1.0, 9.0, 2.0, 3.0, 8.0, 1.5, 7.0], [9.0, 8.0, 7.0], id="the longest of each third"),
    ],
)
def test_the_language_is_detected_where_most_is_said(lengths: list[float], chosen: list[float]) -> None:
    assert [sample.speech_s for sample in samples([part(length) for length in lengths])] == chosen


FRENCH = detected(20, fr=0.95)


@pytest.mark.parametrize(
    ("stretch", "languages"),
    [
        pytest.param([detected(12, en=0.9)], ["en"], id="a long chunk"),
        pytest.param([detected(6, en=0.9), detected(5, en=0.85)], ["en", "en"], id="short chunks together"),
        pytest.param([detected(9, en=0.99)], ["fr"], id="too short"),
        pytest.param([detected(28, en=0.7)], ["fr"], id="not sure"),
        pytest.param([detected(6, en=0.9), detected(6, de=0.9)], ["fr", "fr"], id="short chunks of two languages"),
        pytest.param([detected(28)], ["fr"], id="a model of one language"),
    ],
)
def test_a_long_stretch_with_a_sure_detection_has_its_own_language(stretch: list[Found], languages: list[str]) -> None:
    assert of_stretches([FRENCH, *stretch, FRENCH], "fr") == ["fr", *languages, "fr"]


@pytest.mark.parametrize(
    ("words", "logprob", "is_kept"),
    [
        pytest.param((" yes",), -0.3, True, id="more probable"),
        pytest.param((" yes",), -0.6, False, id="less probable"),
        pytest.param((), -0.1, False, id="no words"),
    ],
)
def test_the_other_language_is_kept_where_its_words_are_more_probable(
    words: tuple[str, ...],
    logprob: float,
    is_kept: bool,  # noqa: FBT001 (a table)
) -> None:
    first = Piece(part(20), ChunkTranscript(words=(ChunkWord(0, 1, " oui", 0.9),), avg_logprob=-0.5))
    said = tuple(ChunkWord(0, 1, word, 0.9) for word in words)
    other = Piece(part(20), ChunkTranscript(words=said, avg_logprob=logprob), "en")
    assert more_probable(first, other) is (other if is_kept else first)
