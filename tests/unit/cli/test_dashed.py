"""Arguments that begin with a dash: ids of videos, and words that a search leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cli import console
from ingest.cli.app import app
from ingest.cli.dashed import arranged, is_id, is_left_out
from tests.support.command_line import CommandLine

OPTIONS = {"--json": False, "--limit": True, "--state": True}
ID = "-cxqlIrdiIx"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([ID], ["--", ID], id="an id"),
        pytest.param([ID, "--json"], ["--json", "--", ID], id="an option behind it"),
        pytest.param(["--state", ID, "a"], ["--state", ID, "a"], id="the value of an option"),
        pytest.param(["--state", ID, ID], ["--state", ID, "--", ID], id="both"),
        pytest.param(["b", ID, "--limit=3", "a"], ["--limit=3", "--", "b", ID, "a"], id="the order is kept"),
        pytest.param(["--", ID, "--json"], ["--", ID, "--json"], id="told by hand"),
        pytest.param(["--jsn"], ["--jsn"], id="a typing error"),
        pytest.param(["-c"], ["-c"], id="no id"),
        pytest.param(["--namespacs"], ["--namespacs"], id="a typing error of eleven letters"),
        pytest.param(["--_cxqlIrdi"], ["--", "--_cxqlIrdi"], id="an id with two dashes"),
        pytest.param(["--limit"], ["--limit"], id="a missing value"),
        pytest.param(["a", "--json"], ["a", "--json"], id="no dash"),
    ],
)
def test_only_words_that_are_ids_move_behind_the_options(words: list[str], expected: list[str]) -> None:
    assert arranged(words, OPTIONS, is_id) == expected


@given(st.lists(st.sampled_from(["--json", "--limit", "3", ID, "a", "--", "-x", "--no"])))
def test_no_word_is_lost(words: list[str]) -> None:
    found = arranged(words, OPTIONS, is_left_out)
    assert sorted(word for word in found if word != "--") == sorted(word for word in words if word != "--") or (
        words.count("--") > 1
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["search", "ship", "-json"], "-json: did you mean --json?", id="an option with one dash"),
        pytest.param(["search", "-sailor"], "not only words to leave out", id="nothing to search for"),
        pytest.param(["status", "-help"], "-help: did you mean --help?", id="help with one dash"),
        pytest.param(["status", "--jsn"], "--json", id="a typing error"),
    ],
)
def test_a_typing_error_is_told_from_an_argument(words: list[str], said: str) -> None:
    done = CommandLine().invoke(app, words)
    assert (done.exit_code, said in done.stderr) == (console.USAGE, True), done.output


@pytest.mark.parametrize(
    "words", [["status", ID], ["run", ID], ["submit", ID], ["search", "ship", "-sailor"], ["search", "a", "-old sea"]]
)
def test_a_command_takes_an_argument_with_a_dash(words: list[str]) -> None:
    done = CommandLine().invoke(app, [*words, "--state", "/dev/null/state"])
    assert (done.exit_code, "/dev/null/state" in done.stderr) == (console.FAILED, True), done.output
