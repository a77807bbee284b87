"""Checks the user's cookies file before yt-dlp reads it: yt-dlp prints a line that it cannot read, with its secrets."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from ingest.shared.errors import Code, IngestError

FIELDS = 7  # domain, include subdomains, path, https only, expiry, name, value
SUBDOMAINS, EXPIRY = 1, 4
FIRST_LINE = re.compile("#( Netscape)? HTTP Cookie File")
HTTP_ONLY = "#HttpOnly_"
TIME = re.compile(r"([0-9]+(\.[0-9]+)?)?")


def cookies(file: str) -> io.StringIO:
    """Return a copy of a cookies file in Netscape's format: yt-dlp writes to its cookies, and jobs share the file.

    Raise ENV_COOKIES when the file cannot be read, has another format, or when all its cookies are past their time: no
    recording fails because of it, and its exit rests.
    """
    name = Path(file).name
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise _invalid(name, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid(name, "is not UTF-8 text") from error
    lines = text.splitlines()
    if not lines or not FIRST_LINE.match(lines[0]):
        raise _invalid(
            name, "is not a cookies file in Netscape's format: its first line is not `# Netscape HTTP Cookie File`"
        )
    for number, line in enumerate(lines, 1):
        if not _is_valid(line.removeprefix(HTTP_ONLY)):
            raise _invalid(name, f"line {number} is not a cookie in Netscape's format ({FIELDS} fields, tabs between)")
    if _has_ended(lines, time.time()):
        raise _invalid(name, "has only cookies that are past their time")
    return io.StringIO(text)


def _is_valid(line: str) -> bool:
    if not line.strip() or line.startswith("#"):
        return True
    fields = line.split("\t")
    return (
        len(fields) == FIELDS
        and TIME.fullmatch(fields[EXPIRY]) is not None
        and (fields[SUBDOMAINS] == "TRUE") == fields[0].startswith(".")
    )


def _has_ended(lines: list[str], now: float) -> bool:
    """Return whether a file has cookies, and each is past its time; a cookie of a session has none."""
    rows = [line.removeprefix(HTTP_ONLY) for line in lines]
    ends = [float(row.split("\t")[EXPIRY] or 0) for row in rows if row.strip() and not row.startswith("#")]
    return bool(ends) and all(0 < end < now for end in ends)


def _invalid(name: str, reason: str) -> IngestError:
    return IngestError(Code.ENV_COOKIES, f"the cookies file {name} {reason}")
