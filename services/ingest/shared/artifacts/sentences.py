"""Finds the ends of sentences in recognised words: a mark that ends a sentence is often a part of something else.

Whisper writes capitals, so the word after a full stop shows most abbreviations: a sentence does not go on in lower case
behind an end. The tables below are for those that a capital or a number follows. When in doubt, the sentence goes on: a
sentence that is too long costs less than one that ends inside of a name. Pure.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.shared.scripts import needs_blank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.shared.artifacts.transcript import TextPart, Word

STOPS = (".", "…")
MARKS = ("?", "!", "\u061f", "\u06d4", "।", "॥", "።", "\u0589", "။", "។")  # also Arabic, Urdu and Armenian
WIDE_MARKS = ("。", "？", "！", "．", "｡", "‼", "⁇", "⁉")  # noqa: RUF001 (the marks of other scripts)
CLOSING = "\"'”’»«“)]}」』）】》〉"  # noqa: RUF001 (the marks of other scripts)
OPENING = "\"'“‘«»„‚([{¿¡「『（【《〈-–—"  # noqa: RUF001 (the marks of other scripts)
TITLES = ("Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Rev", "Gen", "Col", "Capt", "Lt", "Sgt", "Sen", "Rep", "Gov")
BEFORE_CAPITALS = {
    "de": ("Hr", "Fr", "Dipl", "Ing", "bzw", "ca", "evtl", "ggf", "inkl", "exkl", "sog", "bspw", "vgl"),
    "en": ("vs", "approx", "cf"),
    "es": ("Sr", "Sra", "Srta", "Dra", "Ud", "Uds"),
    "fr": ("Mme", "Mmes", "Mlle", "MM", "Me", "env"),
    "it": ("Sig", "Dott", "Avv", "On"),
    "nl": ("dhr", "mevr", "drs", "Dhr", "Mevr", "ca"),
    "pt": ("Sr", "Sra", "Dra", "Exmo"),
    "ru": ("\u0433", "ул", "т", "д", "проф", "акад"),
}
BEFORE_NUMBERS = ("no", "nr", "nos", "vol", "pp", "art", "fig", "abs", "kap", "bd", "ch", "sec", "cap", "núm", "стр")
HOURS = ("a.m", "p.m")  # other letters with dots rarely end a sentence
ORDINAL_LANGUAGES = (
    "cs",
    "da",
    "de",
    "et",
    "fi",
    "hr",
    "hu",
    "is",
    "lv",
    "no",
    "pl",
    "sk",
    "sl",
    "sr",
    "tr",
)  # 3. is third
LONGEST_TOKEN = 40  # scripts without blanks have no end of a token
_DOTTED = re.compile(r"\w(\.\w)+")
_SMALL_NUMBER = re.compile(r"\d{1,2}")


def ends(words: Sequence[TextPart], language: str) -> list[bool]:
    """Return of each word whether a sentence ends with it."""
    found, token = [], ""
    for index, word in enumerate(words):
        token = word.text if word.before else token[-LONGEST_TOKEN:] + word.text
        following = words[index + 1] if index + 1 < len(words) else None
        found.append(_ends(token, following, language))
    return found


def split(words: Sequence[Word], language: str) -> list[Sequence[Word]]:
    """Return the words of each sentence."""
    after = [index + 1 for index, is_end in enumerate(ends(words, language)) if is_end or index + 1 == len(words)]
    return [words[first:last] for first, last in pairwise([0, *after])]


def _ends(token: str, following: TextPart | None, language: str) -> bool:
    """Whether a sentence ends with `token`, the text since the last blank."""
    body = token.rstrip(CLOSING)
    if not body.endswith(STOPS + MARKS + WIDE_MARKS):
        return False
    if following is None:
        return True
    if not following.before and _is_part(body, following.text):
        return False
    return body.endswith(MARKS + WIDE_MARKS) or _stop_ends(body, following.text.lstrip(OPENING), language)


def _is_part(body: str, following: str) -> bool:
    """Whether text without a blank before it belongs to a mark: a further mark, the rest of a name or a number."""
    is_mark = not following.strip(CLOSING + "".join(STOPS + MARKS + WIDE_MARKS))
    return is_mark or (not body.endswith(WIDE_MARKS) and needs_blank(body, following))


def _stop_ends(body: str, following: str, language: str) -> bool:
    """Whether a sentence ends with a full stop, given the text after it."""
    name = body.rstrip(".…").lstrip(OPENING)
    if following[:1].islower():
        return False
    if body.endswith(("..", "…")):
        return True
    if _SMALL_NUMBER.fullmatch(name):
        return language not in ORDINAL_LANGUAGES
    if _DOTTED.fullmatch(name):
        return name.casefold() in HOURS
    if name.casefold() in BEFORE_NUMBERS:
        return not following[:1].isdigit()
    is_initial = len(name) == 1 and name.isupper() and name != "I"
    return not (is_initial or name in TITLES or name in BEFORE_CAPITALS.get(language, ()))
