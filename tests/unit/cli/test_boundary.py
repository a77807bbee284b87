"""The boundary of the command line: whatever is typed, a command ends with a documented status and one line.

The commands come from the command line itself, so that a new one is tested without a word here. What lies behind the
boundary is out of reach: the state folder would be below /dev/null, and there is no cluster.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import pytest
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.cli import boundary, console
from ingest.cli.app import app
from ingest.shared.broker.bus import BusUnavailableError
from ingest.shared.errors import Code, ConfigurationError, IngestError
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

UNREACHABLE = {"INGEST_STATE_PATH": "/dev/null/state", "KUBECONFIG": "/dev/null/kubeconfig", "COLUMNS": "200"}
WRONG = {  # servers whose addresses are refused at once: what a command does before it connects is done
    "INGEST_DATABASE_URL": "mysql://x",
    "INGEST_NATS_URL": "http://x",
    "INGEST_VOLUME_PATH": "/dev/null/volume",
    "KUBECONFIG": "/dev/null/kubeconfig",
    "HF_HUB_OFFLINE": "1",
    "COLUMNS": "200",
}
DOCUMENTED = {console.OK, console.FAILED, console.USAGE, console.SOME_FAILED, console.INTERRUPTED}
SLOW = {"demo", "doctor", "selftest"}  # they load models, or wait for servers; their options are those of others


def tree(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 (typer exports no type)
    """Yield each command below a group."""
    below = getattr(command, "commands", None)
    if below is None:
        yield words, command
        return
    for name, one in below.items():
        yield from tree(one, *words, name)


COMMANDS = dict(tree(typer.main.get_command(app)))
PARAMETERS = [(words, one) for words, command in COMMANDS.items() for one in command.params]


def kind_of(parameter: Any) -> type:  # noqa: ANN401
    """Return the type of one value of a parameter."""
    found = parameter.type_descriptor.annotation
    kind: type = get_args(found)[0] if get_origin(found) is list else found
    return kind


def name_of(case: tuple[tuple[str, ...], Any]) -> str:
    words, parameter = case
    return " ".join((*words, parameter.name))


NUMBERS = [case for case in PARAMETERS if kind_of(case[1]) in (int, float)]


@pytest.mark.parametrize("case", NUMBERS, ids=name_of)
def test_a_number_has_a_least_and_a_greatest_value_that_the_archive_and_the_clock_can_hold(
    case: tuple[tuple[str, ...], Any],
) -> None:
    words, parameter = case
    found = parameter.type_descriptor.parameter_info
    assert found.min is not None
    assert found.max is not None
    assert found.max < 1 << 63
    wrong = ["nan", "inf", "-1", str(1 << 80), ""]
    for value in wrong:
        given_words = [f"{parameter.opts[0]}={value}"] if parameter.param_type_name == "option" else ["--", value]
        done = invoke([*words, *given_words])
        assert done.exit_code == console.USAGE, (value, done.output)


def invoke(words: list[str], environment: dict[str, str] = UNREACHABLE) -> Any:  # noqa: ANN401
    done = CommandLine(env=environment).invoke(app, words)
    assert done.exit_code in DOCUMENTED, (words, done.output, done.exception)
    lines = done.stderr.splitlines()
    if done.exit_code in (console.FAILED, console.USAGE):
        assert len([line for line in lines if line.startswith("error: ")]) == 1, (words, done.output)
    assert "Traceback" not in done.output
    return done


ODD_TEXTS = st.sampled_from(
    ["", " ", "-", "--", "--json", "-1", "nan", "\x00", "\udcff", "\x1b[31m", "[bold]", "[/x]", "a" * 5000, "😀", "٣",
     "/dev/null", "/dev/null/x", "~nobody-of-this-name/x", "../..", "http://[bad", "file:///etc/passwd", "-cxqlIrdiIx",
     "0000-00-00", "2026-02-30", "0001-01-01", "9999-12-31", "%s", "{}", "';--", "a,b", "NETWORK_ERROR", "failed"]
)  # fmt: skip
NUMBER_TEXTS = st.one_of(
    st.sampled_from(["nan", "inf", "-inf", "1e300", "-1", "0", "1", "5", str(1 << 64), "1.5"]),
    st.integers().map(str),
    st.floats().map(str),
)
VALUES = st.one_of(ODD_TEXTS, NUMBER_TEXTS, st.text(st.characters(codec=None), max_size=20))


def values_of(parameter: Any) -> SearchStrategy[str]:  # noqa: ANN401
    """Return values for an option, none of which makes a folder or waits."""
    if kind_of(parameter) is Path:
        return VALUES.map(lambda value: f"/dev/null/{value}")
    return st.sampled_from(["0", "nan", "-1", "1e300", "x"]) if parameter.name == "wait" else VALUES


@st.composite
def typed(draw: st.DrawFn) -> list[str]:
    """Return a command with any of its options, in any order, with any values, and any arguments."""
    words = draw(st.sampled_from([words for words in COMMANDS if words[0] not in SLOW]))
    parts: list[list[str]] = draw(st.lists(st.lists(VALUES, min_size=1, max_size=1), max_size=2))
    for parameter in draw(st.lists(st.sampled_from(COMMANDS[words].params), max_size=4)):
        if parameter.param_type_name == "option":
            name = draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts]))
            parts.append([name] if parameter.is_flag else [name, draw(values_of(parameter))])
    return [*words, *(word for part in draw(st.permutations(parts)) for word in part)]


@given(typed())
@settings(
    max_examples=100,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_words_end_with_a_documented_status_and_one_line(words: list[str]) -> None:
    invoke(words)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] not in SLOW], ids=" ".join)
@pytest.mark.parametrize(
    "word",
    ["a\udcffb", f"a{chr(0xDB52)}b", "a\x00b", "x" * (boundary.LONGEST_WORD + 1), "", " ", "--state="],
    ids=["bytes", "surrogate", "nul", "long", "empty", "blank", "no value"],
)
def test_a_word_that_no_command_can_take_is_refused_by_all(words: tuple[str, ...], word: str) -> None:
    done = invoke([*words, word])
    assert done.exit_code == console.USAGE
    assert done.stderr.startswith(f"error: argument {len(words) + 1} ")


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] not in SLOW], ids=" ".join)
@pytest.mark.parametrize("word", ["~nobody-of-this-name/x", "https://[x"], ids=repr)
def test_an_argument_that_names_nothing_is_an_error_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [one for one in COMMANDS[words].params if one.param_type_name == "argument"]
    invoke([*words, *[word] * len(arguments)], WRONG)
    assert list(tmp_path.iterdir()) == []


class Odd(Exception):  # noqa: N818 (an exception that nothing expects)
    """What no code expects."""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        pytest.param(ConfigurationError("A=1: wrong"), 1, "error: A=1: wrong", id="a wrong setting"),
        pytest.param(IngestError(Code.BAD_URL, "no"), 1, "error: BAD_URL: no", id="an error with a code"),
        pytest.param(BusUnavailableError("away"), 1, "error: away", id="the broker"),
        pytest.param(ConfigurationError("two\n  lines"), 1, "error: two lines", id="several lines"),
        pytest.param(ConfigurationError("at nats://u:hunter2@x"), 1, "error: at nats://***@x", id="a password"),
        pytest.param(PermissionError(13, "Permission denied", "/x"), 1, "error: /x: Permission denied", id="a path"),
        pytest.param(OSError(28, "No space left on device"), 1, "error: No space left on device", id="a full disk"),
        pytest.param(BrokenPipeError(32, "Broken pipe"), 1, "", id="a reader that has read enough"),
        pytest.param(
            ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
            1,
            f"error: the package psycopg is not installed: {boundary.INSTALL}",
            id="an extra that is not installed",
        ),
        pytest.param(KeyboardInterrupt(), 130, "interrupted", id="interrupted"),
        pytest.param(typer.BadParameter("no"), 2, "error: Invalid value: no", id="wrong words"),
    ],
)
def test_an_expected_error_has_its_status_and_one_line(error: BaseException, status: int, line: str) -> None:
    assert boundary.ending(error, ()) == boundary.Ending(status, line)


@pytest.mark.parametrize("option", [["--state={}"], ["--state", "{}"]], ids=["one word", "two words"])
def test_a_fault_has_a_status_of_its_own_and_its_traceback_is_in_a_log(tmp_path: Path, option: list[str]) -> None:
    found = boundary.ending(
        Odd("password=hunter2 is odd"), ["status", *(word.format(tmp_path / "state") for word in option)]
    )
    log = tmp_path / "state" / "logs" / "faults.log"
    assert found.status == console.FAULT
    assert found.line == f"error: a fault in ingest (Odd: password=*** is odd); report it with the end of {log}"
    assert "Odd: password=***" in log.read_text()
    assert "hunter2" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "value"), [("INGEST_STATE_PATH", "/dev/null/x"), ("INGEST_NATS_URL", "nats://x")])
def test_a_fault_without_a_state_folder_is_printed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    found = boundary.ending(Odd("odd"), ["status"])
    line, *traceback = found.line.splitlines()
    assert (found.status, line) == (
        console.FAULT,
        "error: a fault in ingest (Odd: odd); report it with these lines:",
    )
    assert traceback[-1].endswith("Odd: odd")


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3), (130, 130)])
def test_the_status_of_a_command_is_passed_on(returned: int | None, status: int) -> None:
    assert boundary.run(lambda _words: returned, []) == status
