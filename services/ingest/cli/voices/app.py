"""The commands about voices: `ingest voices ...`. Each reads its options here."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import Json, State
from ingest.cli.voices.by_hand_app import by_hand_app

voices_app = typer.Typer(
    help="Enroll the voices of speakers, so that transcripts name them, or name them by hand.", no_args_is_help=True
)
voices_app.add_typer(by_hand_app)


@voices_app.command("enroll")
def enroll(
    name: Annotated[str, typer.Argument(help="Name of the speaker, as shown in search and transcripts.")],
    sources: Annotated[
        list[str] | None, typer.Option("--from", help="Recording of this speaker alone.", callback=options.with_paths)
    ] = None,
    turns: Annotated[
        list[str] | None, typer.Option("--from-turns", metavar="VIDEO:SPEAKER", help="Turns of an archived video.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the present profile.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Enroll a voice, or add recordings to its profile: at least 30 seconds of speech of one person.

    Recordings that contain two voices are refused. Workers use the new version from their next recording on. To name
    the speaker in archived recordings: `ingest voices relabel`.

    [bold]Examples[/]

      ingest voices enroll "Ada Lovelace" --from ada.m4a --from https://example.org/ada.mp3

      ingest voices enroll "Ada Lovelace" --from-turns "dQw4w9WgXcQ:Unknown 1"
    """
    from ingest.cli.voices import enroll as command

    if not (sources or turns):
        raise typer.BadParameter("name recordings of the voice: --from FILE|URL or --from-turns VIDEO:SPEAKER")
    settings = options.settings(state)
    if not turns:
        profile = command.enroll(settings, name, sources or (), (), replace=replace)
    else:
        with options.archive(state) as archive:
            said = command.said_of(archive.database, turns)
            profile = command.enroll(archive.settings, name, sources or (), turns, replace=replace, said=said)
    command.print_enrolled(profile, as_json=json)


@voices_app.command("list")
def list_voices(state: State = None, json: Json = False) -> None:
    """List the enrolled voices.

    [bold]Example[/]

      ingest voices list
    """
    from ingest.cli.voices import profiles

    profiles.print_list(options.settings(state), as_json=json)


@voices_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the speaker.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Show one profile: its version, model, sources and purity.

    [bold]Example[/]

      ingest voices show "Ada Lovelace"
    """
    from ingest.cli.voices import profiles

    profiles.print_one(options.settings(state), name, as_json=json)


@voices_app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Name of the speaker.")], state: State = None) -> None:
    """Delete the profile of a voice. To remove its name from the archive: `ingest voices relabel`.

    [bold]Example[/]

      ingest voices remove "Ada Lovelace"
    """
    from ingest.cli.voices import profiles

    profiles.remove(options.settings(state), name)
    console.out.print(f"{name} is removed; to remove the name from the archive: `ingest voices relabel --all`")


@voices_app.command("calibrate")
def calibrate(
    recordings: Annotated[list[str], typer.Argument(metavar="NAME=FILE|URL...", help="Recordings of known speakers.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Measure the similarities of equal and different voices, and propose thresholds with their error rates.

    [bold]Example[/]

      ingest voices calibrate ada=ada.m4a grace=grace.m4a alan=alan.m4a
    """
    from ingest.cli.voices import calibrate as command

    command.calibrate(options.settings(state), recordings, as_json=json)


@voices_app.command("relabel")
def relabel(
    video: Annotated[list[str] | None, typer.Option(help="Only the video with this id.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only videos of this channel.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All videos.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Name the speakers of archived videos again, from their stored voice embeddings. No audio is needed.

    Exit status: 3 some could not be named.

    [bold]Example[/]

      ingest voices relabel --channel Talks
    """
    from ingest.cli.voices import relabel as command

    if bool(video) + (channel is not None) + every != 1:
        raise typer.BadParameter("select the videos: --video ID, --channel NAME or --all")
    with options.connections(state) as connections:
        reports = command.relabel(connections, videos=video, channel=channel)
    command.print_reports(reports, as_json=json)
    raise typer.Exit(console.SOME_FAILED if any(report.is_failed for report in reports) else console.OK)
