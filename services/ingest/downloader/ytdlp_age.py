"""Reads when the installed yt-dlp was released from its version: sites change, and an old yt-dlp stops working."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import metadata

from ingest.shared.errors import Code, IngestError

DAY_S = 86400.0
OLD_DAYS = 60  # the alert IngestYtdlpOld has the same limit
RENEW = "sites change every few weeks: pip install --upgrade yt-dlp yt-dlp-ejs"
_DATE = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(\.|$)")


def version() -> str:
    """Return the version of the installed yt-dlp."""
    return metadata.version("yt-dlp")


def released_at(version: str) -> datetime:
    """Return the day on which a version of yt-dlp was released; its version is that date."""
    found = _DATE.match(version)
    try:
        if found is not None:
            year, month, day = (int(part) for part in found.groups()[:3])
            return datetime(year, month, day, tzinfo=UTC)
    except ValueError:  # no day of a calendar
        pass
    raise IngestError(Code.UNEXPECTED, f"the version {version!r} of yt-dlp is no date")


def age_days(version: str, now: datetime) -> int:
    """Return how many days ago a version of yt-dlp was released; 0 for one of tomorrow (a clock that is slow)."""
    return max(0, (now - released_at(version)).days)
