"""What a text model wants before a question and before a passage, as its makers trained it.

The files of a model name its prompts. Families that were published without them have those of their model cards.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE = "config_sentence_transformers.json"
QUESTION_NAMES = ("query",)
PASSAGE_NAMES = ("document", "passage", "corpus")  # as sentence-transformers looks for them


@dataclass(frozen=True)
class Prompts:
    """The texts that a model wants before a question and before a passage; empty where it wants none."""

    question: str = ""
    passage: str = ""

    @property
    def mark(self) -> str:
        """Return what tells vectors of passages with this prompt from those without; empty without one.

        The prompt of questions is no part of it: it changes no stored vector.
        """
        return f"+{hashlib.sha256(self.passage.encode()).hexdigest()[:6]}" if self.passage else ""


FAMILIES: Final = (
    (r"(multilingual-)?e5-(small|base|large)(-v2)?", Prompts("query: ", "passage: ")),
    (r"bge-(small|base|large)-en(-v1\.5)?", Prompts("Represent this sentence for searching relevant passages: ")),
    (r"bge-(small|base|large)-zh(-v1\.5)?", Prompts("为这个句子生成表示以用于检索相关文章：")),  # noqa: RUF001 (as it was trained)
    (r"nomic-embed-text-v(1|1\.5|2-moe)", Prompts("search_query: ", "search_document: ")),
)


def prompts_of(name: str, folder: Path) -> Prompts:
    """Return the prompts of a model in a folder; `name` is its name without that of its owner.

    Raise ValueError for a file that is not what sentence-transformers writes.
    """
    path = folder / FILE
    written = (json.loads(path.read_text()) if path.is_file() else {}).get("prompts") or {}
    found = Prompts(_first(written, QUESTION_NAMES), _first(written, PASSAGE_NAMES))
    if found != Prompts():
        return found
    return next((prompts for family, prompts in FAMILIES if re.fullmatch(family, name, re.IGNORECASE)), found)


def _first(written: dict[str, object], names: tuple[str, ...]) -> str:
    return next((str(written[name]) for name in names if written.get(name)), "")
