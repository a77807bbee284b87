"""What a service imports at its start is in the image of that service: each has the packages of a few extras alone."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STAGE = r"^FROM \S+ AS {}\n(?:(?!FROM).*\n)*?RUN .*/build/install(?:-without-ytdlp)? ([a-z ]+)$"


def extras_of(image: str) -> list[str]:
    found = re.search(STAGE.format(image), (ROOT / "Dockerfile.cpu").read_text(), re.MULTILINE)
    assert found, image
    return found[1].split()


def distributions(extras: list[str]) -> set[str]:
    """Return the names of all packages that extras of the project bring, with those that these need."""
    waiting = [*PROJECT["dependencies"], *(f"ingest[{extra}]" for extra in extras)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            waiting += PROJECT["optional-dependencies"].get(extra, []) if name == "ingest" else needs(name, extra)
    return {name for name, _ in seen}


def needs(name: str, extra: str) -> list[str]:
    """Return what a package needs here, with one of its extras."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another system, or another Python
        return []
    return [line for line in lines if (marker := Requirement(line).marker) is None or marker.evaluate({"extra": extra})]


def file_of(module: str) -> Path | None:
    path = ROOT / "services" / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def at_start(node: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported when a module is: not those of functions, and not those of types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from at_start(child)


def foreign(module: str) -> dict[str, str]:
    """Return the packages that a module of ours imports at its start, directly or not, and where."""
    waiting, seen, found = [module], set(), {}
    while waiting:
        name = waiting.pop()
        file = file_of(name)
        if name in seen or file is None:
            continue
        seen.add(name)
        for imported in (name.rpartition(".")[0], *at_start(ast.parse(file.read_text()))):
            top = imported.partition(".")[0]
            if top == "ingest":
                waiting.append(imported)
            elif top and top not in sys.stdlib_module_names:
                found[top] = name
    return found


@pytest.mark.parametrize(
    ("image", "module"),
    [
        *(pytest.param(str(service), f"ingest.{service}.service", id=str(service)) for service in Service),
        pytest.param("embedder", "ingest.archive.service", id="archive"),
        pytest.param("cli", "ingest.cli.app", id="commands"),
        pytest.param("cli", "ingest.cli.runs.run", id="submit"),
        pytest.param("cli", "ingest.cli.find.status", id="status"),
        pytest.param("embedder", "ingest.cli.upkeep.forget", id="forget"),
    ],
)
def test_what_a_service_imports_at_its_start_is_in_its_image(image: str, module: str) -> None:
    there = distributions(extras_of(image))
    by_module = metadata.packages_distributions()
    found = foreign(module)
    assert "pydantic" in found
    missing = {
        name: place
        for name, place in found.items()
        if not there & {canonicalize_name(one) for one in by_module.get(name, ())}
    }
    assert missing == {}


@pytest.mark.parametrize("dockerfile", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_a_change_of_the_locked_packages_is_in_a_command_below_all_that_install_them(dockerfile: str) -> None:
    """podman's cache compares neither mounted folders nor the arguments of LABEL: it would keep the old packages."""
    stages = re.split(r"^FROM ", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
    runtime = next(stage for stage in stages if re.match(r"\S+ AS runtime\n", stage))
    assert re.search(r'^ARG LOCKED=\nRUN .*"\$\{LOCKED\}"', runtime, re.MULTILINE)
    assert "/build/install" not in runtime
    installing = {
        re.match(r"(\S+) AS (\S+)", stage) for stage in stages if re.search(r"/build/install(?!-ytdlp)", stage)
    }
    below = {"runtime"} | {match[2] for match in installing if match and match[1] == "runtime"}
    assert [match[2] for match in installing if match and match[1] not in below] == []
