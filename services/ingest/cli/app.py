"""The command line: puts the groups of commands together, inside the boundary.

    runs/app         run, submit               upkeep/app        retry, resume, mend, embed, purge, forget
    find/app         search, serve, mcp, status  upkeep/dead_app   dead list, show, replay
    transcripts/app  show, export, import, ... upkeep/aside_app  aside list, replay
    voices/app       voices list, enroll ...   operate/app       demo, doctor, config, migrate, selftest
    models/app       models list, fetch, verify  vocabulary/app    vocabulary add, list, remove, used
    quotes/app       verify                      readings/app      compare, rerun
    boundary         checks words, gives every error a status and a line

A command reads its options, opens connections where it needs them, and calls one function of another module.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from ingest.cli import boundary, console, streams
from ingest.cli.find.app import find_app
from ingest.cli.models.app import models_app
from ingest.cli.needed import needed
from ingest.cli.operate.app import operate_app
from ingest.cli.options import OPERATE, UPKEEP, VOICES
from ingest.cli.quotes.app import quotes_app
from ingest.cli.readings.app import readings_app
from ingest.cli.runs.app import ask_app
from ingest.cli.transcripts.app import correct_app, transcripts_app
from ingest.cli.upkeep.app import upkeep_app
from ingest.cli.upkeep.aside_app import aside_app
from ingest.cli.upkeep.dead_app import dead_app
from ingest.cli.upkeep.volume_app import volume_app
from ingest.cli.vocabulary.app import vocabulary_app
from ingest.cli.voices.app import voices_app

app = typer.Typer(
    name="ingest",
    cls=boundary.BoundaryGroup,
    help="Turns channels, feeds and files into a searchable archive: the words, their times, and the speakers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(ask_app)
app.add_typer(find_app)
app.add_typer(transcripts_app)
app.add_typer(quotes_app)
app.add_typer(voices_app, name="voices", rich_help_panel=VOICES)
app.add_typer(upkeep_app)
app.add_typer(correct_app)
app.add_typer(readings_app)
app.add_typer(vocabulary_app, name="vocabulary", rich_help_panel=UPKEEP)
app.add_typer(dead_app, name="dead", rich_help_panel=UPKEEP)
app.add_typer(aside_app, name="aside", rich_help_panel=UPKEEP)
app.add_typer(volume_app, name="volume", rich_help_panel=UPKEEP)
app.add_typer(operate_app)
app.add_typer(models_app, name="models", rich_help_panel=OPERATE)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (typer calls it by position)
    if wanted:
        console.out.print(f"ingest {metadata.version('ingest')}")
        raise typer.Exit


@app.callback()
def options_of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read the options that stand before a command."""


def main() -> None:
    """Run the command line in a process of its own."""
    streams.prepare()
    needed(app, sys.argv[1:])(prog_name="ingest")


if __name__ == "__main__":
    main()
