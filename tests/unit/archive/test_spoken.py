"""The words of each passage: found by its text, and found again after a passage that has none."""

from __future__ import annotations

import pytest

from ingest.archive.reading import PassageRow
from ingest.archive.spoken import languages_of, words_of
from ingest.shared.artifacts.transcript import INVENTED, Segment, Timings, Transcript, Word, join


def word(text: str, at_s: float, before: str = " ") -> Word:
    return Word(start_s=at_s, end_s=at_s + 0.5, before=before, text=text, probability=0.9)


def segment(*words: Word, flags: tuple[str, ...] = (), speaker: str | None = None) -> Segment:
    return Segment(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text=" ".join(item.text for item in words),
        words=words,
        avg_logprob=-0.1,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        flags=flags,
        speaker=speaker,
    )


def passage(index: int, text: str, start_s: float) -> PassageRow:
    return PassageRow(index, start_s, start_s + 5, text, None, None, is_overlap=False, flags=[])


def transcript(*segments: Segment) -> Transcript:
    return Transcript(
        video_id="abcdefghijk",
        audio_sha256="0" * 64,
        duration_s=100,
        speech_s=50,
        language="en",
        language_probability=1,
        model_key="test",
        segments=segments,
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
    )


def test_each_passage_has_its_words_without_invented_ones() -> None:
    spoken = transcript(
        segment(word("Ships", 1), word("sail.", 2)),
        segment(word("Thanks", 3), flags=(INVENTED,)),
        segment(word("我", 4), word("们", 5, before="")),
    )
    found = words_of([passage(0, "Ships sail.", 1), passage(1, "我们", 4)], spoken)
    assert [[item.text for item in group] for group in found] == [["Ships", "sail."], ["我", "们"]]


@pytest.mark.parametrize(
    ("passages", "words"),
    [
        pytest.param(
            [passage(0, "We sail all of the seas. Yes.", 1), passage(1, "Yes.", 3)],
            ["We sail all of the seas. Yes.", "Yes."],
            id="an aside behind it",
        ),
        pytest.param(
            [passage(0, "We sail all of the seas.", 1), passage(1, "Yes.", 3), passage(2, "Yes.", 4)],
            ["We sail all of the seas.", "Yes.", "Yes."],
            id="divided by the aside, as earlier versions did",
        ),
    ],
)
def test_a_passage_around_an_aside_has_its_words(passages: list[PassageRow], words: list[str]) -> None:
    spoken = transcript(
        segment(word("We", 1), word("sail all of the seas.", 2), speaker="Ada"),
        segment(word("Yes.", 3), speaker="Bob"),
        segment(word("Yes.", 4), speaker="Ada"),
    )
    found = words_of(passages, spoken)
    assert [join(group) for group in found] == words
    assert {group[0].start_s for group in found if len(group) == 1} == {one.start_s for one in passages[1:]}


def test_a_passage_with_another_text_has_no_words_and_the_next_one_has() -> None:
    spoken = transcript(segment(word("Ships", 1), word("sail.", 2), word("Boats", 6), word("rest.", 7)))
    found = words_of([passage(0, "Something else entirely", 1), passage(1, "Boats rest.", 6)], spoken)
    assert [[item.text for item in group] for group in found] == [[], ["Boats", "rest."]]


def test_a_passage_has_the_language_of_its_segment() -> None:
    german = segment(word("Drei", 4), word("Schiffe.", 5)).model_copy(update={"language": "de"})
    spoken = transcript(segment(word("Ships", 1), word("sail.", 2)), german, segment(word("Yes.", 8)))
    passages = [passage(0, "Ships sail.", 1), passage(1, "Drei Schiffe.", 4), passage(2, "Yes.", 8), passage(3, "", 20)]
    assert languages_of(passages, spoken) == [None, "de", None, None]
    assert languages_of(passages, None) == [None] * 4


def test_without_a_transcript_no_passage_has_words() -> None:
    assert words_of([passage(0, "Ships", 1)], None) == [()]
