"""Changes of the archive by people: what they correct, and what they take back.

A correction is stored first, and then the passages are built again with it. Where a new run of the recording is on its
way, that run applies it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.corrections import overlay, places, said, vocabulary, words
from ingest.embedder.corrections.places import WordCorrection
from ingest.embedder.tables import corrections
from ingest.shared.bounds import LONGEST_CORRECTION
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.embedder.corrections.places import Place
    from ingest.embedder.corrections.said import SpokenWord
    from ingest.embedder.rebuild import PassageText, Rebuilder
    from ingest.embedder.tables.corrections import Author

EARLIER_S = 5.0  # the place that is meant may begin so much before the time that a person names, ...
LATER_S = 60.0  # ... or so much after it: the time of a passage is that of its beginning
SHOWN_S = 10.0
TAKEN_BACK = "taken back"


@dataclass(frozen=True)
class Change:
    """A correction that was made or taken back; `trouble` is why it could not be, else empty."""

    video_id: str
    correction: int = 0
    at_s: float = 0.0
    state: str = ""
    trouble: str = ""


def correct(rebuilder: Rebuilder, video_id: str, at_s: float | None, texts: tuple[str, str], by: Author) -> Change:
    """Replace a text near a time by another one, in one recording.

    `at_s` may be None where the text is said only once. Raise ConfigurationError where it is not said, or more often.
    """
    expected, replacement = checked(texts)
    spoken = _present_words(rebuilder, video_id)
    found = vocabulary.wrong_places(spoken, expected, replacement)
    if at_s is not None:
        found = [place for place in found if -EARLIER_S <= spoken[place.first].word.start_s - at_s <= LATER_S]
    if not found:
        raise ConfigurationError(_not_said(spoken, video_id, expected, at_s))
    if at_s is None and len(found) > 1:
        times = ", ".join(f"{spoken[place.first].word.start_s:.0f}" for place in found[:20])
        raise ConfigurationError(f"{expected!r} is said {len(found)} times in {video_id}, at these seconds: {times}")
    near = min(found, key=lambda place: abs(spoken[place.first].word.start_s - (at_s or 0.0)))
    (change,) = _make(rebuilder, video_id, [_correction(spoken, near, expected, replacement)], by)
    return change


def correct_everywhere(
    rebuilder: Rebuilder,
    videos: Iterable[str],
    texts: tuple[str, str],
    by: Author,
    progress: Callable[[], None] = lambda: None,
) -> list[Change]:
    """Replace a text by another one wherever it is said in these recordings."""
    expected, replacement = checked(texts)
    changes = []
    for video_id in videos:
        try:
            spoken = _present_words(rebuilder, video_id)
            made = [
                _correction(spoken, place, expected, replacement)
                for place in vocabulary.wrong_places(spoken, expected, replacement)
            ]
            changes += _make(rebuilder, video_id, made, by) if made else []
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            changes.append(Change(video_id, trouble=str(error)))
        progress()
    return changes


def undo(rebuilder: Rebuilder, correction: int, *, whole_command: bool) -> list[Change]:
    """Take a correction back, or all that one command has made with it; raise ConfigurationError for an unknown one."""
    known = corrections.of_same_command(rebuilder.database, correction)
    if not known:
        raise ConfigurationError(f"there is no correction {correction}; see `ingest correct --list`")
    by_video: dict[str, list[int]] = defaultdict(list)
    for number, video_id in known.items():
        if whole_command or number == correction:
            by_video[video_id].append(number)
    changes = []
    for video_id, ids in by_video.items():
        corrections.remove(rebuilder.database, video_id, ids)
        _, trouble = rebuild(rebuilder, video_id)
        changes += [Change(video_id, number, state=TAKEN_BACK, trouble=trouble) for number in ids]
    return changes


def finish(rebuilder: Rebuilder) -> None:
    """Build the passages again that an interrupted command has left as they were before its change."""
    for video_id in corrections.unfinished(rebuilder.database):
        rebuild(rebuilder, video_id)


def checked(texts: tuple[str, str]) -> tuple[str, str]:
    """Return two texts in one line each; raise ConfigurationError for what no correction can be."""
    expected, replacement = (one_line(text) for text in texts)
    if not places.letters(expected) or not replacement:
        raise ConfigurationError("name the words as they are now, and the right ones")
    if expected == replacement:
        raise ConfigurationError("the two texts are the same")
    if max(len(expected), len(replacement)) > LONGEST_CORRECTION:
        raise ConfigurationError(f"a correction has at most {LONGEST_CORRECTION} letters")
    return expected, replacement


def _present_words(rebuilder: Rebuilder, video_id: str) -> list[SpokenWord]:
    """Return the words of a recording with the corrections that it has."""
    text = overlay.words_of(rebuilder.transcript(video_id).segments, rebuilder.store.overlay(video_id))
    return said.words_of(text.segments)


def _correction(spoken: Sequence[SpokenWord], place: Place, expected: str, replacement: str) -> WordCorrection:
    before, after = places.neighbours(spoken, place)
    start_s, end_s = spoken[place.first].word.start_s, spoken[place.end - 1].word.end_s
    return WordCorrection(0, start_s, max(start_s, end_s), expected, replacement, before, after)


def _make(rebuilder: Rebuilder, video_id: str, made: Sequence[WordCorrection], by: Author) -> list[Change]:
    ids = corrections.add(rebuilder.database, video_id, made, by)
    built, trouble = rebuild(rebuilder, video_id)
    states = {outcome.correction: outcome.state for outcome in built.words} if built is not None else {}
    return [
        Change(video_id, number, one.start_s, states.get(number, "on its way"), trouble)
        for number, one in zip(ids, made, strict=True)
    ]


def rebuild(rebuilder: Rebuilder, video_id: str) -> tuple[PassageText | None, str]:
    """Build the passages of a video again and return them; None where they were left, with the reason.

    The reason is empty where a new run stores them.
    """
    try:
        return rebuilder.rebuild(video_id), ""
    except IngestError as error:
        if error.code.startswith("ENV_"):
            raise
        return None, "" if error.code is Code.SUPERSEDED else str(error)


def _not_said(spoken: Sequence[SpokenWord], video_id: str, expected: str, at_s: float | None) -> str:
    if at_s is None:
        return f"{expected!r} is not said in {video_id}"
    first, end = places.around(spoken, at_s - EARLIER_S, at_s + SHOWN_S)
    return f"{expected!r} is not said near that time in {video_id}; there: {words.shown(spoken[first:end])!r}"
