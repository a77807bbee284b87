"""Log lines: readable on a terminal, JSON elsewhere, with the fields stage, video and attempt.

The fields of an attempt are bound once (`bound(video_id=..., attempt=...)`) and are then in every line of that thread.
Lines contain no secrets: the queries, signatures and passwords of URLs, and the values of keys that name a secret, are
replaced. They contain nothing that a terminal would obey, and no text in them can pass for another line. What libraries
log by the module `logging`, and an exception that ends the process, pass the same way.

structlog is imported with the first line: that takes tenths of a second, and most commands log nothing.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, cast

from ingest.shared import outgoing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import ModuleType, TracebackType

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

SECRET_KEYS = re.compile(r"password|secret|token|cookie|authorization|credential", re.IGNORECASE)
_prepared: list[Callable[[], None]] = []  # the configuration that is still to be made
_preparing = threading.RLock()  # a line of another thread waits for the configuration: it removes secrets


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        event[key] = _publishable(key, value)
    event["event"] = outgoing.line(event.get("event", ""))
    return event


def _publishable(key: object, value: Any) -> Any:  # noqa: ANN401 (a foreign or generic shape)
    """Return a value of a log line, with secrets masked and its texts printable."""
    if SECRET_KEYS.search(str(key)):
        return "***"
    match value:
        case str():
            return outgoing.indented(outgoing.redact(value))
        case dict():
            return {outgoing.line(inner): _publishable(inner, content) for inner, content in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_publishable("", content) for content in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return outgoing.indented(outgoing.redact(str(value)))


class _Foreign(logging.Handler):
    """Writes what libraries log by the module `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line of ours."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a format that does not fit its arguments
            text = str(record.msg)
        get_logger(record.name).log(record.levelno, text, **({"exc_info": record.exc_info} if record.exc_info else {}))


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an exception that ends the process; an interruption is printed as Python does."""
    if issubclass(kind, Exception):
        get_logger(__name__).error("unexpected_error", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def configure(*, json_lines: bool, level: str = "INFO", **bound_fields: str) -> None:
    """Set up logging of this process; `bound_fields` (as stage) are on every line."""
    _prepared[:] = [partial(_configure, cast("TextIO", _Lossy(sys.stderr)), json_lines, level, bound_fields)]
    if "structlog" in sys.modules:
        _structlog()
    root = logging.getLogger()
    root.handlers[:] = [*(handler for handler in root.handlers if not isinstance(handler, _Foreign)), _Foreign()]
    sys.excepthook = _log_uncaught


def _structlog() -> ModuleType:
    """Return the library, set up as `configure` asked."""
    import structlog

    with _preparing:
        for prepare in _prepared:
            prepare()
        _prepared.clear()
    return structlog


def _configure(stream: TextIO, json_lines: bool, level: str, fields: dict[str, str]) -> None:  # noqa: FBT001 (bound once)
    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _always(fields),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S", utc=json_lines),
            structlog.processors.format_exc_info,  # a text before the redaction, and without the values of variables
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


NOT_WRITTEN = (OSError, ValueError)  # a full disk; a stream that is closed, as at the end of a process


class _Lossy:
    """A stream that drops lines that it cannot write: a log must not end the process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, ignoring errors."""
        with suppress(*NOT_WRITTEN):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, ignoring errors."""
        with suppress(*NOT_WRITTEN):
            self._stream.flush()


def _always(fields: dict[str, str]) -> Processor:
    """Return a processor that puts `fields` on every line of the process (context variables are per thread)."""

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**fields, **event}

    return add


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger; `name` is the module that logs."""
    return cast("FilteringBoundLogger", _Logger(name.removeprefix("ingest.")))


class _Logger:
    """A logger of structlog, made for each line."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 (a method of the logger)
        return getattr(_structlog().get_logger(module=self._module), method)


def bound(**fields: object) -> AbstractContextManager[None]:
    """Put `fields` on every line logged inside the `with` block by this thread."""
    context: AbstractContextManager[None] = _structlog().contextvars.bound_contextvars(**fields)
    return context
