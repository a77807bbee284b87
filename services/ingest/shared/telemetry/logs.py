"""Log lines: readable on a terminal, JSON elsewhere, with the fields stage, video and attempt.

The fields of an attempt are bound once (`bound(video_id=..., attempt=...)`) and are then in every line of that thread.
Lines contain no secrets: the queries, signatures and passwords of URLs, and the values of keys that name a secret, are
replaced.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

SECRET_KEYS = re.compile(r"password|secret|token|cookie|authorization|credential", re.IGNORECASE)
LONGEST_VALUE = 20_000  # texts of other systems can have any length, and the search takes time
_USER_INFO = re.compile(r"(?P<scheme>(?<![a-z0-9+.-])[a-z0-9+.-]+://)[^/@\s'\"]+@", re.IGNORECASE)
_QUERY = re.compile(r"(?P<url>https?://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
_MEDIA = re.compile(r"(?P<host>https?://[^/\s'\"]+\.googlevideo\.com(?::\d+)?)/[^\s'\"]+", re.IGNORECASE)
_SIGNATURE = re.compile(r"(?P<name>/(?:sig|lsig|signature|sparams)/)[^/?\s'\"]+", re.IGNORECASE)
_DSN_PASSWORD = re.compile(r"password=('[^']*'|\S+)", re.IGNORECASE)


def redact(text: str) -> str:
    """Return `text` with the passwords, signatures and query strings of URLs replaced by `***`.

    Of the URL of a YouTube media file only the host stays, since its path contains the authorization. YouTube's `?v=`
    and `?list=` stay: they are ids, not signatures. A very long text is shortened to its beginning.
    """
    if len(text) > LONGEST_VALUE:
        kept = (
            text[:LONGEST_VALUE].rpartition(" ")[0] or text[:LONGEST_VALUE]
        )  # half an address could hide its password
        text = f"{kept} ({len(text) - len(kept)} more characters)"
    text = _USER_INFO.sub(r"\g<scheme>***@", text)
    text = _MEDIA.sub(r"\g<host>/***", text)
    text = _SIGNATURE.sub(r"\g<name>***", text)
    text = _DSN_PASSWORD.sub("password=***", text)
    return _QUERY.sub(lambda match: match[0] if _is_public_query(match[0]) else f"{match['url']}?***", text)


def _is_public_query(url: str) -> bool:
    return re.fullmatch(r"https://www\.youtube\.com/(watch\?v=[\w-]{11}|playlist\?list=[\w-]+)[.,;)]?", url) is not None


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if SECRET_KEYS.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(*, json_lines: bool, level: str = "INFO", **bound_fields: str) -> None:
    """Set up logging of this process; `bound_fields` (as stage) are on every line."""
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
            _always(bound_fields),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S", utc=json_lines),
            structlog.processors.format_exc_info,  # a text before the redaction, and without the values of variables
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=False,
    )


class _Lossy:
    """A stream that drops lines that it cannot write: a full disk must not end the process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, ignoring errors."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, ignoring errors."""
        with suppress(OSError):
            self._stream.flush()


def _always(fields: dict[str, str]) -> Processor:
    """Return a processor that puts `fields` on every line of the process (context variables are per thread)."""

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**fields, **event}

    return add


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger; `name` is the module that logs."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name.removeprefix("ingest."))
    return logger


def bound(**fields: object) -> AbstractContextManager[None]:
    """Put `fields` on every line logged inside the `with` block by this thread."""
    context: AbstractContextManager[None] = structlog.contextvars.bound_contextvars(**fields)
    return context
