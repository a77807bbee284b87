"""The standard streams of a command: errors of standard output have a type, those of standard error are ignored."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from io import TextIOWrapper

SIZES = ("COLUMNS", "LINES")
SIZE = re.compile("[1-9][0-9]{0,3}")


class OutputError(OSError):
    """Standard output cannot be written."""


class Output:
    """Standard output, whose errors have a type of their own."""

    def write(self, text: str) -> int:
        """Write; raise OutputError for any error but that of a closed pipe."""
        with _named_errors():
            return sys.stdout.write(text)

    def flush(self) -> None:
        """Flush; raise OutputError for any error but that of a closed pipe."""
        with _named_errors():
            sys.stdout.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever else a stream has)
        return getattr(sys.stdout, name)


class Utf8Output:
    """Standard output for text that comes as UTF-8; what its encoding lacks is written as escapes."""

    def write(self, data: bytes) -> int:
        """Write; raise OutputError for any error but that of a closed pipe."""
        Output().write(data.decode())
        return len(data)


def copy_to_output(file: BinaryIO) -> None:
    """Write a file to standard output as it is; raise OutputError for any error but that of a closed pipe."""
    with _named_errors():
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


class Lossy:
    """Standard error without lines that it cannot take: a full disk there must not end a command."""

    def write(self, text: str) -> int:
        """Write, ignoring errors."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, ignoring errors."""
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever else a stream has)
        return getattr(sys.stderr, name)


class Environment(Mapping[str, str]):
    """The environment without an impossible size of the terminal, which rich would end with or print nothing in."""

    def __getitem__(self, name: str) -> str:
        value = os.environ[name]
        if name in SIZES and not SIZE.fullmatch(value):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in os.environ if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def prepare() -> None:
    """Make the streams, the environment and the umask of this process usable.

    Closed standard streams lead to nowhere: otherwise the next file that is opened would become one of them. Characters
    that the encoding of a stream lacks are written as escapes. New files are never closed to this user.
    """
    os.umask(os.umask(0o077) & 0o077)
    for name in SIZES:
        if name in os.environ and name not in Environment():
            del os.environ[name]
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 (a closed stream is None)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")


def discard_unwritable() -> None:
    """Let the rest of a stream that cannot be written go nowhere: Python would end with an error of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
