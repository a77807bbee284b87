"""Leaves out the commands that a command line does not name: typer would build all of them at every start."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from typer.main import get_command_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer import Typer
    from typer.models import CommandInfo


def needed(app: Typer, words: Sequence[str]) -> Typer:
    """Return a command line with only the command or the group that the first word names; the whole one if none."""
    word = words[0] if words else ""
    for group in app.registered_groups:
        part = copy(group)
        if group.name != word:
            if isinstance(group.name, str) or group.typer_instance is None:
                continue
            named = [command for command in group.typer_instance.registered_commands if _name(command) == word]
            if not named:
                continue
            part.typer_instance = copy(group.typer_instance)
            part.typer_instance.registered_commands = named
            part.typer_instance.registered_groups = []
        found = copy(app)
        found.registered_groups = [part]
        return found
    return app


def _name(command: CommandInfo) -> str | None:
    if command.name:
        return command.name
    return get_command_name(command.callback.__name__) if command.callback else None
