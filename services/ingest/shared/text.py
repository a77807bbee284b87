"""Makes text of other systems storable in JSON, Postgres and terminals, and shortens it."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]")  # they change the order of other letters


def clean(text: str) -> str:
    """Return `text` without NUL bytes, other control characters and lone surrogates."""
    return _UNSTORABLE.sub("", text)


def one_line(text: str) -> str:
    """Return `text` as one clean line: each run of blanks and line ends is one blank, bidi controls are left out."""
    words = _BIDI_CONTROLS.sub("", " ".join(text.split()))
    return " ".join(clean(words).split())


def shorten(text: str, limit: int = 500) -> str:
    """Return one clean line of at most `limit` characters."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its type when it has no text."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
