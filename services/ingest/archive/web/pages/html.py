"""Fills the templates of pages and feeds. Every value is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ingest.archive.export.registry import FORMATS
from ingest.archive.web import highlight
from ingest.archive.web.library import API
from ingest.archive.web.pages import states
from ingest.embedder import overlap
from ingest.embedder.tables.catalog import DATED_BY

if TYPE_CHECKING:
    from datetime import datetime

MINUTE_S = 60
FILES: Final = {
    "vtt": "WebVTT subtitles",
    "srt": "SubRip subtitles",
    "txt": "Text",
    "md": "Markdown",
    "csv": "Table (CSV)",
    "parquet": "Table (Parquet)",
    "json": "JSON",
    "podcast": "Podcast JSON",
    "rttm": "Turns (RTTM)",
}
STATES: Final = {
    "queued": "waiting",
    "running": "in progress",
    "postponed": "postponed",
    "indexed": "searchable",
    "failed": "failed",
    "skipped": "skipped",
    "deferred": "deferred",
}


class Templates:
    """The templates of this package."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("ingest.archive.web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(clock=clock, length_of=length, day=day, percent=percent, too=overlap.said)
        self._environment.globals.update(
            api=API,
            files=offered(),
            states=STATES,
            dated_by=DATED_BY,
            pieces=highlight.pieces,
            address=states.address,
            page_of=states.page_of,
        )

    def fill(self, name: str, **content: Any) -> str:  # noqa: ANN401 (of the template)
        """Return a template with its content."""
        return self._environment.get_template(name).render(**content)


def offered() -> dict[str, str]:
    """Return the formats that can be written here, by the name of each in the list of downloads."""
    return {form: name for form, name in FILES.items() if FORMATS[form].missing is None}


def clock(seconds: float) -> str:
    """Return a place in a recording, as 1:02:03."""
    minutes, rest = divmod(int(seconds), MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def length(seconds: float) -> str:
    """Return a length in words, as 2 h 5 min."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"


def day(moment: datetime) -> str:
    """Return a date, as 3 Nov 2026."""
    return f"{moment.day} {moment:%b %Y}"


def percent(part: float) -> str:
    """Return a part of a whole, as 12 %."""
    return f"{part:.0%}".replace("%", "\u00a0%")
