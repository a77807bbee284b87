"""The options of `ingest correct` that say what it does, and which of them exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli.options import LARGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMED = (
    "no words beside --undo",
    "",
    "the words as they are, and the right ones",
    "a video, the words, and the right ones",
)
OF_ONE, OF_ALL = 3, 2  # words of the command


@dataclass(frozen=True)
class CorrectAction:
    """What `ingest correct` does: correct everywhere (`every`, and really with `yes`), list, or take `undo` back."""

    every: bool
    yes: bool
    only_list: bool
    look: bool
    undo: int | None
    limit: int = 100
    page: int = 1

    def check(self, words: Sequence[str], at: str | None) -> None:
        """Refuse words and options that do not belong together."""
        if self.only_list + (self.undo is not None) + (self.every and self.undo is None) > 1:
            raise typer.BadParameter("--list, --undo and --all exclude each other")
        if (self.look and not self.only_list) or (self.yes and not self.every):
            raise typer.BadParameter("--look belongs to --list, and --yes to --all")
        if at is not None and (self.only_list or self.undo is not None or self.every):
            raise typer.BadParameter("--at is for one recording: name it, the words as they are, and the right ones")
        number = 0 if self.undo is not None else OF_ALL if self.every else OF_ONE
        if len(words) != number and not (self.only_list and len(words) <= 1):
            raise typer.BadParameter(f"name {NAMED[number]}")


def correct_action(
    *,
    every: Annotated[bool, typer.Option("--all", help="In all recordings; with --undo: the whole command.")] = False,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="With --all: correct, or only show the places.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the corrections, or those of a video.")] = False,
    look: Annotated[bool, typer.Option("--look", help="With --list: only those that need a look.")] = False,
    undo: Annotated[int | None, typer.Option(metavar="ID", min=1, max=LARGEST, help="Take a correction back.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="With --all: places that are shown.")] = 100,
    page: Annotated[int, typer.Option(min=1, max=LARGEST, help="With --all: which of these pages is shown.")] = 1,
) -> CorrectAction:
    """Return what the options ask for."""
    return CorrectAction(every, yes, only_list, look, undo, limit, page)
