"""The commands about readings: `ingest compare` and `ingest rerun`. Each reads its options here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import console, options
from ingest.cli.dashed import is_id, with_dashes
from ingest.cli.options import MANY, UPKEEP, Json, State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ingest.cli.settings import AllSettings

readings_app = typer.Typer()

Videos = Annotated[list[str] | None, typer.Argument(metavar="[VIDEO]...", help="Ids of videos.")]
Channel = Annotated[str | None, typer.Option(help="Only recordings of this channel.")]


@readings_app.command(rich_help_panel=UPKEEP, cls=with_dashes(is_id))
def compare(
    videos: Videos = None,
    model: Annotated[str | None, typer.Option(help="The other Whisper model: a name on the hub, or a folder.")] = None,
    sample: Annotated[int, typer.Option(min=1, max=10_000, help="Compare this many recordings.")] = 30,
    minutes: Annotated[float, typer.Option(min=0.1, max=10_000, help="Read at most so many of each.")] = 10,
    channel: Channel = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Compare the present readings of recordings with those of another recognizer. Nothing is changed.

    Reads a sample of your recordings whose audio is kept, those with corrections by hand first, and prints for both
    readings how many corrections and words of the vocabulary are right, invented words, speech without words and the
    pace; the words that differ, the starts of equal words and their speakers; where recordings differ most; and the
    time for the whole archive. Without --model, named videos are compared with their reading before the last run.
    Exit status: 3 some recordings could not be compared.

    [bold]Examples[/]

      ingest compare --model large-v3 --sample 30

      ingest compare dQw4w9WgXcQ
    """
    if model is None and not videos:
        raise typer.BadParameter("name the other recognizer by --model, or videos that were read again")
    if videos and channel is not None:
        raise typer.BadParameter("--channel chooses a sample: name no videos beside it")
    from ingest.cli.readings import compare as command

    with options.archive(state) as archive:
        found = command.compare(archive, command.Subject(tuple(videos or ()), model, sample, minutes, channel))
    command.print_comparison(found, as_json=json)
    is_whole = not any(one.trouble for one in found.recordings)
    raise typer.Exit(console.OK if is_whole else console.SOME_FAILED)


Changed = Annotated[
    bool, typer.Option("--changed", help="Only what another recognizer, or another vocabulary, has read.")
]
Every = Annotated[bool, typer.Option("--all", help="All indexed recordings.")]
Limit = Annotated[int | None, typer.Option(min=1, max=MANY, help="At most this many.")]
OtherModel = Annotated[
    str | None, typer.Option("--model", help="In the local mode: this Whisper model instead of that of the settings.")
]
Back = Annotated[bool, typer.Option("--back", help="Give named videos the reading before the last run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be recognised again.")]


@readings_app.command(rich_help_panel=UPKEEP, cls=with_dashes(is_id))
def rerun(
    videos: Videos = None,
    channel: Channel = None,
    changed: Changed = False,
    every: Every = False,
    limit: Limit = None,
    model: OtherModel = None,
    back: Back = False,
    dry_run: DryRun = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Recognise recordings of the archive again, with the present model and vocabulary.

    The passages of a recording stay as they are until those of its new run are stored. Corrections and names by hand
    are applied to the new words. Audio that is not kept any more is downloaded again. Where services run elsewhere,
    they are requested to do it, with the model of their settings; what has nothing new is not repeated.
    --back needs no audio: the reading before takes the place of the present one, which is kept in its turn.
    Exit status: 0 success, 3 some recordings failed, 130 interrupted.

    [bold]Examples[/]

      ingest rerun --changed --dry-run

      ingest rerun --model large-v3 --channel Talks

      ingest rerun --back dQw4w9WgXcQ
    """
    named = (bool(videos), channel is not None or changed, every)
    if sum(named) != 1 or (back and not videos):
        raise typer.BadParameter("name videos, or --channel and --changed, or --all; --back needs videos")
    if back and (model is not None or limit is not None or dry_run):
        raise typer.BadParameter("--back takes no --model, --limit and --dry-run")
    if back:
        raise typer.Exit(_go_back(videos or (), state, as_json=json))
    settings = _settings(state, model)
    raise typer.Exit(_rerun(settings, (tuple(videos or ()), channel, changed, limit), foresee=dry_run, as_json=json))


def _go_back(videos: Sequence[str], state: Path | None, *, as_json: bool) -> int:
    from ingest.cli.readings import rerun as command

    with options.archive(state) as archive:
        found = command.back(archive, videos)
    command.print_back(found, as_json=as_json)
    return console.OK if not any(one.trouble for one in found) else console.SOME_FAILED


def _settings(state: Path | None, model: str | None) -> AllSettings:
    """Return the settings, with another model if one is named; the revision of the settings is that of their own."""
    settings = options.settings(state)
    if model is None:
        return settings
    if not settings.is_local:
        raise typer.BadParameter("services that run elsewhere have their own settings: set INGEST_ASR_MODEL there")
    return settings.model_copy(update={"asr_model": model, "asr_revision": None})


def _rerun(
    settings: AllSettings,
    named: tuple[tuple[str, ...], str | None, bool, int | None],
    *,
    foresee: bool,
    as_json: bool,
) -> int:
    from ingest.cli.local.state_folder import open_archive
    from ingest.cli.readings import rerun as command
    from ingest.cli.runs.summary import print_requested, print_result

    choice = command.Choice(*named)
    if foresee:
        with open_archive(settings) as archive:
            foreseen = command.foreseen(archive.settings, archive.database, choice)
        command.print_foreseen(foreseen, as_json=as_json)
        return console.OK
    result = command.rerun(settings, choice, quiet=as_json)
    if settings.is_local:
        print_result(result, as_json=as_json)
    else:
        print_requested(result, as_json=as_json)
    return result.status
