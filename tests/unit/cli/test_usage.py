"""Invalid words on the command line: status 2 and a hint; nothing starts."""

from __future__ import annotations

import pytest

from ingest.cli import console
from ingest.cli.app import app
from tests.support.command_line import CommandLine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--max-duration", "60"], "name a source, or omit them"),
        (["run", "--force"], "name a source, or omit them"),
        (["run", "talk.m4a", "--min-speakers", "3", "--max-speakers", "2"], "is more than --max-speakers 2"),
        (["submit"], "ingest submit SOURCE..."),
        (["submit", "talk.m4a", "--jobs"], "--jobs needs --k8s"),
        (["submit", "talk.m4a", "--run", "My Run"], "at most 20 characters"),
        (["retry"], "--code CODE, --video ID or --all"),
        (["dead", "replay"], "name numbers from `ingest dead list`, or --all"),
        (["dead", "replay", "7", "--all"], "name numbers from `ingest dead list`, or --all"),
        (["aside", "replay", "1-7", "--all"], "name events from `ingest aside list`, or --all"),
        (["retry", "--code", "NO_CODE"], "NO_CODE is not an error code"),
    ],
    ids=str,
)
def test_invalid_words_are_refused_with_a_hint(words: list[str], said: str) -> None:
    done = CommandLine(env={"COLUMNS": "300"}).invoke(app, words)
    assert (done.exit_code, said in done.output) == (console.USAGE, True), done.output
