"""The user's cookies, looked at before yt-dlp reads them: where it cannot, it prints the line, secrets and all."""

from __future__ import annotations

import io
import re
from pathlib import Path

from ingest.shared.artifacts.volume import translate_os_errors
from ingest.shared.errors import Code, IngestError

FIELDS = 7  # domain, whether its hosts are meant, path, https only, expiry, name, value
HOSTS, EXPIRY = 1, 4
FIRST_LINE = re.compile("#( Netscape)? HTTP Cookie File")
HTTP_ONLY = "#HttpOnly_"
TIME = re.compile(r"([0-9]+(\.[0-9]+)?)?")


def cookies(file: str) -> io.StringIO:
    """Return a copy of a cookies file in Netscape's format; yt-dlp writes it back, and others read the file.

    Raise ENV_VOLUME where it cannot be read or has another format: no recording is to blame.
    """
    with translate_os_errors("INGEST_COOKIES_FILE"):
        try:
            text = Path(file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise _unreadable("is no text") from error
    lines = text.splitlines()
    if not lines or not FIRST_LINE.match(lines[0]):
        raise _unreadable(
            "is no cookies file in Netscape's format: its first line is not `# Netscape HTTP Cookie File`"
        )
    for number, line in enumerate(lines, 1):
        if not _is_fine(line.removeprefix(HTTP_ONLY)):
            raise _unreadable(f"line {number} is no cookie in Netscape's format ({FIELDS} fields, tabs between)")
    return io.StringIO(text)


def _is_fine(line: str) -> bool:
    if not line.strip() or line.startswith("#"):
        return True
    fields = line.split("\t")
    return (
        len(fields) == FIELDS
        and TIME.fullmatch(fields[EXPIRY]) is not None
        and (fields[HOSTS] == "TRUE") == fields[0].startswith(".")
    )


def _unreadable(reason: str) -> IngestError:
    return IngestError(Code.ENV_VOLUME, f"INGEST_COOKIES_FILE {reason}")
