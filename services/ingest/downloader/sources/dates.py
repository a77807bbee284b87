"""Finds the day of a recording in its name, as recorders, phones and people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


def day_in(name: str) -> datetime | None:
    """Return the first day of a name as its midnight in UTC, or None.

    The year comes first: in `03-05-2024` the order of day and month is not known.
    """
    for found in _DAY.finditer(name):
        try:
            return datetime(int(found[1]), int(found[3]), int(found[4]), tzinfo=UTC)
        except ValueError:  # the 31st of a short month
            continue
    return None
