"""The commands about voices: `ingest voices ...`. Each reads its options here and is carried out by another module."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console
from ingest.cli.options import Json, State
from ingest.cli.options import settings as _settings

voices_app = typer.Typer(help="Enroll voices, so that speakers get their names.", no_args_is_help=True)


@voices_app.command("enroll")
def enroll(
    name: Annotated[str, typer.Argument(help="Whose voice it is, as search and transcripts will say it.")],
    sources: Annotated[list[str] | None, typer.Option("--from", help="Recording of this voice alone.")] = None,
    turns: Annotated[
        list[str] | None, typer.Option("--from-turns", metavar="VIDEO:SPEAKER", help="Turns of an archived video.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Forget what the profile holds so far.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Enroll a voice, or add to its profile: at least 30 seconds of speech of one person.

    A recording in which two voices are heard is refused. Workers use the new version from their next recording on;
    `ingest voices relabel` gives the name to what is archived already.

    [bold]Examples[/]

      ingest voices enroll "Ada Lovelace" --from ada.m4a --from https://example.org/ada.mp3

      ingest voices enroll "Ada Lovelace" --from-turns "dQw4w9WgXcQ:Unknown 1"
    """
    from ingest.cli.voices import enroll as command

    if not (sources or turns):
        raise typer.BadParameter("say where the voice is heard: --from FILE|URL or --from-turns VIDEO:SPEAKER")
    profile = command.enroll(_settings(state), name, sources or (), turns or (), replace=replace)
    command.print_enrolled(profile, as_json=json)


@voices_app.command("list")
def list_voices(state: State = None, json: Json = False) -> None:
    """List the enrolled voices."""
    from ingest.cli.voices import profiles

    profiles.print_list(_settings(state), as_json=json)


@voices_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Whose voice.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Show one profile: its version, model, sources and purity."""
    from ingest.cli.voices import profiles

    profiles.print_one(_settings(state), name, as_json=json)


@voices_app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Whose voice.")], state: State = None) -> None:
    """Forget a voice; `ingest voices relabel` takes its name out of the archive."""
    from ingest.cli.voices import profiles

    profiles.remove(_settings(state), name)
    console.out.print(f"{name} is forgotten; `ingest voices relabel --all` takes the name out of the archive")


@voices_app.command("calibrate")
def calibrate(
    recordings: Annotated[list[str], typer.Argument(metavar="NAME=FILE|URL...", help="Recordings of known voices.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Measure how alike the same and different voices are, and propose thresholds with their error rates.

    [bold]Example[/]

      ingest voices calibrate ada=ada.m4a grace=grace.m4a alan=alan.m4a
    """
    from ingest.cli.voices import calibrate as command

    command.calibrate(_settings(state), recordings, as_json=json)


@voices_app.command("relabel")
def relabel(
    video: Annotated[list[str] | None, typer.Option(help="This video.")] = None,
    channel: Annotated[str | None, typer.Option(help="All videos of this channel.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All videos.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Work out the names of archived videos again, from their stored voice embeddings: no audio, no recognition.

    [bold]Example[/]

      ingest voices relabel --channel Talks
    """
    from ingest.cli.voices import relabel as command

    if not (video or channel or every):
        raise typer.BadParameter("say what to relabel: --video ID, --channel NAME or --all")
    command.relabel(_settings(state), videos=video, channel=channel, as_json=json)
