"""Frames of plain data between a service and its child process, checked against the types of the work.

The signature of the work is the contract on both sides. Each side turns its values into JSON, and builds the values it
receives by the annotated types. The parent does not trust the child: a frame has a largest size, and an answer of
another form is an error. Nothing is unpickled.

    frame    kind (1 byte), length (4 bytes), JSON
    kinds    R report (numbers by name), D done (the result), E error (code, message, ...)
"""

from __future__ import annotations

import inspect
import json
import struct
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import AwareDatetime, FiniteFloat, TypeAdapter, ValidationError

from ingest.shared.errors import Code, IngestError
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADER = struct.Struct("!cI")
REPORT, DONE, ERROR = b"R", b"D", b"E"
LARGEST_BYTES = {REPORT: 1 << 16, DONE: 64 << 20, ERROR: 1 << 16}
LONGEST_MESSAGE = 4000  # characters of an error


class BadAnswerError(Exception):
    """The child has sent what its work cannot return."""


@dataclass(frozen=True)
class Failure:
    """An IngestError as plain data."""

    code: Code
    message: str
    retry_at: AwareDatetime | None = None
    is_final: bool = False

    def error(self) -> IngestError:
        """Return the error; its text is that of a child, and not trusted."""
        message = clean(self.message)[:LONGEST_MESSAGE]
        return IngestError(self.code, message, retry_at=self.retry_at, is_final=self.is_final)


@dataclass(frozen=True)
class Signature:
    """The types of the arguments of a work function, after the reporter, and of its result."""

    arguments: tuple[TypeAdapter[Any], ...]
    result: TypeAdapter[Any]


_REPORT: TypeAdapter[dict[str, FiniteFloat]] = TypeAdapter(dict[str, FiniteFloat])
_FAILURE: TypeAdapter[Failure] = TypeAdapter(Failure)


def name_of(work: Callable[..., Any]) -> str:
    """Return the name by which another process finds a function of a module."""
    return f"{work.__module__}:{work.__qualname__}"


def named(name: str) -> Callable[..., Any]:
    """Return the function of a name."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = attrgetter(function)(import_module(module))
    return found


@cache
def signature(work: Callable[..., Any]) -> Signature:
    """Return the types in the annotations of a work function; its first parameter is the reporter."""
    hints = get_type_hints(work, localns={"Reporter": object})
    names = list(inspect.signature(work).parameters)[1:]
    return Signature(tuple(TypeAdapter(hints[name]) for name in names), TypeAdapter(hints["return"]))


def from_arguments(work: Callable[..., Any], values: Sequence[object]) -> list[object]:
    """Return arguments as plain data."""
    types = signature(work).arguments[: len(values)]
    return [adapter.dump_python(value, mode="json") for adapter, value in zip(types, values, strict=True)]


def to_arguments(work: Callable[..., Any], values: Sequence[object]) -> list[Any]:
    """Return the arguments in plain data."""
    types = signature(work).arguments[: len(values)]
    return [adapter.validate_json(json.dumps(value)) for adapter, value in zip(types, values, strict=True)]


def report_frame(numbers: dict[str, float]) -> bytes:
    """Return the frame of a report."""
    return _frame(REPORT, _REPORT, numbers)


def done_frame(work: Callable[..., Any], result: object) -> bytes:
    """Return the frame of a result."""
    return _frame(DONE, signature(work).result, result)


def error_frame(error: IngestError) -> bytes:
    """Return the frame of an error."""
    failure = Failure(error.code, clean(error.message)[:LONGEST_MESSAGE], error.retry_at, error.is_final)
    return _frame(ERROR, _FAILURE, failure)


def _frame(kind: bytes, adapter: TypeAdapter[Any], value: object) -> bytes:
    plain = _unicode(adapter.dump_python(value, mode="json", warnings="error"))
    data = json.dumps(plain).encode()
    if len(data) > LARGEST_BYTES[kind]:
        raise IngestError(Code.TOO_LARGE, f"the result of a child process has {len(data)} bytes")
    return HEADER.pack(kind, len(data)) + data


def _unicode(value: Any) -> Any:  # noqa: ANN401 (plain data of any shape)
    """Replace what is not Unicode (half of a surrogate pair): JSON cannot hold it."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_unicode(key): _unicode(item) for key, item in value.items()}
        case list() | tuple():
            return [_unicode(item) for item in value]
        case _:
            return value


class Answers:
    """Takes the bytes of a child and returns its frames; raises BadAnswerError for any that the work cannot send."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._adapters: dict[bytes, TypeAdapter[Any]] = {
            REPORT: _REPORT,
            DONE: signature(work).result,
            ERROR: _FAILURE,
        }
        self._received = bytearray()

    def take(self, data: bytes) -> list[tuple[bytes, Any]]:
        """Return (kind, content) of the frames that are complete."""
        self._received += data
        found = []
        while len(self._received) >= HEADER.size:
            kind, size = HEADER.unpack_from(self._received)
            if size > LARGEST_BYTES.get(kind, -1):
                raise BadAnswerError(f"a frame of kind {kind!r} with {size} bytes")
            end = HEADER.size + size
            if len(self._received) < end:
                break
            found.append((kind, self._content(kind, bytes(self._received[HEADER.size : end]))))
            del self._received[:end]
        return found

    def _content(self, kind: bytes, data: bytes) -> Any:  # noqa: ANN401 (of the type that the work returns)
        try:
            return self._adapters[kind].validate_json(data, strict=True)
        except (ValidationError, ValueError, RecursionError) as error:
            raise BadAnswerError(f"a frame of kind {kind!r} with other content: {type(error).__name__}") from error
