"""The command line of a service."""

from __future__ import annotations

import pytest

from ingest.shared.worker.arguments import Arguments, parse


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], Arguments(), id="none: until a signal"),
        pytest.param(["--until-settled", "260131-4f2a"], Arguments("260131-4f2a"), id="a run"),
    ],
)
def test_arguments_are_read(words: list[str], expected: Arguments) -> None:
    assert parse("asr", words) == expected


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a name", "x" * 21, "../x", "a\n"])
def test_a_name_that_no_object_of_kubernetes_can_have_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse("asr", [f"--until-settled={name}"])
    assert refused.value.code == 2
    assert "at most 20 characters" in capsys.readouterr().err


def test_help_says_what_the_statuses_mean(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("embedder", ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "python -m ingest.embedder" in shown
    assert "of the embedder 3 if recordings have failed" in shown
