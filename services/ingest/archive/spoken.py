"""Finds the words of each passage of a recording in its transcript on the volume, with their times and language.

A passage is made of consecutive words. Where its text is not that of its words (a very long word was cut), the passage
has no words; the search continues at the start of the next one.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from ingest.shared.artifacts import transcript
from ingest.shared.artifacts.transcript import INVENTED, Word, join
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.archive.reading import PassageRow
    from ingest.shared.artifacts.transcript import Segment, Transcript
    from ingest.shared.artifacts.volume import Volume


def stored(volume: Volume, video_id: str) -> Transcript | None:
    """Return the transcript of a recording; None when the volume has none.

    Raise ENV_VOLUME when the volume cannot be read, BAD_TRANSCRIPT for a damaged file.
    """
    manifest = volume.manifest(video_id, "transcript")
    if manifest is None:
        return None
    path = volume.resolve(manifest.artifact.path)
    if path.parent != volume.folder(video_id) or not path.is_file():
        return None
    return transcript.read(path)


def words_of(passages: Sequence[PassageRow], spoken: Transcript | None) -> list[tuple[Word, ...]]:
    """Return the words of each passage."""
    words = [] if spoken is None else _words(spoken)
    found: list[tuple[Word, ...]] = []
    at = 0
    for passage in passages:
        end = _end(words, at, passage.text)
        if end is None:
            at = _next(words, at, passage.start_s)
            end = _end(words, at, passage.text)
        if end is None:
            found.append(())
        else:
            found.append(tuple(words[at:end]))
            at = end
    return found


def languages_of(passages: Sequence[PassageRow], spoken: Transcript | None) -> list[str | None]:
    """Return the language of each passage: that of the segment in which it begins; None where it is not stored."""
    segments = [] if spoken is None else _segments(spoken)
    ends_s = [segment.end_s for segment in segments]
    at = [bisect.bisect_right(ends_s, passage.start_s) for passage in passages]
    return [segments[index].language if index < len(segments) else None for index in at]


def _segments(spoken: Transcript) -> list[Segment]:
    return [segment for segment in spoken.segments if INVENTED not in segment.flags]


def _words(spoken: Transcript) -> list[Word]:
    return [word for segment in _segments(spoken) for word in segment.words if word.text.strip()]


def _end(words: Sequence[Word], at: int, text: str) -> int | None:
    """Return the index after the words, from `at`, that have this text; None when they have another."""
    length, end = 0, at
    while end < len(words) and length < len(text):
        length += len(clean(words[end].text)) + (len(words[end].before) if end > at else 0)
        end += 1
    return end if end > at and clean(join(words[at:end])) == text else None


def _next(words: Sequence[Word], at: int, start_s: float) -> int:
    """Return the index of the first word, from `at`, that begins at `start_s` or later."""
    return next((index for index in range(at, len(words)) if words[index].start_s >= start_s), len(words))
