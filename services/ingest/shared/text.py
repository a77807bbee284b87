"""Text from outside, made storable: what JSON, Postgres and a terminal all accept."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """Return `text` without NUL bytes, other control characters and lone surrogates."""
    return _UNSTORABLE.sub("", text)


def shorten(text: str, limit: int = 500) -> str:
    """Return one clean line of at most `limit` characters."""
    line = " ".join(clean(text.replace("\t", " ").replace("\n", " ")).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its type when it has no text."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
