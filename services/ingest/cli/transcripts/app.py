"""The commands about transcripts: `ingest show`, `export`, `import` and `correct`. Each reads its options here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import console, options
from ingest.cli.dashed import is_id, with_dashes
from ingest.cli.options import FIND, UPKEEP, Json, Since, State, replaced
from ingest.cli.transcripts.correct_options import CorrectAction, correct_action
from ingest.shared.captions import CaptionUse

if TYPE_CHECKING:
    from ingest.archive.reading import Listing

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="vtt, srt, txt, md, json, podcast, rttm, csv or parquet; without it, the suffix of --to, else txt.",
    ),
]
Target = Annotated[
    Path | None, typer.Option(help="A file, or a folder for one file each. Without it, standard output.")
]

MOST_WORDS = 3
NAMED = (
    "no words beside --undo",
    "",
    "the words as they are, and the right ones",
    "a video, the words, and the right ones",
)
transcripts_app = typer.Typer()
correct_app = typer.Typer()  # of another panel of `--help`


@transcripts_app.command(rich_help_panel=FIND, cls=with_dashes(is_id))
def show(
    video: Annotated[str, typer.Argument(help="A video id.")],
    speakers: Annotated[bool, typer.Option("--speakers/--no-speakers", help="Name the speakers.")] = True,
    disagreement: Annotated[
        bool, typer.Option("--disagreement", help="Show where the recognised words differ from the captions.")
    ] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Show the transcript of a recording with times and speakers; on a terminal, in a pager.

    [bold]Examples[/]

      ingest show dQw4w9WgXcQ

      ingest show dQw4w9WgXcQ --disagreement      (after `ingest run SOURCE --captions compare`)
    """
    from ingest.cli.transcripts import show as command

    if disagreement:
        from ingest.cli.transcripts import differences

        with options.archive(state) as archive:
            differences.print_differences(differences.of(archive, video), as_json=json)
        return
    with options.archive(state) as archive:
        document = command.read(archive, video)
    command.print_document(document if speakers else document.without_speakers(), as_json=json)


@transcripts_app.command(rich_help_panel=FIND, cls=with_dashes(is_id))
def export(
    videos: Annotated[list[str] | None, typer.Argument(metavar="[VIDEO]...", help="Video ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All indexed recordings.")] = False,
    channel: Annotated[str | None, typer.Option(help="The recordings of this channel.")] = None,
    speaker: Annotated[str | None, typer.Option(help="The recordings in which this speaker speaks.")] = None,
    since: Since = None,
    form: Format = None,
    to: Target = None,
    speakers: Annotated[bool, typer.Option("--speakers/--no-speakers", help="Name the speakers.")] = True,
    vectors: Annotated[bool, typer.Option("--vectors", help="Parquet: with the vectors of the passages.")] = False,
    columns: Annotated[int, typer.Option(min=10, max=200, help="Subtitles: letters in a line.")] = 42,
    lines: Annotated[int, typer.Option(min=1, max=5, help="Subtitles: lines.")] = 2,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Subtitles: longest time.")] = 7.0,
    state: State = None,
) -> None:
    """Write transcripts as subtitles, text, Markdown, JSON, RTTM, CSV or Parquet.

    What is left out is named on standard error, with the reason; the exit status is then 3.

    [bold]Examples[/]

      ingest export dQw4w9WgXcQ --to talk.vtt

      ingest export --channel Talks --since 2026-01-01 --format md --to notes/
    """
    from ingest.archive.export.cues import Rules
    from ingest.cli.transcripts import export as command

    filters = (channel, speaker, since)
    if (bool(videos) + every + any(value is not None for value in filters)) != 1:
        raise typer.BadParameter("name video ids, or --all, or any of --channel, --speaker and --since")
    chosen = command.Choice(tuple(videos or ()), None if videos else _listing(*filters))
    rules = Rules(columns=columns, lines=lines, seconds=seconds, labels=speakers)
    target = command.target(form, to, vectors=vectors)
    with options.archive(state) as archive:
        result = command.export(archive, chosen, target, rules)
    command.print_result(result, target)
    raise typer.Exit(console.SOME_FAILED if result.left_out else console.OK)


@correct_app.command("import", rich_help_panel=UPKEEP, cls=with_dashes(is_id))
def import_captions(
    video: Annotated[str, typer.Argument(help="A video id.")],
    file: Annotated[
        Path | None, typer.Argument(help="Captions: WebVTT, SRT, or the JSON or HTML of a podcast.")
    ] = None,
    captions: Annotated[
        CaptionUse, typer.Option(help="What to do with them: compare, prefer, or only (see `ingest run --help`).")
    ] = CaptionUse.PREFER,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Language of the captions, as de.", callback=options.language_code),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the captions; the words are recognised again.")
    ] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Give a recording captions of your own, and request it again. They replace those of its source.

    [bold]Examples[/]

      ingest import dQw4w9WgXcQ talk.vtt && ingest run

      ingest import dQw4w9WgXcQ talk.vtt --captions compare

      ingest import dQw4w9WgXcQ --remove && ingest run
    """
    from ingest.cli.transcripts import imported

    if remove is (file is not None) or captions is CaptionUse.IGNORE:
        raise typer.BadParameter("name a file with captions, or --remove; --captions is compare, prefer or only")
    with options.connections(state) as connections:
        result = (
            imported.remove(connections, video)
            if file is None
            else imported.give(connections, video, file, imported.Use(captions, language))
        )
    imported.print_result(result, as_json=json)


@correct_app.command(rich_help_panel=UPKEEP, cls=with_dashes(is_id))
@replaced("action", correct_action)
def correct(
    action: CorrectAction,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIDEO] OLD NEW", help="A video id, the words as they are, and the right words."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Where in the recording, as 12:31. Without it: the only place.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who see the correction later.")] = "",
    author: Annotated[str | None, typer.Option(help="Who corrects, instead of the user of this machine.")] = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Correct words in passages, search, exports and the page. The transcript stays as it was recognised.

    A correction outlives every new run of the recording, also with another model. Where a run has other words there, it
    needs a look: `ingest correct --list --look` shows it with the words that are there now.

    [bold]Examples[/]

      ingest correct dQw4w9WgXcQ --at 12:31 "Jon Smyth" "John Smith"

      ingest correct --all "Jon Smyth" "John Smith"      (counts and shows the places; with --yes: corrects them)

      ingest correct --list && ingest correct --undo 12
    """
    from ingest.cli.transcripts import correct as command

    words = tuple(what or ())
    action.check(words, at)
    by = command.author(author, reason)
    with options.archive(state) as archive:
        is_complete = command.run(archive, command.Task(words, at, action), by, as_json=json)
    raise typer.Exit(console.OK if is_complete else console.SOME_FAILED)


def _listing(channel: str | None, speaker: str | None, since: datetime | None) -> Listing:
    """Return the filters of the indexed recordings."""
    from ingest.archive.reading import Listing

    day = since.replace(tzinfo=UTC) if since else None
    return Listing(channel=channel, speaker=speaker, since=day, state="indexed")
