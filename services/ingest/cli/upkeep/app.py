"""The commands for the time after a run: `ingest retry`, `resume`, `mend`, `embed`, `purge`, `forget`.

Each reads its options here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import CENTURY_DAYS, UPKEEP, Codes, Json, State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

upkeep_app = typer.Typer()


@upkeep_app.command(rich_help_panel=UPKEEP)
def retry(
    code: Codes = None,
    video: Annotated[list[str] | None, typer.Option(help="Only the video with this id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All failed videos.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Request failed or skipped videos again. Stages that are finished are not repeated.

    An explicit retry overrides the limits of the first request (--since, --skip-shorts, --max-duration).

    [bold]Examples[/]

      ingest retry --code NETWORK_TIMEOUT --code SOURCE_UNAVAILABLE

      ingest retry --all && ingest run
    """
    if not (code or video or every):
        raise typer.BadParameter("select the videos: --code CODE, --video ID or --all")
    from ingest.embedder.requested_changes import request_again

    with options.connections(state) as connections:
        count = request_again(connections.bus, connections.catalog, codes=code, videos=video)
    if json:
        console.print_json({"requested": count})
    else:
        console.out.print(f"{count} requested again" + ("; to process them: `ingest run`" if count else ""))


@upkeep_app.command(rich_help_panel=UPKEEP)
def resume(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the videos; request nothing.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Rebuild the queue from the database after the broker has lost its streams.

    Requests every unfinished video that has no message in the queue, with the limits of its first request. Stages that
    are finished are not repeated: their files are on the volume. Safe to repeat, and while services run.

    [bold]Example[/]

      ingest resume --dry-run
    """
    from ingest.cli.upkeep.resume import resume as resume_videos

    with options.connections(state) as connections:
        connections.provision()
        lost = resume_videos(connections.bus, connections.catalog, dry_run=dry_run)
    if json:
        console.print_json({"requested": [] if dry_run else lost, "lost": lost})
    else:
        console.out.print(f"{len(lost)} {'would be requested' if dry_run else 'requested'} again")


@upkeep_app.command(rich_help_panel=UPKEEP)
def mend(
    video: Annotated[list[str] | None, typer.Option(help="Only the video with this id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the changes; change nothing.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Mend transcripts of earlier versions, which joined all words by blanks, and index them anew.

    The words are put together as far as they say it: `3 .5` becomes `3.5`, `n 'a` becomes `n'a`, Chinese has no blanks.
    No audio is needed. Transcripts of this version are left as they are. Safe to repeat.

    [bold]Example[/]

      ingest mend --dry-run
    """
    from ingest.cli.upkeep.mend import mend as mend_videos
    from ingest.cli.upkeep.mend import print_reports

    with options.connections(state) as connections:
        reports = mend_videos(connections, video, dry_run=dry_run)
    print_reports(reports, dry_run=dry_run, as_json=json)
    raise typer.Exit(console.OK if not any(report.trouble for report in reports) else console.SOME_FAILED)


Passages = Annotated[
    bool, typer.Option("--passages", help="Build the passages anew instead, with the present INGEST_PASSAGE_*.")
]


@upkeep_app.command(rich_help_panel=UPKEEP)
def embed(
    model: Annotated[str | None, typer.Option(help="Name or folder of a model, instead of the settings' one.")] = None,
    revision: Annotated[str | None, typer.Option(help="With --model: its commit, tag or branch on the hub.")] = None,
    drop: Annotated[str | None, typer.Option(metavar="KEY", help="Delete the vectors of this model instead.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the models that have vectors.")] = False,
    passages: Passages = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Give all passages vectors of another text model, beside those that they have. No audio is needed.

    Searches and services go on with the model that INGEST_EMBEDDING_MODEL names. When all passages have a vector, name
    the new model there and restart the services; run `ingest embed` once more for what was indexed meanwhile.
    Passages of earlier versions get the vectors of their sentences, with which questions are answered sooner.
    An interrupted command goes on where it was. --drop needs the database role that owns the tables.

    [bold]Examples[/]

      ingest embed --model intfloat/multilingual-e5-small

      ingest embed --list

      ingest embed --drop all-MiniLM-L6-v2@8b3219a92973
    """
    if sum((drop is not None, only_list, model is not None, passages)) > 1 or (revision is not None and model is None):
        raise typer.BadParameter("--model (with --revision), --drop, --list and --passages exclude each other")
    if passages:
        raise typer.Exit(_passages_built(state, as_json=json))
    from ingest.cli.upkeep import embed as command

    with options.connections(state) as connections:
        if only_list:
            command.print_models(command.models(connections), as_json=json)
        elif drop is not None:
            command.print_dropped(command.drop(connections, drop), as_json=json)
        else:
            report = command.embed(connections, model, revision)
            command.print_report(report, as_json=json)
            raise typer.Exit(console.OK if not report.left else console.SOME_FAILED)


def _passages_built(state: Path | None, *, as_json: bool) -> int:
    """Build the passages of all recordings anew, and return the exit status."""
    from ingest.cli.upkeep import passages

    with options.archive(state) as archive:
        report = passages.build(archive)
    passages.print_report(report, as_json=as_json)
    return console.OK if not report.left else console.SOME_FAILED


@upkeep_app.command(rich_help_panel=UPKEEP)
def purge(
    older_than_days: Annotated[
        float,
        typer.Option(
            min=0,
            max=CENTURY_DAYS,
            help="Delete the audio of videos that were indexed at least this many days ago.",
        ),
    ] = 7,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Delete the files, or only list them.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Delete files that are no longer needed. Transcripts and the archive stay.

    Deletes the audio of videos that were indexed long ago (and, while the volume uses more than 70 % of its budget, the
    oldest audio of the other indexed videos), temporary files of interrupted writes, and, after a day, files that
    belong to no video of the database.

    [bold]Example[/]

      ingest purge --older-than-days 30 --dry-run      (the default)

      ingest purge --older-than-days 30 --yes
    """
    from ingest.cli.upkeep.purge import purge as purge_files

    with options.connections(state) as connections:
        purge_files(connections, older_than_days=older_than_days, delete=yes, as_json=json)


@upkeep_app.command(rich_help_panel=UPKEEP)
def forget(
    videos: Annotated[list[str] | None, typer.Argument(help="Ids of videos.")] = None,
    channel: Annotated[str | None, typer.Option(help="All videos of this channel.")] = None,
    speaker: Annotated[
        str | None, typer.Option(help="A person: profile, voice embeddings and name everywhere. The words stay.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Erase, or only list what would be erased.")] = False,
    allow_again: Annotated[
        bool, typer.Option("--allow-again", help="Let the named videos, which were erased, be requested again.")
    ] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Erase recordings: passages, vectors, files, messages, dead letters and the log lines of the local mode.

    They do not come back: a listing leaves them out, and a message on its way stores nothing. Of each id, only a
    checksum is kept for that. Services need not be stopped, except for a recording that is being processed.
    On a cluster, the command needs the database role that owns the tables. With --speaker, a person is erased.

    [bold]Examples[/]

      ingest forget dQw4w9WgXcQ --yes              (without --yes: a dry run)

      ingest forget --channel "Some Channel" --yes

      ingest forget --speaker "Ada Lovelace" --yes

      ingest forget --allow-again dQw4w9WgXcQ
    """
    if speaker is not None and (videos or channel is not None or allow_again):
        raise typer.BadParameter("--speaker erases a person in all videos: name no videos beside it")
    if speaker is None and not videos and (allow_again or channel is None):
        raise typer.BadParameter("name the videos, a --channel or a --speaker")
    if speaker is not None:
        is_complete = _forget_speaker(speaker, state, yes=yes, as_json=json)
    elif allow_again:
        is_complete = _allow_again(videos or (), state, as_json=json)
    else:
        is_complete = _forget_videos(videos or (), channel, state, yes=yes, as_json=json)
    raise typer.Exit(console.OK if is_complete else console.SOME_FAILED)


def _forget_videos(videos: Sequence[str], channel: str | None, state: Path | None, *, yes: bool, as_json: bool) -> bool:
    from ingest.cli.upkeep import forget as command

    with options.connections(state) as connections:
        receipts = command.forget(connections, command.chosen(connections, videos, channel), erase=yes)
        if yes and channel is not None:
            command.forget_vocabulary(connections, channel)
    command.print_receipts(receipts, erased=yes, as_json=as_json)
    return not any(receipt.trouble for receipt in receipts)


def _forget_speaker(name: str, state: Path | None, *, yes: bool, as_json: bool) -> bool:
    from ingest.cli.upkeep import forget_speaker as command

    with options.connections(state) as connections:
        receipt = command.forget(connections, name, erase=yes)
    command.print_receipt(receipt, erased=yes, as_json=as_json)
    return receipt.is_complete


def _allow_again(videos: Sequence[str], state: Path | None, *, as_json: bool) -> bool:
    from ingest.cli.upkeep import forget as command

    with options.connections(state) as connections:
        command.print_allowed(command.allow_again(connections, videos), as_json=as_json)
    return True
