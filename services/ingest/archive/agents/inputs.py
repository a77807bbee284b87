"""The arguments of the tools, with their limits. Unknown ones are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ingest.archive.web.inputs import LONGEST_QUESTION, MOST_RESULTS, Filters, Input, plain
from ingest.shared.messages import VIDEO_ID_PATTERN

MOST_SPEAKERS = 200
PASSAGE_PATTERN = r"^[A-Za-z0-9_-]{11}(:[0-9]{1,6})?$"
LATEST_S = 1e7

Recording = Annotated[str, Field(pattern=VIDEO_ID_PATTERN)]
Second = Annotated[float, Field(ge=0, le=LATEST_S, allow_inf_nan=False)]


class Search(Filters):
    """A question and its filters."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION), AfterValidator(plain)]
    """Words, "phrases", -words that are left out, and OR. Whole sentences are found by their meaning."""
    recording: Recording | None = None
    """Only passages of this recording."""
    limit: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 10
    """At most this many results."""


class Fetch(Input):
    """What is fetched."""

    id: Annotated[str, Field(pattern=PASSAGE_PATTERN)]
    """The id of a result of `search` (a passage, as RECORDING:NUMBER), or of a recording."""


class Part(Input):
    """A recording, or a part of it."""

    recording: Recording
    """Id of the recording."""
    from_: Annotated[Second, Field(alias="from")] = 0.0
    """Second at which the part begins."""
    to: Second = LATEST_S
    """Second at which the part ends; without it, the end of the recording."""

    @field_validator("to")
    @classmethod
    def _is_later(cls, to: float, known: ValidationInfo) -> float:
        if to <= known.data.get("from_", 0.0):
            raise ValueError("must be later than 'from'")
        return to


class Speakers(Input):
    """How many speakers are listed."""

    limit: Annotated[int, Field(ge=1, le=MOST_SPEAKERS)] = 50
    """At most this many speakers, those who speak most."""
