"""The commands about the volume: `ingest volume ...`."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import Json, State

volume_app = typer.Typer(help="Move audio, transcripts and profiles to another home.", no_args_is_help=True)
Place = Annotated[str, typer.Argument(help="A folder, s3://BUCKET/PREFIX or nats://BUCKET.")]


@volume_app.callback()
def volume() -> None:
    """Move audio, transcripts and profiles to another home."""


@volume_app.command("copy")
def volume_copy(source: Place, target: Place, state: State = None, json: Json = False) -> None:
    """Copy a volume to another place. It is verified, and continues where it was interrupted.

    Stop the services first, copy, set INGEST_VOLUME_URL (in a cluster: volume.mode), and start them again. The source
    stays as it is. The keys of a bucket are those of INGEST_VOLUME_ACCESS_KEY. Exit status 3: at least one file is not
    what was written, and was left out; the stages make it again.

    [bold]Example[/]

      ingest volume copy ~/.local/share/ingest/volume s3://archive/ingest
    """
    from ingest.cli.upkeep import volume_copy as command

    report = command.copy(options.settings(state), source, target)
    command.print_report(report, as_json=json)
    raise typer.Exit(console.SOME_FAILED if report.refused else console.OK)
