"""Restores the spacing of words in transcripts of version 2 and older, which did not keep it. Pure.

Whisper's tokenizer cuts a word before most of its marks: `3` `.5`, `well` `-known`, `n` `'a`. A word that begins with
such a mark was written without a blank. Scripts without blanks are joined. What the words leave open is counted: words
of other scripts inside of a language without blanks (`New` `York`, `Chat` `GPT`), which stay apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts.transcript import TRANSCRIPT_VERSION, Segment, Transcript, Word, join
from ingest.shared.scripts import needs_blank

if TYPE_CHECKING:
    from collections.abc import Iterable

WITH_SPACING = 3  # the version of transcripts that keep it
CUT_EVERYWHERE = ("ja", "lo", "my", "th", "yue", "zh")  # their words are tokens, in all scripts
APOSTROPHE_BEGINS_WORDS = ("en",)  # 'em, 'cause; elsewhere it follows an elided word
BLANK_BEFORE_PERCENT = ("cs", "de", "fi", "fr", "nb", "nn", "no", "ru", "sk", "sv", "uk")

_ENDS_WORD = re.compile(r"[\w+]$")
_LATER_PART = re.compile(r"[.\-/&@_]\w|\++\W*$")
_LATER_NUMBER = re.compile(r"[,:]\d")
_AFTER_ELISION = re.compile(r"['’]\w")  # noqa: RUF001 (the other apostrophe)


@dataclass(frozen=True)
class SpacingResult:
    """A transcript with spacing, the number of words that are now joined, and of those that may have been."""

    transcript: Transcript
    joined: int
    unsure: int


def respace(older: Transcript) -> SpacingResult:
    """Return a transcript of an earlier version with the spacing of its words."""
    segments: list[Segment] = []
    last, joined, unsure = "", 0, 0
    for segment in older.segments:
        words = []
        for word in segment.words:
            is_joined = _is_joined(last, word.text, older.language)
            joined += is_joined
            unsure += older.language in CUT_EVERYWHERE and not is_joined and _is_unsure(last, word.text)
            words.append(word.model_copy(update={"before": "" if is_joined else " "}))
            last = word.text
        segments.append(_with(segment, words))
    changes = {"transcript_version": TRANSCRIPT_VERSION, "segments": tuple(segments)}
    return SpacingResult(older.model_copy(update=changes), joined, unsure)


def _with(segment: Segment, words: Iterable[Word]) -> Segment:
    if not segment.words:
        return segment
    kept = tuple(words)
    return segment.model_copy(update={"text": join(kept), "words": kept})


def _is_joined(last: str, text: str, language: str) -> bool:
    if not (last and text and needs_blank(last, text)):
        return bool(last and text)
    return bool(_ENDS_WORD.search(last)) and (
        bool(_LATER_PART.match(text)) or _is_number(last, text, language) or _is_elided(last, text, language)
    )


def _is_number(last: str, text: str, language: str) -> bool:
    has_percent = text.startswith("%") and language not in BLANK_BEFORE_PERCENT
    has_digits = language in CUT_EVERYWHERE and text[:1].isdigit()
    return last[-1].isdigit() and (has_percent or has_digits or bool(_LATER_NUMBER.match(text)))


def _is_elided(last: str, text: str, language: str) -> bool:
    return last[-1].isalpha() and language not in APOSTROPHE_BEGINS_WORDS and bool(_AFTER_ELISION.match(text))


def _is_unsure(last: str, text: str) -> bool:
    """Whether two words may be parts of one."""
    return bool(_ENDS_WORD.search(last)) and text[:1].isalnum()
