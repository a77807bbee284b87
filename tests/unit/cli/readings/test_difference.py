"""Two readings of a recording: the words that differ, the times of equal ones, and the choice of recordings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from ingest.cli.readings.difference import DifferentSpan, ReadWord, compare, words_of
from ingest.cli.readings.sample import chosen
from ingest.shared.artifacts.transcript import INVENTED, Segment, Word

if TYPE_CHECKING:
    from ingest.embedder.tables.catalog import VideoRow


def reading(text: str, later_s: float = 0.0, speaker: str | None = None) -> list[ReadWord]:
    return [ReadWord(word.lower().strip("."), word, at + later_s, speaker) for at, word in enumerate(text.split())]


def test_differences_are_counted_and_the_longest_come_first() -> None:
    found = compare(reading("a b c d e f g"), reading("a x y d e g h"))
    assert (found.present_words, found.other_words, found.differing) == (7, 7, 4)
    assert found.spans[0] == DifferentSpan(1, "b c", "x y")
    assert [(span.present, span.other) for span in found.spans[1:]] == [("f", ""), ("", "h")]
    assert found.share == 4 / 7


def test_equal_words_have_times_and_speakers() -> None:
    found = compare(reading("so it was.", speaker="Ada"), reading("So it is", 0.25, speaker="Bob"))
    assert found.off_s == (0.25, 0.25)
    assert (found.same_speaker, found.with_speaker) == (0, 2)
    found = compare(reading("a b", speaker="Ada"), reading("a b"))
    assert (found.same_speaker, found.with_speaker) == (0, 0)
    assert compare([], []).share == 0


def test_words_up_to_a_time_count_without_invented_ones() -> None:
    def segment(text: str, start_s: float, *flags: str) -> Segment:
        words = (Word(start_s=start_s, end_s=start_s + 1, text=text, probability=1),)
        return Segment(
            start_s=start_s,
            end_s=start_s + 1,
            text=text,
            words=words,
            avg_logprob=0,
            compression_ratio=1,
            no_speech_prob=0,
            flags=flags,
            speaker="Ada",
        )

    found = words_of([segment("One,", 0), segment("Two", 1, INVENTED), segment("three", 9)], 5)
    assert found == [ReadWord("one", "One,", 0, "Ada")]


def test_corrected_recordings_are_chosen_first_and_the_choice_stays() -> None:
    rows = [cast("VideoRow", SimpleNamespace(video_id=f"video_{number:05}")) for number in range(50)]
    found = [one.video_id for one in chosen(rows, {"video_00007", "video_00009"}, 5, lambda one: one != "video_00009")]
    assert found[0] == "video_00007"
    assert "video_00009" not in found
    assert len(set(found)) == 5
    assert found == [one.video_id for one in chosen(rows[::-1], {"video_00007"}, 5, lambda one: one != "video_00009")]
    assert sorted(found[1:]) != [f"video_{number:05}" for number in range(4)]
