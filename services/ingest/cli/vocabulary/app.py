"""The commands about the vocabulary: `ingest vocabulary add`, `list`, `remove`, `used`. Each reads its options here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.dashed import is_id, with_dashes
from ingest.cli.options import LARGEST, Json, State

vocabulary_app = typer.Typer(
    help="Words and names that the recognizer may expect, and what it always misspells.", no_args_is_help=True
)


Texts = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT]...", help="Words and names, written as they should be.")
]
Heard = Annotated[
    list[str] | None,
    typer.Option(help="A misspelling of the only TEXT: replaced wherever it is recognised. May be repeated."),
]
Channel = Annotated[str | None, typer.Option(help="Only in the recordings of this channel.")]
Source = Annotated[
    str | None, typer.Option(help="Only in recordings whose address or path begins with this text, without a login.")
]
File = Annotated[Path | None, typer.Option("--from", help="A file with a text in each line.")]
Reason = Annotated[str, typer.Option(help="Why, for those who see the entry later.")]
AuthorName = Annotated[str | None, typer.Option("--author", help="Who adds it, instead of the user of this machine.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show where misspellings would be replaced; change nothing.")
]


@vocabulary_app.command("add")
def add(
    texts: Texts = None,
    heard: Heard = None,
    channel: Channel = None,
    source: Source = None,
    file: File = None,
    reason: Reason = "",
    author: AuthorName = None,
    dry_run: DryRun = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Add words and names to the vocabulary of the archive, of a channel, or of a source.

    Speech in which something sounds like an entry is read a second time with it. The entry is taken only where the
    first reading has something like it: what the hint alone made up is refused, and listed by `ingest vocabulary used`.
    This holds for recordings that are recognised from now on; `ingest rerun --changed` recognises the others again.
    Misspellings that --heard names are replaced in passages at once, and in all later runs.

    [bold]Examples[/]

      ingest vocabulary add "Ada Lovelace" Babbage --channel "History of Computing"

      ingest vocabulary add "John Smith" --heard "Jon Smyth" --heard "John Smithe"

      ingest vocabulary add --from names.txt --source https://example.org/podcast/
    """
    from ingest.cli.transcripts.correct import author as author_of
    from ingest.cli.vocabulary import command

    if channel is not None and source is not None:
        raise typer.BadParameter("--channel and --source exclude each other")
    wanted = command.Addition(
        command.texts_of(texts or (), file), tuple(heard or ()), channel, source, author_of(author, reason)
    )
    with options.archive(state) as archive:
        if dry_run:
            command.print_places(command.places(archive, wanted), as_json=json)
        else:
            command.print_added(command.add(archive, wanted), as_json=json)


@vocabulary_app.command("list")
def list_entries(state: State = None, json: Json = False) -> None:
    """List the entries of the vocabulary, with their authors and reasons.

    [bold]Example[/]

      ingest vocabulary list
    """
    from ingest.cli.vocabulary import command

    with options.archive(state) as archive:
        command.print_entries(command.entries(archive), as_json=json)


@vocabulary_app.command("remove")
def remove(
    ids: Annotated[list[int], typer.Argument(min=1, max=LARGEST, help="Ids of entries, as `list` shows them.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Remove entries of the vocabulary. What they replaced in passages is as it was recognised again.

    [bold]Example[/]

      ingest vocabulary remove 3
    """
    from ingest.cli.vocabulary import command

    with options.archive(state) as archive:
        command.print_removed(command.remove(archive, ids), as_json=json)


@vocabulary_app.command("used", cls=with_dashes(is_id))
def used(video: Annotated[str, typer.Argument(help="A video id.")], state: State = None, json: Json = False) -> None:
    """Show what the vocabulary has changed in a recording, and what was refused.

    `taken`: the recognizer had the entry when it expected it, and something like it without. `refused`: it had nothing
    like it without; the entry may be made up, and the text is that without the hint. `replaced`: a misspelling of
    --heard.

    [bold]Example[/]

      ingest vocabulary used dQw4w9WgXcQ
    """
    from ingest.cli.vocabulary import used as command

    with options.archive(state) as archive:
        command.print_places(command.places(archive, video), as_json=json)
    raise typer.Exit(console.OK)
