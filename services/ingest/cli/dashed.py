"""Commands whose arguments may begin with a dash: video ids (1 of 64 does), and words that a search leaves out.

Typer takes every word that begins with a dash for an option. These commands put the words that are none behind `--`.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperOption

from ingest.shared.messages import VIDEO_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

VIDEO_ID = re.compile(VIDEO_ID_PATTERN)
OPTION = re.compile("--[a-z-]+")


def is_id(word: str) -> bool:
    """Return whether a word that begins with a dash may be a video id, and not a misspelt option."""
    return VIDEO_ID.fullmatch(word) is not None and OPTION.fullmatch(word) is None


def is_left_out(word: str) -> bool:
    """Return whether a word that begins with a dash is a word or phrase that a search leaves out."""
    return len(word) > 1 and not word.startswith("--")


def arranged(words: Sequence[str], takes_value: Mapping[str, bool], is_argument: Callable[[str], bool]) -> list[str]:
    """Return the words of a command with its options first, and the arguments behind `--`, if one begins with a dash.

    `takes_value` has the options of the command. A word that begins with a dash is an argument if it is no option and
    `is_argument` says so.
    """
    options: list[str] = []
    arguments: list[str] = []
    rest: Iterator[str] = iter(words)
    for word in rest:
        name = word.partition("=")[0]
        if word == "--":
            arguments += rest
        elif not word.startswith("-") or (name not in takes_value and is_argument(word)):
            arguments.append(word)
        else:
            options.append(word)
            if takes_value.get(word):
                options += [value for value in (next(rest, None),) if value is not None]
    return [*options, "--", *arguments] if any(word.startswith("-") for word in arguments) else list(words)


def with_dashes(is_argument: Callable[[str], bool]) -> type[TyperCommand]:
    """Return a class of commands whose arguments may begin with a dash."""

    class DashedCommand(TyperCommand):
        """A command whose arguments may begin with a dash."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer does not export its type)
            """Read the options and arguments."""
            options = [option for option in self.params if isinstance(option, TyperOption)]
            names = {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
            takes_value = {name: not option.is_flag for name, option in names.items()}
            takes_value["--help"] = False
            for word in takewhile("--".__ne__, args):
                if f"-{word}" in takes_value:
                    raise typer.BadParameter(f"{word}: did you mean -{word}?", ctx=ctx)
            return super().parse_args(ctx, arranged(args, takes_value, is_argument))

    return DashedCommand
