"""The account of a listing: every item of a source is either a recording, or is left out for a named reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.shared.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.downloader.exits import Exit
    from ingest.shared.errors import IngestError

MOST_EXAMPLES = 5
LONGEST_EXAMPLE = 200


@dataclass
class LeftOut:
    """The items that were left out for one reason: how many, and the names of the first."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, count: int, name: str) -> None:
        """Count items, and note the name of the first."""
        self.count += count
        if name and len(self.examples) < MOST_EXAMPLES:
            self.examples.append(shorten(clean(name), LONGEST_EXAMPLE))


@dataclass(frozen=True)
class Problem:
    """A source, or a part of one, that could not be read."""

    name: str
    error: IngestError


@dataclass(frozen=True)
class Listing:
    """What listing sources needs, and leaves behind.

    before_request  runs before each request to a site with a rate limit; returns the exit through which it is asked
    left_out        the items that are no recordings, or not wanted, by reason
    problems        what could not be read: its recordings may be missing
    further         the sources that a source names (a list of feeds); they are listed after it
    notes           which of several things was taken, a line for each
    """

    before_request: Callable[[], Exit | None] = lambda: None
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    further: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, name: str = "", count: int = 1) -> None:
        """Count items that are left out for a reason."""
        self.left_out.setdefault(reason, LeftOut()).add(count, name)

    def merge(self, left_out: dict[str, LeftOut]) -> None:
        """Add what a part of the listing has left out."""
        for reason, one in left_out.items():
            for name in one.examples:
                self.leave_out(reason, name)
            self.leave_out(reason, count=one.count - len(one.examples))

    def fail(self, name: str, error: IngestError) -> None:
        """Note that a source, or a part of one, could not be read."""
        self.problems.append(Problem(name, error))
