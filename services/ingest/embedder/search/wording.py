"""Reads the text of a question: words, `"phrases"`, `-words` and `-"phrases"` that are left out, and `OR`.

The full-text search of Postgres has the same notation. A vector has no such notation: what a passage must or must not
contain is therefore a condition on both halves of a search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PART = re.compile(r'(?P<dash>-(?=[\w"]))?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')

OR = "OR"


@dataclass(frozen=True)
class Wording:
    """The text of a question, in several forms.

    meaning    for the encoder: without notation, and without what is left out
    words      for the full-text search
    included   the same, without what is left out
    required   for the full-text search: the phrases that every answer has (may be empty)
    condition  for the full-text search, true of every answer: the phrases, and what is left out (may be empty)
    """

    meaning: str
    words: str
    included: str
    required: str
    condition: str


def read(text: str) -> Wording:
    """Return the wording of a question. Where it has an `OR`, an answer need not contain its phrases."""
    meaning, words, phrases, left_out = [], [], [], []
    for part in PART.finditer(text):
        phrase = part["phrase"]
        body = part["word"].lstrip("-") if phrase is None else " ".join(phrase.split())
        if not body:
            continue
        notation = body if phrase is None else f'"{body}"'
        if part["dash"]:
            left_out.append(f"-{notation}")
            continue
        words.append(notation)
        if phrase is not None:
            phrases.append(notation)
        if notation.upper() != OR:
            meaning.append(body)
    required = [] if OR in map(str.upper, words) else phrases
    return Wording(
        meaning=" ".join(meaning or words),
        words=" ".join([*words, *left_out]),
        included=" ".join(words),
        required=" ".join(required),
        condition=" ".join([*required, *left_out]),
    )
