"""Transcripts of earlier versions get the spacing of their words back, as far as the words tell it."""

from __future__ import annotations

import pytest

from ingest.shared.artifacts.respacing import WITH_SPACING, respace
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Word


def older(language: str, *segments: list[str]) -> Transcript:
    """Return a transcript of version 2: words without their blanks, joined by blanks."""
    return Transcript(
        transcript_version=2,
        video_id="abcdefghijk",
        audio_sha256="0" * 64,
        duration_s=10.0,
        speech_s=10.0,
        language=language,
        language_probability=1.0,
        model_key="base",
        segments=tuple(
            Segment(
                start_s=0,
                end_s=1,
                text=" ".join(words),
                words=tuple(Word(start_s=0, end_s=1, text=word, probability=1.0) for word in words),
                avg_logprob=0,
                compression_ratio=1,
                no_speech_prob=0,
            )
            for words in segments
        ),
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=1),
    )


@pytest.mark.parametrize(
    ("language", "words", "text"),
    [
        pytest.param(
            "en", "about 3 .5 percent of $1 ,000, isn't it?", "about 3.5 percent of $1,000, isn't it?", id="sums"
        ),
        pytest.param("en", "9 :30 a .m. example .com U .S .A. (yes)", "9:30 a.m. example.com U.S.A. (yes)", id="dots"),
        pytest.param("en", "well -known AT &T. and /or C ++ 50 %", "well-known AT&T. and/or C++ 50%", id="other marks"),
        pytest.param("en", 'Get \'em, $5 - (no) & "yes"', 'Get \'em, $5 - (no) & "yes"', id="words of their own"),
        pytest.param("fr", "L 'école n 'est pas aujourd 'hui.", "L'école n'est pas aujourd'hui.", id="French"),
        pytest.param("fr", "50 % des gens ?", "50 % des gens ?", id="French marks"),
        pytest.param("it", "L 'università dell 'Aquila c 'è.", "L'università dell'Aquila c'è.", id="Italian"),
        pytest.param("de", "3 ,50 Euro, E -Mail -Adresse z .B. da.", "3,50 Euro, E-Mail-Adresse z.B. da.", id="German"),
        pytest.param("zh", "今天 天 气 很好, 我们 2 0 2 4 吧。", "今天天气很好,我们2024吧。", id="Chinese"),
        pytest.param("th", "ว ั นน ี้ อ าก า ศ", "วันนี้อากาศ", id="Thai"),
    ],
)
def test_words_are_joined_where_they_were_cut(language: str, words: str, text: str) -> None:
    mended = respace(older(language, words.split()))
    assert mended.transcript.text == mended.transcript.segments[0].text == text
    assert mended.transcript.transcript_version == WITH_SPACING
    assert (mended.joined, mended.unsure) == (words.count(" ") - text.count(" "), 0)


def test_words_of_another_script_stay_apart_and_are_counted() -> None:
    mended = respace(older("zh", ["我", "用", "Chat", "G", "PT", "吧。"]))
    assert (mended.transcript.text, mended.joined, mended.unsure) == ("我用Chat G PT吧。", 3, 2)


def test_segments_are_joined_as_words_are() -> None:
    assert respace(older("zh", ["今天。"], ["去。"])).transcript.text == "今天。去。"
    assert respace(older("en", ["One."], ["Two."])).transcript.text == "One. Two."


def test_a_segment_without_words_keeps_its_text() -> None:
    empty = older("en", ["One", "two"]).segments[0].model_copy(update={"words": ()})
    mended = respace(older("en").model_copy(update={"segments": (empty,)}))
    assert mended.transcript.text == "One two"
