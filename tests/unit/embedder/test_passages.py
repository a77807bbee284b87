"""Segments become passages: every word once and in order, one speaker each, never longer than may be."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedder import passages as passages_file
from ingest.embedder.passages import Passage, PassageLimits, inside
from ingest.shared.artifacts.transcript import Segment, Word, join

LIMITS = PassageLimits(min_chars=20, max_chars=60, max_gap_s=3.0, max_s=30.0, max_tokens=20)


def count_tokens(text: str) -> int:
    return sum(1 + len(word) // 4 for word in text.split())


def build(segments: list[Segment], within: PassageLimits, language: str = "en") -> list[Passage]:
    return passages_file.build(segments, language, within, count_tokens)


def segment(words: list[Word], speaker: str | None = None, **changes: object) -> Segment:
    return Segment.model_validate(
        {
            "start_s": words[0].start_s if words else 0.0,
            "end_s": words[-1].end_s if words else 1.0,
            "text": join(words),
            "words": words,
            "avg_logprob": -0.2,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.1,
            "speaker": speaker,
        }
        | changes
    )


def spoken(
    text: str, start_s: float = 0.0, speaker: str | None = None, each_s: float = 1.0, **changes: object
) -> Segment:
    """Return a segment in which every word takes the same time."""
    words = [
        Word(start_s=start_s + number * each_s, end_s=start_s + (number + 1) * each_s, text=word, probability=1.0)
        for number, word in enumerate(text.split())
    ]
    return segment(words, speaker, **changes)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    """Draw segments whose words are unlike each other; some words take longer than a passage may."""
    segments: list[Segment] = []
    at, number = 0.0, 0
    for _ in range(draw(st.integers(0, 6))):
        words: list[Word] = []
        for _ in range(draw(st.integers(1, 12))):
            pause_s, length_s = (
                draw(st.sampled_from([0.0, 0.2, 2.0, 9.0])),
                draw(st.sampled_from([0.1, 1.0, 7.0, 20.0])),
            )
            text = f"W{number}{draw(st.sampled_from(['', '', '.', '?', 'xxxxxx']))}"
            words.append(Word(start_s=at + pause_s, end_s=at + pause_s + length_s, text=text, probability=1.0))
            at, number = words[-1].end_s, number + 1
        segments.append(segment(words, draw(st.sampled_from([None, "A", "B"]))))
    return segments


limits = st.builds(
    PassageLimits,
    min_chars=st.integers(1, 60),
    max_chars=st.integers(12, 80),
    max_gap_s=st.floats(0.1, 5),
    max_s=st.floats(0.5, 40),
    max_tokens=st.integers(4, 30),
)


def words_of(passages: list[Passage]) -> list[str]:
    return [word for passage in passages for word in passage.text.split()]


@settings(max_examples=300)
@given(segments=transcripts(), within=limits)
def test_every_word_is_in_one_passage_in_order(segments: list[Segment], within: PassageLimits) -> None:
    passages = build(segments, within)
    number_of = {word.text: number for number, word in enumerate(word for one in segments for word in one.words)}
    numbers = [[number_of[word] for word in passage.text.split()] for passage in passages]
    assert sorted(number for some in numbers for number in some) == list(range(len(number_of)))
    assert all(some == sorted(some) for some in numbers)
    assert [some[0] for some in numbers] == sorted(some[0] for some in numbers)
    assert [passage.index for passage in passages] == list(range(len(passages)))


@settings(max_examples=300)
@given(segments=transcripts(), within=limits)
def test_no_passage_is_longer_than_it_may_be_or_mixes_speakers(segments: list[Segment], within: PassageLimits) -> None:
    speaker_of = {word.text: one.speaker for one in segments for word in one.words}
    for passage in build(segments, within):
        words = passage.text.split()
        assert len(passage.text) <= within.max_chars
        assert count_tokens(passage.text) <= within.max_tokens
        assert passage.end_s - passage.start_s <= within.max_s or len(words) == 1
        assert {speaker_of[word] for word in words} == {passage.speaker}


@settings(max_examples=300)
@given(segments=transcripts(), within=limits)
def test_offsets_point_at_the_beginnings_of_sentences_and_say_when_they_are_spoken(
    segments: list[Segment], within: PassageLimits
) -> None:
    words = {word.text: word for one in segments for word in one.words}
    begins_sentence = {one.words[0].text for one in segments} | {
        later.text for one in segments for earlier, later in pairwise(one.words) if earlier.text.endswith((".", "?"))
    }
    for passage in build(segments, within):
        first_words = [passage.text[offset:].split()[0] for offset in passage.offsets]
        assert passage.offsets[0] == 0
        assert all(passage.text[offset - 1] == " " for offset in passage.offsets[1:])
        assert list(passage.starts_s) == [words[word].start_s for word in first_words]
        assert begins_sentence & set(passage.text.split()) <= set(first_words)
        assert (passage.start_s, passage.end_s) == (passage.starts_s[0], words[passage.text.split()[-1]].end_s)


@settings(max_examples=100)
@given(text=st.text("abcdefgh", min_size=1, max_size=300), within=limits)
def test_a_word_longer_than_a_passage_is_cut_and_no_letter_lost(text: str, within: PassageLimits) -> None:
    passages = build([spoken(text)], within)
    assert "".join(words_of(passages)) == text
    assert all(len(passage.text) <= within.max_chars for passage in passages)


def texts(segments: list[Segment], within: PassageLimits = LIMITS) -> list[str]:
    return [passage.text for passage in build(segments, within)]


def test_segments_are_merged_until_a_passage_is_long_enough() -> None:
    sentences = ["One two three.", "Four five.", "Six."]
    assert texts(
        [spoken(text, 10.0 * number) for number, text in enumerate(sentences)], replace(LIMITS, max_gap_s=9)
    ) == [
        "One two three. Four five.",
        "Six.",
    ]


def test_repeated_text_is_kept() -> None:
    assert words_of(build([spoken("Yes."), spoken("Yes."), spoken("Yes. Yes.")], LIMITS)) == ["Yes."] * 4


@pytest.mark.parametrize(
    ("start_s", "passages"),
    [
        pytest.param(4.0, 1, id="a short pause"),
        pytest.param(5.0, 1, id="as long as may be"),
        pytest.param(5.1, 2, id="longer"),
    ],
)
def test_a_long_pause_begins_a_new_passage(start_s: float, passages: int) -> None:
    assert len(texts([spoken("One two."), spoken("Three.", start_s)])) == passages


def test_another_speaker_begins_a_new_passage() -> None:
    said = [spoken("Yes?", 0, "A"), spoken("Yes.", 1, "B"), spoken("Well.", 2, "B"), spoken("So.", 3, None)]
    passages = build(said, LIMITS)
    assert [(passage.text, passage.speaker) for passage in passages] == [
        ("Yes?", "A"),
        ("Yes. Well.", "B"),
        ("So.", None),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            [("We went down", "A"), ("Mhm.", "B"), ("to the sea.", "A")],
            ["A: We went down to the sea.", "B: Mhm."],
            id="inside of a sentence",
        ),
        pytest.param(
            [("We went down.", "A"), ("Mhm.", "B"), ("Yeah.", "C"), ("To the sea.", "A")],
            ["A: We went down.", "B: Mhm.", "C: Yeah.", "A: To the sea."],
            id="of two others",
        ),
        pytest.param(
            [("We all went down", "A"), ("Mhm.", None), ("to the blue", "A"), ("Mhm.", "B"), ("sea.", "A")],
            ["A: We all went down to the blue sea.", "None: Mhm.", "B: Mhm."],
            id="twice, once without a speaker",
        ),
        pytest.param(
            [("Did you go?", "A"), ("Yes.", "B"), ("So we went.", "A")],
            ["A: Did you go?", "B: Yes.", "A: So we went."],
            id="an answer",
        ),
        pytest.param(
            [("We went", "A"), ("no that is wrong", "B"), ("to the sea.", "A")],
            ["A: We went", "B: no that is wrong", "A: to the sea."],
            id="too long",
        ),
        pytest.param(
            [("We went.", "A"), ("Mhm.", "B"), ("So you went.", "C")],
            ["A: We went.", "B: Mhm.", "C: So you went."],
            id="between two speakers",
        ),
        pytest.param(
            [("We went.", None), ("Mhm.", "B"), ("So.", None)],
            ["None: We went.", "B: Mhm.", "None: So."],
            id="speakers unknown",
        ),
        pytest.param([("Mhm.", "B"), ("So.", "A"), ("Yes.", "B")], None, id="short turns"),
        pytest.param([("Mhm.", "B"), ("We went.", "A"), ("Mhm.", "B")], None, id="first and last"),
    ],
)
def test_a_short_word_of_another_speaker_does_not_divide_a_passage(
    said: list[tuple[str, str | None]], expected: list[str] | None
) -> None:
    starts_s = accumulate((0.5 * len(text.split()) for text, _ in said), initial=0.0)
    segments = [spoken(text, start_s, speaker, 0.5) for (text, speaker), start_s in zip(said, starts_s, strict=False)]
    found = [f"{passage.speaker}: {passage.text}" for passage in build(segments, replace(LIMITS, min_chars=60))]
    assert found == (expected or [f"{speaker}: {text}" for text, speaker in said])


def test_a_passage_with_an_aside_is_no_longer_than_it_may_be() -> None:
    said = [spoken("We went down", 0.0, "A", 0.5), spoken("Mhm.", 1.5, "B", 0.5), spoken("to the sea.", 2.0, "A", 0.5)]
    assert texts(said, replace(LIMITS, max_chars=12, min_chars=12)) == ["We went down", "Mhm.", "to the sea."]


def test_a_sentence_longer_than_a_passage_is_halved() -> None:
    assert texts([spoken("a b c d e f g h")], replace(LIMITS, max_chars=7, min_chars=1)) == ["a b c d", "e f g h"]
    assert texts([spoken("a b c d")], replace(LIMITS, max_s=2.0, min_chars=1)) == ["a b", "c d"]
    assert texts([spoken("a b c d")], replace(LIMITS, max_tokens=2, min_chars=1)) == ["a b", "c d"]


@pytest.mark.parametrize("mark", [".", "?", "!", "…", "。", "？", "！"])  # noqa: RUF001 (the marks of other scripts)
def test_sentences_end_at_the_marks_of_all_scripts(mark: str) -> None:
    (passage,) = build([spoken(f"One{mark} Two{mark}")], LIMITS)
    assert passage.offsets == (0, 5)
    assert passage.starts_s == (0.0, 1.0)


def written(*words: str, start_s: float = 0.0) -> Segment:
    """Return a segment of words as a recognizer writes them, with their blanks; each takes a second."""
    return segment(
        [
            Word(
                start_s=start_s + number,
                end_s=start_s + number + 1,
                before=" " if word.startswith(" ") else "",
                text=word.strip(),
                probability=1.0,
            )
            for number, word in enumerate(words)
        ]
    )


@pytest.mark.parametrize(
    ("language", "segments", "text", "offsets"),
    [
        pytest.param(
            "en",
            [
                written(" It", " costs", " $1", ",000", " at", " example", ".com."),
                written(" Well", "-known.", start_s=7),
            ],
            "It costs $1,000 at example.com. Well-known.",
            (0, 32),
            id="numbers, addresses and hyphens",
        ),
        pytest.param(
            "zh",
            [written("今天", "天", "气", "很好。", "我们", "去", "。"), written("好。", start_s=7)],
            "今天天气很好。我们去。好。",
            (0, 7, 11),
            id="no blanks between words and sentences",
        ),
        pytest.param(
            "fr", [written(" Il", " n", "'a", " qu", "'un", " chat.")], "Il n'a qu'un chat.", (0,), id="elision"
        ),
    ],
)
def test_words_keep_the_spacing_of_the_recognizer(
    language: str, segments: list[Segment], text: str, offsets: tuple[int, ...]
) -> None:
    (passage,) = build(segments, replace(LIMITS, min_chars=60, max_chars=80, max_tokens=60), language)
    assert (passage.text, passage.offsets) == (text, offsets)


@settings(max_examples=200)
@given(blanks=st.lists(st.booleans(), min_size=1, max_size=30), within=limits)
def test_no_blank_is_added_or_lost_within_a_passage(blanks: list[bool], within: PassageLimits) -> None:
    words = [f"{' ' if blank else ''}{number}天"[: 3 + blank] for number, blank in enumerate(blanks)]
    passages = build([written(*words)], replace(within, max_s=1e6), "zh")
    whole = "".join(words).strip()
    assert all(passage.text in whole for passage in passages)
    assert "".join(passage.text for passage in passages).replace(" ", "") == whole.replace(" ", "")


def test_a_passage_of_wide_letters_has_a_third_of_the_letters() -> None:
    letters = [written(*("天气真好。" * 4), start_s=0.0), written(*("天气真好。" * 4), start_s=20.0)]
    passages = build(letters, PassageLimits(min_chars=60, max_chars=60, max_gap_s=3, max_s=99, max_tokens=99), "zh")
    assert [len(passage.text) for passage in passages] == [20, 20]


def test_letters_of_a_script_without_blanks_share_the_time_of_their_segment() -> None:
    (passage,) = build([segment([], text="今天。去吧。", start_s=0.0, end_s=6.0)], LIMITS, "zh")
    assert (passage.text, passage.offsets, passage.starts_s) == ("今天。去吧。", (0, 3), (0.0, 3.0))


def test_a_segment_without_word_times_is_text_too() -> None:
    (passage,) = build([segment([], text="One two three.", start_s=5.0, end_s=9.0)], LIMITS)
    assert (passage.text, passage.start_s, passage.end_s) == ("One two three.", 5.0, 9.0)


def test_the_words_of_a_segment_without_word_times_stay_whole() -> None:
    text = " ".join(f"word{number}" for number in range(50))
    assert words_of(build([segment([], text=text)], LIMITS)) == text.split()


def test_the_words_of_a_segment_without_word_times_share_its_time() -> None:
    within = replace(LIMITS, min_chars=1)
    passages = build([segment([], text="One two. Three four.", start_s=10.0, end_s=50.0)], within)
    assert [(passage.text, passage.start_s, passage.end_s) for passage in passages] == [
        ("One two.", 10.0, 30.0),
        ("Three four.", 30.0, 50.0),
    ]


def test_a_segment_in_which_nothing_is_said_makes_no_passage() -> None:
    nothing = Word(start_s=0.0, end_s=1.0, text="", probability=0.1)
    assert build([segment([nothing]), segment([])], LIMITS) == []


def test_a_passage_is_as_doubtful_as_the_worst_of_its_segments() -> None:
    good = spoken("One.", avg_logprob=-0.1, compression_ratio=1.0, no_speech_prob=0.1, flags=["loop"])
    bad = spoken(
        "Two.", 1, avg_logprob=-0.9, compression_ratio=2.0, no_speech_prob=0.6, flags=["a", "loop"], refined=True
    )
    (passage,) = build([good, bad], LIMITS)
    assert (passage.avg_logprob, passage.compression_ratio, passage.no_speech_prob) == (-0.9, 2.0, 0.6)
    assert (passage.refined, passage.flags) == (True, ("a", "loop"))


def test_a_passage_has_one_language() -> None:
    said = [spoken("Eins."), spoken("One.", 1, language="en"), spoken("Two.", 2, language="en"), spoken("Drei.", 3)]
    passages = build(said, LIMITS)
    assert [(passage.text, passage.language) for passage in passages] == [
        ("Eins.", None),
        ("One. Two.", "en"),
        ("Drei.", None),
    ]


def test_invented_words_are_no_text() -> None:
    said = [spoken("One."), spoken("Thank you for watching.", 1, flags=["invented"]), spoken("Two.", 5, flags=["loop"])]
    assert words_of(build(said, replace(LIMITS, max_gap_s=9))) == ["One.", "Two."]


def test_silence_has_no_passages() -> None:
    assert build([], LIMITS) == []


def test_times_beyond_the_recording_are_limited_and_their_passages_counted() -> None:
    passages = build([spoken("One. Two. Three.", speaker="A"), spoken("Four.", 9.0, "B")], LIMITS)
    assert inside(passages, 10.0) == (passages, 0)
    (first, second), put_right = inside(passages, 1.5)
    assert (first.start_s, first.end_s, first.starts_s) == (0.0, 1.5, (0.0, 1.0, 1.5))
    assert (second.start_s, second.end_s, second.starts_s) == (1.5, 1.5, (1.5,))
    assert put_right == 2
