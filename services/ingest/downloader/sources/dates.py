"""Finds the day of a recording in its name, as recorders, phones and people write it.

A day whose order is not known is none: `03-05-2024` is in March or in May. `13-05-2024` can only be in May.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_YEAR = r"(?P<year>(?:19|20)\d\d)"
_MONTH = r"(?P<month>0?[1-9]|1[0-2])"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_MARK = r"(?P<mark>[-_. ])"
_BLANK = r"[-_., ]{1,2}"
_FORMS: Final = tuple(  # the first form that a name has decides
    re.compile(rf"(?<![0-9]){form}(?![0-9])", re.IGNORECASE)
    for form in (
        # 2024-05-03, 20240503
        rf"{_YEAR}(?P<mark>[-_. ]?)(?P<month>0[1-9]|1[0-2])(?P=mark)(?P<day>0[1-9]|[12]\d|3[01])",
        rf"{_DAY}(?:st|nd|rd|th)?{_BLANK}(?<![a-z]){_NAMED}{_BLANK}{_YEAR}",  # 3 May 2024
        rf"(?<![a-z]){_NAMED}{_BLANK}{_DAY}(?:st|nd|rd|th)?{_BLANK}{_YEAR}",  # May 3rd, 2024
        rf"{_YEAR}{_BLANK}{_NAMED}{_BLANK}{_DAY}",  # 2024 May 3
        rf"(?P<day>1[3-9]|2\d|3[01]){_MARK}{_MONTH}(?P=mark){_YEAR}",  # 13.05.2024
        rf"{_MONTH}{_MARK}(?P<day>1[3-9]|2\d|3[01])(?P=mark){_YEAR}",  # 05-13-2024
    )
)


def day_in(name: str) -> datetime | None:
    """Return the day of a name as its midnight in UTC, or None."""
    return next(_days(name), None)


def _days(name: str) -> Iterator[datetime]:
    for form in _FORMS:
        for found in form.finditer(name):
            said = found.groupdict()
            month = said.get("month") or 1 + _NAMES.index(said["name"][:3].lower())
            try:
                yield datetime(int(said["year"]), int(month), int(said["day"]), tzinfo=UTC)
            except ValueError:  # the 31st of a short month
                continue
