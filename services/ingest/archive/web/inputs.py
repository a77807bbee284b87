"""The parameters of each address of the API, with their limits. Unknown ones are refused."""

from __future__ import annotations

import base64
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ingest.archive.web.problems import BAD_PARAMETER, ProblemError
from ingest.shared.messages import VIDEO_ID_PATTERN
from ingest.shared.text import clean
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_QUESTION = 500
LONGEST_NAME = 200
MOST_RESULTS = 50
MOST_RECORDINGS = 100
MOST_PASSAGES = 1_000_000
MOST_PARAMETERS = 20
EARLIEST, LATEST = date(1900, 1, 1), date(9998, 12, 31)


def plain(text: str) -> str:
    """Return a text; raise ValueError when it has control characters."""
    if clean(text) != text:
        raise ValueError("contains control characters")
    return text


Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(plain)]
Second = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
Day = Annotated[date, Field(ge=EARLIEST, le=LATEST)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="Code of a language, as en")]


class Input(BaseModel):
    """Parameters of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Filters(Input):
    """The filters of recordings."""

    speaker: Name | None = None
    """Name of a speaker; upper and lower case are the same."""
    channel: Name | None = None
    """Name of a channel; upper and lower case are the same."""
    from_: Annotated[Day | None, Field(alias="from")] = None
    """Only recordings published on this day or later."""
    until: Day | None = None
    """Only recordings published on this day or earlier."""
    language: Language | None = None
    """Only recordings in this language."""

    @property
    def since(self) -> datetime | None:
        """Return the moment from which recordings count."""
        return None if self.from_ is None else datetime.combine(self.from_, datetime.min.time(), UTC)

    @property
    def before(self) -> datetime | None:
        """Return the moment before which recordings count."""
        return None if self.until is None else datetime.combine(self.until + timedelta(1), datetime.min.time(), UTC)


class SearchInput(Filters):
    """A question and its filters."""

    q: Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION), AfterValidator(plain)]
    """Words, "phrases", -words that are left out, and OR."""
    recording: Annotated[str | None, Field(pattern=VIDEO_ID_PATTERN)] = None
    """Only passages of this recording."""
    limit: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 10
    """At most this many results."""
    citations: bool = False
    """Also a citation of each result, for `ingest verify`."""


class RecordingsInput(Filters):
    """The filters of a list of recordings, and its place."""

    state: VideoState | None = None
    """Only recordings in this state."""
    limit: Annotated[int, Field(ge=1, le=MOST_RECORDINGS)] = 20
    """Recordings on a page of the list."""
    cursor: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] = None
    """The `next` of the page before."""

    @property
    def after(self) -> tuple[datetime, str] | None:
        """Return the place after which the list continues; raise ProblemError when the cursor is not one of ours."""
        return None if self.cursor is None else _place(self.cursor)


class TranscriptInput(Input):
    """The form of a transcript."""

    citations: bool = False
    """Also a citation of each passage, for `ingest verify`."""
    words: bool = False
    """Also the words, with times and probabilities."""


class SimilarInput(Input):
    """A passage, whose like is sought."""

    passage: Annotated[int, Field(ge=0, le=MOST_PASSAGES)]
    """Number of the passage in the recording: `index` of an answer or of a transcript."""
    limit: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 10
    """At most this many results."""


class ExportInput(Input):
    """The form of a transcript as a file."""

    format: Literal["vtt", "srt", "txt", "md", "json", "podcast", "rttm", "csv", "parquet"]
    """Format of the file, as of `ingest export`."""
    speakers: bool = True
    """With the names of the speakers."""
    vectors: bool = False
    """With the vectors of the passages; only a Parquet file has them."""


I = TypeVar("I", bound=Input)  # noqa: E741 (input)


def read(kind: type[I], query: str) -> I:
    """Return the parameters in a query string; raise ProblemError for a wrong one. An empty value counts as none."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise ProblemError(BAD_PARAMETER, f"more than {MOST_PARAMETERS} parameters") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise ProblemError(BAD_PARAMETER, f"{name!r} is given twice")
        given[name] = value
    return check(kind, given)


def check(kind: type[I], given: Mapping[str, object]) -> I:
    """Return the parameters in named values; raise ProblemError for a wrong one. An empty value counts as none."""
    try:
        return kind.model_validate({name: value for name, value in given.items() if not _is_empty(value)})
    except ValidationError as error:
        raise ProblemError(BAD_PARAMETER, _explain(error.errors(include_url=False, include_context=False))) from None


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _explain(errors: Iterable[object]) -> str:
    """Return which parameters are wrong, and the rule of each."""
    texts = []
    for error in errors:
        assert isinstance(error, dict)  # noqa: S101 (by pydantic)
        name = ".".join(map(str, error["loc"]))[:LONGEST_NAME]
        texts.append(f"{name!r} is unknown" if error["type"] == "extra_forbidden" else f"{name!r}: {error['msg']}")
    return "; ".join(texts)


def cursor(moment: datetime, video_id: str) -> str:
    """Return the cursor of a place in the list of recordings."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {video_id}".encode()).decode().rstrip("=")


def _place(text: str) -> tuple[datetime, str]:
    try:
        moment, _, video_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
        place = datetime.fromisoformat(moment)
    except ValueError:
        place, video_id = datetime.min, ""  # noqa: DTZ901 (refused below)
    if place.tzinfo is None or not re.fullmatch(VIDEO_ID_PATTERN, video_id):
        raise ProblemError(BAD_PARAMETER, "'cursor' is not one that this server made")
    return place, video_id
