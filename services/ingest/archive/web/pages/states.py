"""The states of the pages, each of which has an address of its own, and answers by recording. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from pydantic import Field

from ingest.archive.web import inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.archive.web.shapes import Hit


class SearchPage(inputs.SearchInput):
    """The state of the search page; without a question it shows an invitation."""

    q: str = ""


class RecordingPage(inputs.Input):
    """The state of a recording's page."""

    t: inputs.Second = 0.0
    """Second at which the player stands."""
    q: Annotated[str, Field(max_length=inputs.LONGEST_QUESTION)] = ""
    """The question that led here: its words are marked."""


@dataclass(frozen=True)
class Group:
    """The answers of one recording, the best one first."""

    best: Hit
    hits: tuple[Hit, ...]

    @property
    def size(self) -> int:
        """Return the number of answers."""
        return len(self.hits)


def grouped(results: Iterable[Hit]) -> list[Group]:
    """Return the answers by recording, in the order of their best ones."""
    found: dict[str, list[Hit]] = {}
    for hit in results:
        found.setdefault(hit.recording, []).append(hit)
    return [Group(hits[0], tuple(hits)) for hits in found.values()]


def page_of(hit: Hit, question: str) -> RecordingPage:
    """Return the state of a recording's page that shows an answer."""
    return RecordingPage(t=round(hit.start_s, 1), q=question)


def address(path: str, page: inputs.Input, **changes: object) -> str:
    """Return the address of a page in another state: its parameters, with changes. None leaves a parameter out."""
    state = {**page.model_dump(mode="json", by_alias=True, exclude_defaults=True), **changes}
    query = urlencode({name: value for name, value in state.items() if value is not None})
    return f"{path}?{query}" if query else path
