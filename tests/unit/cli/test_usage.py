"""Words of the command line that make no sense: status 2, and what to say instead; nothing is begun."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ingest.cli import console
from ingest.cli.app import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--max-duration", "60"], "name a source, or omit them"),
        (["run", "--force"], "name a source, or omit them"),
        (["run", "talk.m4a", "--min-speakers", "3", "--max-speakers", "2"], "is more than --max-speakers 2"),
        (["submit"], "ingest submit SOURCE..."),
        (["retry"], "--code CODE, --video ID or --all"),
        (["retry", "--code", "NO_CODE"], "NO_CODE is not an error code"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, words)
    assert (done.exit_code, said in done.output) == (console.USAGE, True), done.output
