"""The boundary of the command line: checks the words of a command, and gives every end a status and one line.

status 0, 3   returned by the command
status 1      an expected error: ConfigurationError, IngestError, BusError, and OSError (a full disk, a path)
status 2      wrong words
status 70     a fault of this program; the traceback is appended to a log
status 130    interrupted
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from ingest.cli import console
from ingest.cli.options import state_folder
from ingest.cli.streams import discard_unwritable
from ingest.shared import outgoing
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.settings import Settings, load
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXPECTED = (ConfigurationError, IngestError, BusError)
INSTALL = "this command needs an extra, as `pip install 'ingest[local]'`"
EMPTY_VALUE = re.compile("--[a-z0-9-]+=\\s*")
LONGEST_LINE = 2000
NARROWEST_HELP = 60
LONGEST_WORD = 100_000  # the system takes more; no path, address or question is this long


class WrongWordError(Exception):
    """An argument that no command can take."""


class BoundaryGroup(TyperGroup):
    """The group of all commands, inside the boundary."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 (the signature of the base class)
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run a command; end the process with its status, or without `standalone_mode` return the status."""

        def command(words: Sequence[str]) -> object:
            return super(BoundaryGroup, self).main(words, prog_name, complete_var, False, windows_expand_args, **extra)

        status = run(command, sys.argv[1:] if args is None else args)
        if standalone_mode:
            sys.exit(status)
        return status


def run(command: Callable[[Sequence[str]], object], words: Sequence[str]) -> int:
    """Run a command, print the line of its error, and return its exit status."""
    try:
        _widen_help()
        check_words(words)
        status = command(words)
        console.out.file.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last place that can turn an error into a status)
        status, line = ending(error, words)
        if line:
            console.err.print(line, style="red")
    discard_unwritable()
    return status if isinstance(status, int) else console.OK


def _widen_help() -> None:
    """Let `--help` take NARROWEST_HELP columns on a narrower terminal, which breaks its lines; else words are cut."""
    if shutil.get_terminal_size().columns < NARROWEST_HELP:
        from typer import rich_utils  # imports rich, which other commands may not need

        rich_utils.MAX_WIDTH = NARROWEST_HELP


def check_words(words: Sequence[str]) -> None:
    """Raise WrongWordError for an argument that is empty, has a NUL or bytes that are not UTF-8, or is far too long.

    An empty one is a variable of a shell that is not set; as a path it would be the current folder.
    """
    for number, word in enumerate(words, 1):
        if not word.strip() or EMPTY_VALUE.fullmatch(word):
            raise WrongWordError(f"argument {number} is empty ({word!r}): is a variable not set?")
        if "\0" in word:
            raise WrongWordError(f"argument {number} contains a NUL character")
        if len(word) > LONGEST_WORD:
            raise WrongWordError(f"argument {number} is longer than {LONGEST_WORD} characters")
        try:
            word.encode()
        except UnicodeEncodeError as error:
            shown = shorten(repr(_as_bytes(word))[1:], 200)
            raise WrongWordError(f"argument {number} is not UTF-8: {shown}; a file has to be renamed") from error


def _as_bytes(word: str) -> bytes:
    """Return the bytes that the system gave for a word; a caller in this process may give other surrogates."""
    try:
        return word.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return word.encode(errors="backslashreplace")


class Ending(NamedTuple):
    """How a command ends: its status, and the line about it (empty: none)."""

    status: int
    line: str = ""


def ending(error: BaseException, words: Sequence[str]) -> Ending:
    """Return the status and the line for an error that ended a command of these words."""
    match error:
        case KeyboardInterrupt():
            return Ending(console.INTERRUPTED, "interrupted")
        case typer.Abort():
            return Ending(console.INTERRUPTED)
        case BrokenPipeError():
            return Ending(console.FAILED)  # the reader of a pipe has read enough
        case WrongWordError():
            return Ending(console.USAGE, f"error: {error}")
        case TyperException():
            return Ending(error.exit_code, f"error: {_usage(error)}")
    reason = _reason(error)
    return Ending(console.FAULT, _fault(error, words)) if reason is None else Ending(console.FAILED, f"error: {reason}")


def _reason(error: BaseException) -> str | None:
    """Return the text of an error that is expected; None for a fault of this program."""
    if isinstance(error, EXPECTED):
        return _line(str(error)) or type(error).__name__
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return _line(reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("ingest"):
        return f"the package {error.name} is not installed: {INSTALL}"
    return "there is not enough memory" if isinstance(error, MemoryError) else None


def _usage(error: TyperException) -> str:
    """Return the text of a usage error, with the command whose help explains it."""
    context = getattr(error, "ctx", None)
    text = _line(error.format_message())
    text = text if text.endswith("..") else text.removesuffix(".")
    if context is None:
        return text
    return f"{text or 'name a command'} (see `{context.command_path} --help`)"


def _fault(error: BaseException, words: Sequence[str]) -> str:
    """Append the traceback of an unexpected exception to a log; return the line about it.

    Without a state folder that outlives this process (as in a pod), the traceback follows the line.
    """
    text = outgoing.redact("".join(traceback.format_exception(error)))
    about = f"error: a fault in ingest ({type(error).__name__}: {_line(str(error), 200)})"
    try:
        path = _fault_log(words)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "a", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat()} ingest {metadata.version('ingest')}\n{text}\n")
    except (OSError, ConfigurationError):
        return f"{about}; report it with these lines:\n{text}"
    return f"{about}; report it with the end of {path}"


def _fault_log(words: Sequence[str]) -> Path:
    """Return the log of faults in the state folder; raise ConfigurationError where there is no such folder."""
    settings = load(Settings)
    if settings.nats_url is not None:
        raise ConfigurationError("nothing is kept in a state folder")
    state = state_folder(_option(words, "--state") or settings.state_path)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "logs").mkdir(mode=0o700, exist_ok=True)
    return state / "logs" / "faults.log"


def _option(words: Sequence[str], name: str) -> Path | None:
    """Return the value of an option among the words of a command."""
    for word, following in zip(words, (*words[1:], None), strict=True):
        if word == name and following is not None:
            return Path(following)
        if word.startswith(f"{name}="):
            return Path(word.partition("=")[2])
    return None


def _line(text: str, limit: int = LONGEST_LINE) -> str:
    return shorten(outgoing.redact(text), limit)
