"""Attribution of words to turns: no word is lost, no segment mixes speakers, times ascend."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.artifacts import attribution
from ingest.shared.artifacts.transcript import Segment, Turn, Word, join


def turn(start_s: float, end_s: float, speaker: str, score: float | None = None) -> Turn:
    return Turn(start_s=start_s, end_s=end_s, cluster=speaker, speaker=speaker, score=score)


def segment(*words: tuple[float, float, str]) -> Segment:
    timed = tuple(Word(start_s=start, end_s=end, text=text, probability=1.0) for start, end, text in words)
    return Segment(
        start_s=timed[0].start_s,
        end_s=timed[-1].end_s,
        text=join(timed),
        words=timed,
        avg_logprob=-0.1,
        compression_ratio=1.0,
        no_speech_prob=0.0,
    )


def speakers(segments: list[Segment]) -> list[tuple[str | None, str]]:
    return [(item.speaker, item.text) for item in segments]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    sentence = segment((0.0, 0.9, "How"), (1.0, 1.9, "are"), (2.0, 2.9, "Fine."))
    split = attribution.attribute([sentence], [turn(0, 2, "A", 0.8), turn(2, 3, "B", 0.9)])
    assert speakers(split) == [("A", "How are"), ("B", "Fine.")]
    assert [item.speaker_score for item in split] == [0.8, 0.9]
    assert [(item.start_s, item.end_s) for item in split] == [(0.0, 1.9), (2.0, 2.9)]


def test_a_word_belongs_to_the_turn_that_it_overlaps_most() -> None:
    split = attribution.attribute([segment((0.0, 1.0, "word"))], [turn(0, 0.3, "A"), turn(0.3, 1, "B")])
    assert speakers(split) == [("B", "word")]


def test_overlapped_speech_is_flagged() -> None:
    sentence = segment((0.0, 1.0, "alone"), (1.0, 2.0, "together"))
    split = attribution.attribute([sentence], [turn(0, 2, "A"), turn(1.2, 1.6, "B")])
    assert [item.is_overlap for item in split] == [True]
    assert speakers(split) == [("A", "alone together")]
    assert not attribution.attribute([sentence], [turn(0, 2, "A"), turn(1.2, 1.6, "A")])[0].is_overlap


def test_a_word_in_no_turn_goes_to_the_nearest_within_a_bound() -> None:
    turns = [turn(0, 1, "A"), turn(5, 6, "B")]
    assert speakers(attribution.attribute([segment((1.2, 1.4, "near"))], turns)) == [("A", "near")]
    assert speakers(attribution.attribute([segment((3.0, 3.2, "far"))], turns)) == [(None, "far")]
    assert speakers(attribution.attribute([segment((3.0, 3.2, "alone"))], [])) == [(None, "alone")]


def test_a_word_between_turns_goes_with_its_sentence() -> None:
    sentence = segment((1.1, 1.2, "The"), (1.6, 2.0, "orchestra"))
    assert speakers(attribution.attribute([sentence], [turn(0, 1.05, "A"), turn(1.5, 3, "B")])) == [
        ("B", "The orchestra")
    ]


def test_a_short_flip_between_two_parts_of_one_speaker_is_smoothed_and_a_long_one_is_not() -> None:
    words = [(0.0, 1.0, "one"), (1.0, 1.4, "two"), (1.4, 2.4, "three")]
    turns = [turn(0, 1, "A"), turn(1, 1.4, "B"), turn(1.4, 2.4, "A")]
    assert speakers(attribution.attribute([segment(*words)], turns)) == [("A", "one two three")]
    other = [turn(0, 1, "A"), turn(1, 1.4, "B"), turn(1.4, 2.4, "C")]
    assert len(attribution.attribute([segment(*words)], other)) == 3
    long = [(0.0, 1.0, "one"), (1.0, 2.0, "two"), (2.0, 3.0, "three")]
    assert len(attribution.attribute([segment(*long)], [turn(0, 1, "A"), turn(1, 2, "B"), turn(2, 3, "A")])) == 3


def test_a_sentence_that_is_repeated_is_there_twice() -> None:
    sentences = [segment((0.0, 1.0, "Right.")), segment((1.5, 2.5, "Right."))]
    assert speakers(attribution.attribute(sentences, [turn(0, 3, "A")])) == [("A", "Right."), ("A", "Right.")]


moments = st.floats(0, 50).map(lambda value: round(value, 3))
spans = st.tuples(moments, st.floats(0, 5)).map(lambda pair: (pair[0], round(pair[0] + pair[1], 3)))


@given(
    st.lists(st.lists(spans, min_size=1, max_size=6), max_size=6),
    st.lists(st.tuples(spans, st.sampled_from("ABC")), max_size=10),
)
def test_every_word_is_kept_once_and_no_segment_mixes_speakers(
    spoken: list[list[tuple[float, float]]], turned: list[tuple[tuple[float, float], str]]
) -> None:
    segments = [
        segment(*((start, end, f"w{number}.{place}") for place, (start, end) in enumerate(sorted(words))))
        for number, words in enumerate(spoken)
    ]
    turns = sorted((turn(start, end, name) for (start, end), name in turned), key=lambda item: item.start_s)
    attributed = attribution.attribute(segments, turns)
    assert sorted(word.text for item in attributed for word in item.words) == sorted(
        word.text for item in segments for word in item.words
    )
    assert [item.start_s for item in attributed] == sorted(item.start_s for item in attributed)
    assert all(item.text == join(item.words) for item in attributed)
    assert all(item.start_s <= item.end_s for item in attributed)
