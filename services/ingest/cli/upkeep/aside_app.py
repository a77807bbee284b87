"""The commands about events that were set aside: `ingest aside ...`. `aside` carries them out."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import Json, State

aside_app = typer.Typer(
    help="List the events that could not be written to the table of videos, and fold them again.",
    no_args_is_help=True,
)


@aside_app.command("list")
def aside_list(state: State = None, json: Json = False) -> None:
    """List the events that are set aside, with the reasons; with --json also what they contain.

    [bold]Example[/]

      ingest aside list
    """
    from ingest.cli.upkeep import aside as command
    from ingest.embedder.tables import set_aside

    with options.connections(state) as connections:
        command.print_list(set_aside.waiting(connections.database), as_json=json)


@aside_app.command("replay")
def aside_replay(
    events: Annotated[list[str] | None, typer.Argument(help="Events from `aside list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All events that are set aside.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Fold events into the table of videos again, after an upgrade or a fix. Safe to repeat.

    Each event keeps its place: what is known of a video from later events stays. Exit status 3: at least one event
    still cannot be written.

    [bold]Examples[/]

      ingest aside replay 1767607200-17

      ingest aside replay --all
    """
    from ingest.cli.upkeep import aside as command

    chosen = options.named_or_all(events, every, "events from `ingest aside list`")
    with options.connections(state) as connections:
        done = command.replay(connections.database, chosen)
    command.print_replay(done, as_json=json)
    raise typer.Exit(console.SOME_FAILED if done.refused else console.OK)
