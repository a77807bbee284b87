"""What `--help`, `--version` and shell completion show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer import rich_utils

from ingest.cli import options
from ingest.cli.app import app
from ingest.shared.errors import Code
from ingest.shared.video_state import VideoState
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

PANELS = (options.ASK, options.FIND, options.VOICES, options.UPKEEP, options.OPERATE)


def commands(group: typer.Typer, *words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each command below a group with its help text."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*words, command.name or command.callback.__name__), command.callback.__doc__ or ""
    for below in group.registered_groups:
        assert below.typer_instance is not None
        name = below.name if isinstance(below.name, str) else None
        yield from commands(below.typer_instance, *words, *([name] if name else []))


ALL = dict(commands(app))


def shown(*words: str) -> str:
    done = CommandLine(env={"COLUMNS": "200"}).invoke(app, [*words])
    assert done.exit_code == 0, done.output
    return done.output


def test_help_shows_every_command_in_one_of_five_groups() -> None:
    text = shown("--help")
    places = [text.index(f" {panel} ") for panel in PANELS]
    assert places == sorted(places)
    assert {("run",), ("search",), ("voices", "enroll"), ("dead", "replay"), ("doctor",)} <= ALL.keys()
    assert all(f"│ {words[0]} " in text for words in ALL)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_command_has_an_example_that_names_it(words: tuple[str, ...]) -> None:
    _, heading, examples = ALL[words].partition("[bold]Example")
    assert heading
    assert f"ingest {' '.join(words)}" in examples
    assert f"ingest {' '.join(words)}" in shown(*words, "--help")


def test_the_version_is_shown() -> None:
    assert shown("--version").split()[0] == "ingest"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("ingest status --state-is ", list(VideoState), id="states"),
        pytest.param(
            "ingest retry --code NETWORK_", [code for code in Code if code.startswith("NETWORK_")], id="codes"
        ),
        pytest.param("ingest se", ["search", "selftest", "serve"], id="commands"),
    ],
)
def test_the_shell_completes_commands_states_and_codes(words: str, expected: list[str]) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1), "_INGEST_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [Path(sys.executable).with_name("ingest")],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.split()) == sorted(expected)


@pytest.mark.parametrize("columns", ["1", "10", "20"])
def test_the_help_of_every_command_is_whole_on_a_narrow_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", None)
    runner = CommandLine(env={"COLUMNS": columns})
    for words in ALL:
        done = runner.invoke(app, [*words, "--help"])
        assert (done.exit_code, done.exception) == (0, None)
        assert all(part in done.output for part in ("Usage:", *words, "--help"))
