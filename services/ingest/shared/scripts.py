"""Scripts that are written without blanks between words: Han, kana, Thai, Lao, Khmer, Burmese, Tibetan.

`UNSPACED` is the range of their letters for a character class. The column `words` of the archive has the same range: a
blank is put around each of these letters, so that full text search takes each for a word.
"""

from __future__ import annotations

import re
import unicodedata

UNSPACED = (
    "\u0e00-\u109f\u1780-\u17ff\u19e0-\u19ff\uaa60-\uaa7f"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
WIDE = 3  # a Han letter, a kana or a Hangul syllable takes about as long to say as three Latin letters

_LETTER = re.compile(f"[{UNSPACED}]")
_NEEDS_NO_BLANK = re.compile(f"[{UNSPACED}\u3000-\u303f\uff00-\uff65]")  # these letters and their punctuation
_TOKENS = re.compile(f"(\\s*)([{UNSPACED}]|[^\\s{UNSPACED}]+)")
_MARKS = re.compile(r"[^\w']+|_+")
_QUESTION_PARTS = re.compile(r'-?"[^"]*"?|[^\s"]+')


def needs_blank(before: str, after: str) -> bool:
    """Whether two texts are joined by a blank: not next to a script without blanks or its punctuation."""
    return bool(before and after) and not (_NEEDS_NO_BLANK.match(before[-1]) or _NEEDS_NO_BLANK.match(after[0]))


def tokens(text: str) -> list[tuple[str, str]]:
    """Return the words of a text, each with the blanks before it; each letter of a script without blanks is one."""
    return _TOKENS.findall(text)


def folded(text: str) -> list[str]:
    """Return the words of a text without upper case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    found = (word.strip("'") for _, word in tokens(_MARKS.sub(" ", plain)))
    return [word for word in found if word]


def length(text: str) -> int:
    """Return the length of a text in Latin letters, by the time that it takes to say it."""
    return sum(WIDE if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def spaced(text: str) -> str:
    """Return a text with blanks around each letter of a script without blanks."""
    return _LETTER.sub(r" \g<0> ", text)


def question(text: str) -> str:
    """Return a search text for `websearch_to_tsquery` over spaced texts: runs of these scripts become phrases."""
    return " ".join(_phrase(part) for part in _QUESTION_PARTS.findall(text))


def _phrase(part: str) -> str:
    if not _LETTER.search(part) or '"' in part:
        return spaced(part)
    sign, word = ("-", part[1:]) if part.startswith("-") else ("", part)
    return f'{sign}"{spaced(word)}"'
