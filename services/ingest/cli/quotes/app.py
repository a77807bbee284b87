"""The command about citations: `ingest verify`. It reads its options here."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import console, options
from ingest.cli.options import FIND, Json, State

quotes_app = typer.Typer()


@quotes_app.command(rich_help_panel=FIND)
def verify(
    citations: Annotated[
        list[str],
        typer.Argument(
            metavar="CITATION|FILE|-...",
            help="Tokens (ingest1...), files with a token a line or with JSON of `ingest search --json` and `export "
            "--format json`, or - for standard input.",
        ),
    ],
    state: State = None,
    json: Json = False,
) -> None:
    """Check citations against the kept audio: whether these words are said there by this voice.

    Cuts the seconds from the audio, recognises and embeds them with the models of the settings, and says what differs:
    the words, the time, the voice, the file; or that the audio is gone. Right checksums alone prove nothing.
    Exit status: 0 all are the same, 3 some are not.

    [bold]Examples[/]

      ingest verify ingest1.eNqrVkrOSM3JU0hJTVGyUkpUqgUAQ...

      ingest search "calm sea" --json | ingest verify -
    """
    from ingest.cli.quotes import command

    verdicts = command.run(options.settings(state), citations)
    command.print_verdicts(verdicts, as_json=json)
    is_whole = all(one.result == "same" for one in verdicts)
    raise typer.Exit(console.OK if is_whole else console.SOME_FAILED)
