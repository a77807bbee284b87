"""The word error rate of a transcript, without regard to case and punctuation."""

from __future__ import annotations

import re

import jiwer


def words(text: str) -> list[str]:
    """Return the words of a text in lower case and without punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def edits(reference: list[str], transcript: list[str]) -> int:
    """Return the least number of words to insert, delete or replace."""
    found = jiwer.process_words(" ".join(reference), " ".join(transcript))
    return found.substitutions + found.insertions + found.deletions


def word_error_rate(reference: str, transcript: str) -> float:
    """Return the number of edits divided by the number of words of the reference."""
    expected = words(reference)
    return edits(expected, words(transcript)) / max(1, len(expected))
