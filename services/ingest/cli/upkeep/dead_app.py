"""The commands about dead letters: `ingest dead ...`. Each reads its options here; `dead` carries them out."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import LARGEST, Json, State

dead_app = typer.Typer(
    help="List dead letters (messages that a stage has given up), and send them to their stage again.",
    no_args_is_help=True,
)


@dead_app.command("list")
def dead_list(state: State = None, json: Json = False) -> None:
    """List the dead letters.

    [bold]Example[/]

      ingest dead list
    """
    from ingest.cli.upkeep import dead as command

    with options.connections(state) as connections:
        command.print_list(connections.bus, as_json=json)


@dead_app.command("show")
def dead_show(
    number: Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number from `dead list`.")], state: State = None
) -> None:
    """Show one dead letter with its message, as JSON.

    [bold]Example[/]

      ingest dead show 7
    """
    from ingest.cli.upkeep import dead as command

    with options.connections(state) as connections:
        command.print_one(connections.bus, number)


@dead_app.command("replay")
def dead_replay(
    numbers: Annotated[list[int] | None, typer.Argument(min=1, max=LARGEST, help="Numbers from `dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    state: State = None,
) -> None:
    """Send dead letters to their stage again. Those that cannot be read are skipped and named (exit status 3).

    [bold]Examples[/]

      ingest dead replay 7 9

      ingest dead replay --all && ingest run
    """
    from ingest.cli.upkeep import dead as command

    chosen = options.named_or_all(numbers, every, "numbers from `ingest dead list`")
    with options.connections(state) as connections:
        done = command.replay(connections.bus, chosen)
    console.out.print(f"{len(done.sent)} sent again" + ("; to process them: `ingest run`" if done.sent else ""))
    for one in done.skipped:
        console.err.print(f"{one.number} skipped: {one.reason}", markup=False)
    if done.skipped:
        raise typer.Exit(console.SOME_FAILED)
