"""The sizes and names that CONTRIBUTING.md promises: small folders, files and functions, and types that are nouns."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("services", "bench", "k8s", "monitoring", "training", "tests")
MOST_MODULES = 16
MOST_LINES = 400
MOST_FUNCTION_LINES = 40
PARTICIPLE = re.compile(
    r".*[a-z]ed|.*(Told|Made|Known|Heard|Spoken|Said|Done|Built|Found|Held|Kept|Lost|Sent|Shown|Taken|Written|Chosen)"
)
NOUNS = {
    "Feed",
    "Seed",
    "Speed",
    "Embed",
    "ChangeRequested",
    "VideoRequested",
}  # Embed is a handler; messages are named after what happened


def python_files(place: str) -> list[Path]:
    return sorted((ROOT / place).rglob("*.py"))


@cache
def definitions(place: str) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Return the functions and classes in a folder, each with its file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        (str(path.relative_to(ROOT)), node)
        for path in python_files(place)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]


@pytest.mark.parametrize("place", SOURCES)
def test_files_and_functions_are_short(place: str) -> None:
    files = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in python_files(place)}
    functions = {
        f"{file}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file, node in definitions(place)
        if not isinstance(node, ast.ClassDef)
    }
    assert {name: lines for name, lines in files.items() if lines > MOST_LINES} == {}
    assert {name: lines for name, lines in functions.items() if lines > MOST_FUNCTION_LINES} == {}


def test_a_folder_of_the_source_has_few_modules() -> None:
    modules = Counter(path.parent for path in python_files("services") if path.name != "__init__.py")
    assert [str(folder) for folder, count in modules.items() if count > MOST_MODULES] == []


@pytest.mark.parametrize("place", SOURCES)
def test_the_names_of_types_are_nouns(place: str) -> None:
    types = [(file, node.name) for file, node in definitions(place) if isinstance(node, ast.ClassDef)]
    assert [one for one in types if PARTICIPLE.fullmatch(one[1]) and one[1] not in NOUNS] == []
