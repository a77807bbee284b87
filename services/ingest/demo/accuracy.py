"""Word error rate: how far a transcript is from what was said. Pure."""

from __future__ import annotations

import re


def words(text: str) -> list[str]:
    """Return the words of a text, without punctuation and capital letters."""
    return re.findall(r"[a-z0-9']+", text.lower())


def edits(said: list[str], heard: list[str]) -> int:
    """Return the least number of words to insert, delete or replace."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        before, row[0] = row[0], index
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def word_error_rate(said: str, heard: str) -> float:
    """Return edits over the number of words said."""
    reference = words(said)
    return edits(reference, words(heard)) / max(1, len(reference))
