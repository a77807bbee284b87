"""The commands about dead letters: `ingest dead ...`. Each reads its options here; `dead` carries them out."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console
from ingest.cli.options import Json, State
from ingest.cli.options import settings as _settings

dead_app = typer.Typer(help="Look at messages that could not be handled, and send them again.", no_args_is_help=True)


@dead_app.command("list")
def dead_list(state: State = None, json: Json = False) -> None:
    """List the dead letters."""
    from ingest.cli.upkeep import dead as command

    command.print_list(_settings(state), as_json=json)


@dead_app.command("show")
def dead_show(number: Annotated[int, typer.Argument(help="Number from `dead list`.")], state: State = None) -> None:
    """Show one dead letter with its message."""
    from ingest.cli.upkeep import dead as command

    command.print_one(_settings(state), number)


@dead_app.command("replay")
def dead_replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers from `dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    state: State = None,
) -> None:
    """Send dead letters again to the stage that gave them up."""
    from ingest.cli.upkeep import dead as command

    if not numbers and not every:
        raise typer.BadParameter("name the numbers of `ingest dead list`, or --all")
    count = command.replay(_settings(state), numbers or None)
    console.out.print(f"{count} sent again" + ("; `ingest run` does the work" if count else ""))
