"""Plain words: the source and the documentation name the noun instead of a pronoun for an unknown person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("services", "charts", "bench", "monitoring", "training", "docs", "README.md", "CHANGELOG.md")
SUFFIXES = {".json", ".md", ".py", ".sql", ".svg", ".tpl", ".txt", ".yaml"}
WORDS = re.compile(r"\b(nobody|somebody|anybody|whoever|in hand|is told|hears)\b", re.IGNORECASE)


def files(place: Path) -> list[Path]:
    """Return the texts in a folder, or the file itself."""
    return [path for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES] if place.is_dir() else [place]


@pytest.mark.parametrize("place", PLACES)
def test_a_text_names_the_noun(place: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files(ROOT / place)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if WORDS.search(line)
    ]
    assert found == []
