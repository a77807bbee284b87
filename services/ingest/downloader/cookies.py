"""Checks the user's cookies file before yt-dlp reads it: yt-dlp prints a line that it cannot read, with its secrets."""

from __future__ import annotations

import io
import re
from pathlib import Path

from ingest.shared.artifacts.volume import translate_os_errors
from ingest.shared.errors import Code, IngestError

FIELDS = 7  # domain, include subdomains, path, https only, expiry, name, value
SUBDOMAINS, EXPIRY = 1, 4
FIRST_LINE = re.compile("#( Netscape)? HTTP Cookie File")
HTTP_ONLY = "#HttpOnly_"
TIME = re.compile(r"([0-9]+(\.[0-9]+)?)?")


def cookies(file: str) -> io.StringIO:
    """Return a copy of a cookies file in Netscape's format: yt-dlp writes to its cookies, and jobs share the file.

    Raise ENV_VOLUME when the file cannot be read or has another format, so that no recording fails because of it.
    """
    with translate_os_errors("INGEST_COOKIES_FILE"):
        try:
            text = Path(file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise _invalid("is not UTF-8 text") from error
    lines = text.splitlines()
    if not lines or not FIRST_LINE.match(lines[0]):
        raise _invalid(
            "is not a cookies file in Netscape's format: its first line is not `# Netscape HTTP Cookie File`"
        )
    for number, line in enumerate(lines, 1):
        if not _is_valid(line.removeprefix(HTTP_ONLY)):
            raise _invalid(f"line {number} is not a cookie in Netscape's format ({FIELDS} fields, tabs between)")
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


def _invalid(reason: str) -> IngestError:
    return IngestError(Code.ENV_VOLUME, f"INGEST_COOKIES_FILE {reason}")
