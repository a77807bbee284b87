"""The commands about speakers that people name: `ingest voices name`, `merge`, `move`, `refuse` ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ingest.cli import console, options
from ingest.cli.dashed import is_id, with_dashes
from ingest.cli.options import LARGEST, Json, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.changes import Change
    from ingest.embedder.rebuild import Rebuilder

Video = Annotated[str, typer.Argument(help="A video id.")]
Speaker = Annotated[
    str, typer.Argument(help='A speaker of the video, as `ingest status VIDEO` names them: "Unknown 1".')
]
Reason = Annotated[str, typer.Option(help="Why, for those who see it later.")]
AuthorName = Annotated[str | None, typer.Option("--author", help="Who says so, instead of the user of this machine.")]

by_hand_app = typer.Typer()


@by_hand_app.command("name", cls=with_dashes(is_id))
def name(
    video: Video,
    speaker: Speaker,
    as_name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the person.")],
    enroll: Annotated[
        bool,
        typer.Option("--enroll", help="Enroll the voice, too: at least 30 s, named in all recordings by `relabel`."),
    ] = False,
    reason: Reason = "",
    author: AuthorName = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Name a speaker of a recording by hand. The name beats those of voice models, and outlives every new run.

    [bold]Example[/]

      ingest voices name dQw4w9WgXcQ "Unknown 1" "Ada Lovelace" --enroll
    """
    from ingest.cli.transcripts.correct import author as author_of
    from ingest.cli.voices import by_hand
    from ingest.cli.voices import enroll as enrolling
    from ingest.embedder import speaker_changes

    by = author_of(author, reason)
    profile, turns = None, [f"{video}:{speaker}"]
    with options.archive(state) as archive:
        if enroll:
            said = enrolling.said_of(archive.database, turns)
            profile = enrolling.enroll(archive.settings, as_name, (), turns, replace=False, said=said)
        is_whole = by_hand.change(
            archive, lambda rebuilder: speaker_changes.name(rebuilder, video, speaker, as_name, by), as_json=json
        )
    if profile is not None and not json:
        enrolling.print_enrolled(profile, as_json=False)
    raise typer.Exit(console.OK if is_whole else console.SOME_FAILED)


@by_hand_app.command("merge", cls=with_dashes(is_id))
def merge(
    video: Video,
    speaker: Speaker,
    into: Annotated[str, typer.Argument(help="The speaker of the video who it is.")],
    reason: Reason = "",
    author: AuthorName = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Make two speakers of a recording one: the diarization took a person for two.

    [bold]Example[/]

      ingest voices merge dQw4w9WgXcQ "Unknown 3" "Unknown 1"
    """
    from ingest.cli.transcripts.correct import author as author_of
    from ingest.embedder import speaker_changes

    by = author_of(author, reason)
    _change(state, lambda rebuilder: speaker_changes.merge(rebuilder, video, speaker, into, by), as_json=json)


@by_hand_app.command("move", cls=with_dashes(is_id))
def move(
    video: Video,
    to: Annotated[str, typer.Argument(metavar="SPEAKER", help="Another speaker of the video, or a new name.")],
    at: Annotated[str, typer.Option(help="The time of the turn, as 12:31.")],
    until: Annotated[
        str | None, typer.Option(help="With it, not the whole turn: what is said from --at to here.")
    ] = None,
    reason: Reason = "",
    author: AuthorName = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Give one turn, or a part of it, to another speaker.

    [bold]Example[/]

      ingest voices move dQw4w9WgXcQ --at 12:31 "Unknown 2"
    """
    from ingest.cli.transcripts.correct import author as author_of
    from ingest.cli.transcripts.correct import seconds
    from ingest.embedder import speaker_changes

    by, at_s, until_s = author_of(author, reason), seconds(at), seconds(until) if until is not None else None
    _change(state, lambda rebuilder: speaker_changes.move(rebuilder, video, (at_s, until_s), to, by), as_json=json)


@by_hand_app.command("refuse", cls=with_dashes(is_id))
def refuse(
    video: Video,
    speaker: Annotated[str, typer.Argument(metavar="NAME", help="The name that is wrong.")],
    reason: Reason = "",
    author: AuthorName = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Say that a speaker of a recording is not who the voice models take it for: it becomes unknown, and stays so.

    [bold]Example[/]

      ingest voices refuse dQw4w9WgXcQ "Ada Lovelace"
    """
    from ingest.cli.transcripts.correct import author as author_of
    from ingest.embedder import speaker_changes

    by = author_of(author, reason)
    _change(state, lambda rebuilder: speaker_changes.refuse(rebuilder, video, speaker, by), as_json=json)


@by_hand_app.command("named", cls=with_dashes(is_id))
def named(
    video: Annotated[str | None, typer.Argument(help="A video id: only of this video.")] = None,
    state: State = None,
    json: Json = False,
) -> None:
    """List what was said by hand about speakers, with its author, and which of it needs a look.

    [bold]Example[/]

      ingest voices named dQw4w9WgXcQ
    """
    from ingest.cli.voices import by_hand

    with options.archive(state) as archive:
        by_hand.print_statements(archive, video, as_json=json)


@by_hand_app.command("undo")
def undo(
    statement: Annotated[int, typer.Argument(min=1, max=LARGEST, help="An id from `ingest voices named`.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Take back what was said by hand about a speaker.

    [bold]Example[/]

      ingest voices undo 3
    """
    from ingest.embedder import speaker_changes

    _change(state, lambda rebuilder: speaker_changes.undo(rebuilder, statement), as_json=json)


@by_hand_app.command("suggest")
def suggest(state: State = None, json: Json = False) -> None:
    """List unknown voices of several recordings that sound alike, to name them once. It names none of them.

    [bold]Example[/]

      ingest voices suggest
    """
    from ingest.cli.voices import suggest as command

    with options.archive(state) as archive:
        command.print_groups(command.suggestions(archive), as_json=json)


def _change(state: Path | None, made: Callable[[Rebuilder], Change], *, as_json: bool) -> NoReturn:
    """Make a change of speakers, and end with the status that says whether the passages have it."""
    from ingest.cli.voices import by_hand

    with options.archive(state) as archive:
        is_whole = by_hand.change(archive, made, as_json=as_json)
    raise typer.Exit(console.OK if is_whole else console.SOME_FAILED)
