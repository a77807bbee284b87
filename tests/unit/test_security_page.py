"""The page about security names a test for each wall and each attack, and each of these tests exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
LINK = re.compile(r"\[(test_[a-z_0-9]+)(?:\.py)?\]\((\.\./tests/[^)]+\.py)\)")
ROWS = [
    row
    for row in PAGE.read_text().splitlines()
    if row.startswith("| ") and row.count(" | ") == 2 and not row.startswith(("| wall |", "| attack |"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].removeprefix("| ")[:60])
def test_a_row_names_tests_that_exist(row: str) -> None:
    _, _, named = row.rpartition(" | ")
    found = LINK.findall(named)
    assert found or "(../tests/" in named
    for name, file in found:
        text = (PAGE.parent / file).read_text()
        assert Path(file).stem == name or f"def {name}(" in text


def test_the_page_has_the_rows_of_its_tables() -> None:
    assert len(ROWS) > 45
