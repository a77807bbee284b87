"""Every declared setting is read by some code, and has a description."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.cli.settings import AllSettings
from ingest.shared.settings import Settings, explanations

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).parents[3] / "services"


def _classes(kind: type[Settings]) -> Iterator[type[Settings]]:
    for base in kind.__mro__:
        if issubclass(base, Settings):
            yield base


CLASS_NAMES = {kind.__name__ for kind in _classes(AllSettings)}
FIELDS = sorted(AllSettings.model_fields)
EXPLAINED = explanations(AllSettings)


def reads(node: ast.AST) -> Iterator[str]:
    """Yield the settings that code reads (`settings.name`, `self._settings.name`), apart from the declaring classes."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.ClassDef) and part.name in CLASS_NAMES:
            continue
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load):
            owner = ast.unparse(part.value).rpartition(".")[2]
            if owner.strip("_").endswith("settings"):
                yield part.attr
        yield from reads(part)


def properties() -> dict[str, set[str]]:
    """Return for each property of the settings the fields that it is made of."""
    found: dict[str, set[str]] = {}
    for path in SOURCES.rglob("settings.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name in CLASS_NAMES:
                for function in node.body:
                    if isinstance(function, ast.FunctionDef):
                        parts = {part.attr for part in ast.walk(function) if isinstance(part, ast.Attribute)}
                        found.setdefault(function.name, set()).update(parts)
    return found


@pytest.fixture(scope="module")
def names_read() -> set[str]:
    """Return every field that is read outside the settings, directly or through one of their properties."""
    names = {name for path in SOURCES.rglob("*.py") for name in reads(ast.parse(path.read_text()))}
    made_of = properties()
    while True:
        more = {part for name in names for part in made_of.get(name, ())} - names
        if not more:
            return names
        names |= more


@pytest.mark.parametrize("name", FIELDS)
def test_a_declared_setting_is_read(name: str, names_read: set[str]) -> None:
    assert name in names_read


@pytest.mark.parametrize("name", FIELDS)
def test_a_declared_setting_is_explained(name: str) -> None:
    description = EXPLAINED[name]
    assert description
    assert description == description.strip()


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_that_two_services_declare_is_the_same_in_both(name: str) -> None:
    declared = [kind.model_fields[name] for kind in _classes(AllSettings) if name in kind.__annotations__]
    assert len({(str(field.annotation), str(field.metadata), str(field.default)) for field in declared}) == 1


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("settings.io_workers", {"io_workers"}),
        ("def f(settings): return settings.volume / 'x'", {"volume"}),
        ("self._settings.grace_s", {"grace_s"}),
        ("settings.io_workers = 3", set()),
        ("options.io_workers", set()),
        ("class Settings:\n  def f(settings): return settings.grace_s", set()),
    ],
)
def test_code_that_reads_settings_is_recognised(source: str, names: set[str]) -> None:
    assert set(reads(ast.parse(source))) == names
