"""What a source says about a recording that no stage needs: for the readers of the archive, bounded as all metadata."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ingest.shared import bounds

Line = Annotated[str, AfterValidator(bounds.title)]
Number = Annotated[int, Field(ge=0, lt=1 << 31)]


class DateSource(StrEnum):
    """Where the day of a recording is from: its submitter, its site or feed, the media file itself, its name."""

    GIVEN = "given"
    SITE = "site"
    FILE = "file"
    NAME = "name"


def stays(older: DateSource | None, newer: DateSource | None) -> bool:
    """Return whether an older date beats a newer one: that of the submitter, unless it is given again."""
    return older is DateSource.GIVEN and newer is not DateSource.GIVEN


class Chapter(BaseModel):
    """A part of a recording, as its source names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: Annotated[float, Field(ge=0, lt=bounds.LONGEST_RECORDING_S, allow_inf_nan=False)]
    title: Line


class About(BaseModel):
    """Description, chapters, persons, numbers and picture of a recording; `thumbnail` is an address of the web."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Annotated[str, AfterValidator(bounds.description)] | None = None
    chapters: Annotated[tuple[Chapter, ...], Field(max_length=bounds.MOST_CHAPTERS)] = ()
    persons: Annotated[tuple[Line, ...], Field(max_length=bounds.MOST_PERSONS)] = ()
    season: Number | None = None
    episode: Number | None = None
    thumbnail: Annotated[str, Field(max_length=bounds.LONGEST_ADDRESS), AfterValidator(bounds.address)] | None = None
