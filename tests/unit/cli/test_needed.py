"""A command line has the command that it names, as the whole one has it, and nothing else is built."""

from __future__ import annotations

from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from ingest.cli.app import app
from ingest.cli.needed import needed


def built(words: list[str]) -> TyperGroup:
    found = get_command(needed(app, words))
    assert isinstance(found, TyperGroup)
    return found


def described(command: Any) -> Any:  # noqa: ANN401 (a command or a group)
    """Return what a user sees of a command."""
    options = [(one.name, one.opts, one.required) for one in command.params]
    return [type(command), command.help, options, [described(one) for one in getattr(command, "commands", {}).values()]]


def test_each_command_and_group_is_as_in_the_whole_command_line() -> None:
    whole = built([])
    assert len(whole.commands) > 20
    for name, command in whole.commands.items():
        alone = built([name, "--help"])
        assert list(alone.commands) == [name]
        assert described(alone.commands[name]) == described(command)
        assert described(alone)[:3] == described(whole)[:3]


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["stauts"], ["list"]])
def test_a_command_line_that_names_no_command_is_whole(words: list[str]) -> None:
    assert needed(app, words) is app
