"""The documentation names only what exists: files, anchors, settings, commands, modules, metrics."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import typer
import yaml

from ingest.cli.app import app
from ingest.cli.settings import AllSettings
from ingest.shared.settings import variable

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("*/README.md")),
    ROOT / "tests" / "faults" / "README.md",
]
README_LINES = 150
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`([a-z_0-9]+(?:/[a-z_0-9]+)*(?:/|/[a-z_0-9]+(?:\.[a-z]+)?))`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SETTING = re.compile(r"\bINGEST_[A-Z0-9_]*[A-Z0-9]\b")
COMMAND = re.compile(r"(?:^|`|&& |-- |; |=1 )ingest ([a-z]+)(?: ([a-z-]+)\b)?(?![/.])", re.MULTILINE)
COMMAND_ROW = re.compile(r"^\| `([a-z]+)`: ", re.MULTILINE)
MODULE = re.compile(r"(?:python -m\s+|`(?=bench\.))((?:bench|ingest|k8s|monitoring|tests|training)(?:\.[a-z_0-9]+)+)")
TARGET = re.compile(r"(?:^|`|&& )make ([a-z-]+(?: [a-z-]+)*)", re.MULTILINE)
METRIC = re.compile(r"\bingest_[a-z_]+[a-z]")
DECLARED_METRIC = re.compile(r"\(\s*\"(ingest_[a-z_]+)\",\s*(?:\"[A-Z]|[A-Z]+_[A-Z]+,|\n)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page as GitHub makes them from headings."""
    headings = HEADING.findall(page.read_text())
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@cache
def sources() -> str:
    """Return the source of the package and of the fault harness."""
    paths = [*ROOT.glob("services/**/*.py"), *ROOT.glob("tests/faults/*.py")]
    return "\n".join(path.read_text() for path in paths)


def commands(group: object, prefix: str = "") -> Iterator[str]:
    """Yield the commands of the command line, those of a group with its name."""
    for name, command in getattr(group, "commands", {}).items():
        yield prefix + name
        yield from commands(command, f"{prefix}{name} ")


def test_the_readme_fits_into_one_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pages
def test_every_local_link_leads_to_a_file_and_an_anchor(page: Path) -> None:
    dead = []
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_path_of_the_architecture_exists() -> None:
    """A path in code marks, as `worker/retry.py`, is below the package, or below one of its folders."""
    package = ROOT / "services" / "ingest"
    folders = (ROOT, package, *(folder for folder in package.iterdir() if folder.is_dir()))
    named = set(PATH.findall((ROOT / "docs" / "architecture.md").read_text()))
    assert {name for name in named if not any((folder / name).exists() for folder in folders)} == set()


@pages
def test_every_setting_exists(page: Path) -> None:
    known = {variable(name) for name in AllSettings.model_fields} | set(re.findall(r"\"(INGEST_[A-Z_]+)\"", sources()))
    assert set(SETTING.findall(page.read_text())) - known == set()


@pages
def test_every_command_exists(page: Path) -> None:
    known = set(commands(typer.main.get_command(app)))
    groups = {name.partition(" ")[0] for name in known if " " in name}
    found = {
        f"{first} {second}" if first in groups and second else first
        for first, second in COMMAND.findall(page.read_text())
    }
    assert found - known == set()


def test_every_command_has_a_row_in_the_table_of_commands() -> None:
    known = {name for name in commands(typer.main.get_command(app)) if " " not in name}
    assert set(COMMAND_ROW.findall((ROOT / "docs" / "commands.md").read_text())) == known


@pages
def test_every_module_exists(page: Path) -> None:
    found = {name.replace(".", "/") for name in MODULE.findall(page.read_text())}
    folders = (ROOT, ROOT / "services")
    dead = {
        name
        for name in found
        if not any((folder / name).with_suffix(".py").exists() or (folder / name).is_dir() for folder in folders)
    }
    assert dead == set()


@pages
def test_every_target_of_make_exists(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = {name for names in TARGET.findall(page.read_text()) for name in names.split()}
    assert found - known == set()


def test_the_page_of_metrics_has_exactly_the_metrics_of_the_code() -> None:
    shown = {name.removesuffix("_total") for name in METRIC.findall((ROOT / "docs" / "metrics.md").read_text())}
    assert shown - {"ingest_consumer"} == set(DECLARED_METRIC.findall(sources()))


@pages
def test_every_value_of_the_chart_that_a_command_sets_exists(page: Path) -> None:
    values = yaml.safe_load((ROOT / "charts" / "values.yaml").read_text())

    def exists(name: str) -> bool:
        found: object = values
        for key in name.split("."):
            if not isinstance(found, dict) or key not in found:
                return False
            found = found[key]
        return True

    assert [name for name in re.findall(r"--set ([A-Za-z.]+)=", page.read_text()) if not exists(name)] == []
