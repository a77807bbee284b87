"""The messages between the services, and the map of the pipeline: start reading here.

    submit ─ VideoRequested ─► check ─ VideoAccessible ─► download ─ AudioReady ─► asr ─ TranscriptReady ─► embedder
    (CLI, Job)                 └────── downloader ───────────────┘

Every arrow is a subject of the work queue `INGEST`; every box is a durable consumer of the same name. A message is a
small fact: ids, paths and checksums, never audio or text. Beside the queue, each stage publishes what it does as an
`Event`, which the ledger (in the embedder) folds into the table `videos`; what cannot be done becomes a `DeadLetter`.

`schema_version` grows when a message changes; readers are deployed before writers. A message that cannot be read (not
JSON, too large, another version, a wrong field) goes to the dead letters in one attempt. Titles, dates and figures
beyond `ingest.shared.bounds` are cut or dropped, not refused: they cost no video.
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ingest.shared import bounds, languages
from ingest.shared.about import About, DateSource, stays
from ingest.shared.captions import CaptionWish
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import clean, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

SCHEMA_VERSION = 1
MAX_MESSAGE_BYTES = 1_000_000
VIDEO_ID_PATTERN = r"^[A-Za-z0-9_-]{11}$"
NO_NUL_PATTERN = r"^[^\x00]*$"  # neither Postgres nor a file system takes one


def _text(change: Callable[[str], str | None]) -> BeforeValidator:
    """Return a validator that changes text first: half a character in it is cleaned away, not refused."""
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


VideoId = Annotated[str, Field(pattern=VIDEO_ID_PATTERN)]
Generation = Annotated[int, Field(ge=1, le=bounds.LARGEST_GENERATION)]
FreshFrom = Annotated[int, Field(ge=0, le=bounds.LARGEST_GENERATION)]
Count = Annotated[int, Field(ge=0, lt=1 << 31)]  # an integer of the archive
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Length = Annotated[Seconds | None, AfterValidator(bounds.possible_length)]
Speakers = Annotated[int, Field(ge=1, le=1000)]
Whole = Annotated[str, _text(lambda text: text.encode(errors="ignore").decode())]  # half a character cannot be sent on
Text = Annotated[str, AfterValidator(clean)]
Title = Annotated[str, _text(bounds.title)]
Channel = Annotated[str, _text(bounds.channel)]
Remark = Annotated[str, _text(lambda text: shorten(text, bounds.LONGEST_TEXT))]
Name = Annotated[str, _text(lambda text: shorten(text, bounds.LONGEST_NAME))]
Person = Annotated[str, Field(min_length=1, max_length=bounds.LONGEST_NAME), _text(one_line)]
Said = Annotated[str, Field(min_length=1, max_length=bounds.LONGEST_CORRECTION), _text(one_line)]
Moment = Annotated[datetime, AfterValidator(bounds.nearest_moment)]
Date = Annotated[datetime | None, AfterValidator(bounds.possible_moment)]
Language = Annotated[str | None, _text(languages.code)]  # an unknown one is dropped
Figures = Annotated[dict[str, float], AfterValidator(bounds.figures)]


class Stage(StrEnum):
    """The steps of a video, in order; also the names of consumers, metric labels and log fields."""

    CHECK = "check"
    DOWNLOAD = "download"
    ASR = "asr"
    EMBEDDER = "embedder"


class SourceKind(StrEnum):
    """How a recording is checked and fetched: each kind has a connector in the downloader."""

    YOUTUBE = "youtube"
    MEDIA = "media"
    FILE = "file"


class EventKind(StrEnum):
    """What happened to a video; the last four end its way (`deferred` until its time comes).

    A submission begins a new generation; a dead letter that is replayed goes on with that of its message.
    """

    SUBMITTED = "submitted"
    REPLAYED = "replayed"
    STARTED = "started"
    PROGRESS = "progress"
    FINISHED = "finished"
    POSTPONED = "postponed"
    RETRYING = "retrying"
    INDEXED = "indexed"
    FAILED = "failed"
    SKIPPED = "skipped"
    DEFERRED = "deferred"


class Part(BaseModel):
    """Base of everything inside a message: immutable, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Part):
    """Where a recording is: a canonical URL, or for `file` an absolute path."""

    kind: SourceKind
    url: Annotated[str, Field(min_length=1, max_length=bounds.LONGEST_ADDRESS, pattern=NO_NUL_PATTERN)]

    @field_validator("url", mode="before")
    @classmethod
    def _without_controls(cls, url: object, info: ValidationInfo) -> object:
        """Encode what controls a terminal; the path of a file stays as it is."""
        return bounds.address(url) if isinstance(url, str) and info.data.get("kind") != SourceKind.FILE else url


class Metadata(Part):
    """The metadata of a recording; the stages complete it.

    The bounds of speakers and `given_language` come from the submitter. `likely_language` is what the source announces,
    or what the other recordings of the channel are in. `about` is in requests and events alone: no stage reads it.
    """

    title: Title | None = None
    channel: Channel | None = None
    published_at: Date = None
    date_source: DateSource | None = None
    duration_s: Length = None
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None
    given_language: Language = None
    likely_language: Language = None
    about: About | None = None

    def over(self, older: Metadata) -> Metadata:
        """Return this metadata with its gaps filled from `older`; a date that the submitter has given stays."""
        dated = older if self.published_at is None or stays(older.date_source, self.date_source) else self
        merged = {**older.model_dump(exclude_none=True), **self.model_dump(exclude_none=True)}
        return Metadata(**{**merged, "published_at": dated.published_at, "date_source": dated.date_source})


class Policy(Part):
    """What the submitter wants: recordings outside these limits are skipped with a reason; what captions are for."""

    min_duration_s: Seconds | None = None
    max_duration_s: Seconds | None = None
    published_after: Moment | None = None
    captions: CaptionWish | None = None


class Artifact(Part):
    """A file on the shared volume: path relative to its root, checksum, size, length of the recording."""

    path: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL_PATTERN)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0, lt=1 << 63)]
    duration_s: Seconds


class Message(Part):
    """Base of every message."""

    schema_version: int = SCHEMA_VERSION


Following = TypeVar("Following", bound="VideoMessage")


class VideoMessage(Message):
    """Base of the four facts of the work queue; `captions` is the wish of the policy, after the check.

    `generation` grows with every deliberate new run of a video; `fresh_from` is the oldest generation whose files may
    be used again (of a forced run its own, else 0); `redo` counts how often a later stage asked for a file again.
    """

    video_id: VideoId
    generation: Generation = 1
    source: Source
    metadata: Metadata = Metadata()
    fresh_from: FreshFrom = 0
    redo: Count = 0
    captions: CaptionWish | None = None

    @field_validator("fresh_from")
    @classmethod
    def _is_reached(cls, fresh_from: int, info: ValidationInfo) -> int:
        """Refuse a generation that no file of this run would have."""
        if fresh_from > info.data.get("generation", fresh_from):
            raise ValueError("is later than the generation")
        return fresh_from

    @property
    def job(self) -> str:
        """Return the name of this piece of work, the same in every stage."""
        return f"{self.video_id}.{self.generation}.{self.redo}"

    def next(self, model: type[Following], **content: object) -> Following:
        """Return the message that follows: the same video, generation and source, and `content`; no `about`."""
        common = {name: getattr(self, name) for name in VideoMessage.model_fields}
        found = model.model_validate({**common, **content})
        return found.model_copy(update={"metadata": found.metadata.model_copy(update={"about": None})})


class VideoRequested(VideoMessage):
    """A recording was submitted."""

    policy: Policy = Policy()


class VideoAccessible(VideoMessage):
    """The recording can be had. `exit` is the number of the exit through which it was checked, if there are several."""

    exit: Annotated[int, Field(ge=1, le=1000)] | None = None


class AudioReady(VideoMessage):
    """The recording is on the volume, complete and decodable."""

    audio: Artifact


class TranscriptReady(VideoMessage):
    """The transcript is on the volume."""

    transcript: Artifact


class Event(Message):
    """Something happened to a video in a stage; `numbers` are figures for progress and statistics.

    That it was submitted also says how: the limits, and which files may be used again.
    """

    video_id: VideoId
    generation: Generation
    stage: Stage
    kind: EventKind
    at: Moment
    attempt: Count = 1
    worker: Name = ""
    code: Code | None = None
    text: Remark = ""
    retry_at: Moment | None = None
    source: Source | None = None
    metadata: Metadata = Metadata()
    policy: Policy | None = None
    fresh_from: FreshFrom | None = None
    numbers: Figures = Field(default_factory=dict)


class ListingAccount(Message):
    """What the listing of a command has left out, by reason: an event of no video, beside those of the check stage."""

    at: Moment
    left_out: Annotated[dict[Name, Count], Field(min_length=1, max_length=bounds.MOST_REASONS)]


class Retry(Part):
    """A wish for a change: request recordings again, those named, or the failed and skipped ones with an error code."""

    kind: Literal["retry"] = "retry"
    videos: Annotated[tuple[VideoId, ...], Field(max_length=bounds.MOST_VIDEOS)] = ()
    code: Code | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if bool(self.videos) == (self.code is not None):
            raise ValueError("name videos or a code")
        return self


class NameSpeaker(Part):
    """A wish for a change: a speaker of a recording is this person."""

    kind: Literal["name"] = "name"
    video: VideoId
    speaker: Person
    name: Person


class MergeSpeakers(Part):
    """A wish for a change: two speakers of a recording are one, the second."""

    kind: Literal["merge"] = "merge"
    video: VideoId
    speaker: Person
    into: Person


class UndoStatement(Part):
    """A wish for a change: what was said by hand about a speaker of a recording is taken back."""

    kind: Literal["undo"] = "undo"
    video: VideoId
    statement: Annotated[int, Field(ge=1, lt=1 << 63)]


class CorrectWords(Part):
    """A wish for a change: words of a recording, near a time, are others.

    `at_s` may be left out where they are said once. With `every`, they are corrected wherever the recording has them.
    """

    kind: Literal["correct"] = "correct"
    video: VideoId
    expected: Said
    replacement: Said
    at_s: Seconds | None = None
    every: bool = False


class UndoCorrection(Part):
    """A wish for a change: a correction of words of a recording is taken back."""

    kind: Literal["undo_correction"] = "undo_correction"
    video: VideoId
    correction: Annotated[int, Field(ge=1, lt=1 << 63)]


Wish = Annotated[
    Retry | NameSpeaker | MergeSpeakers | UndoStatement | CorrectWords | UndoCorrection, Field(discriminator="kind")
]


class ChangeRequested(Message):
    """A reader of the archive wants a change. The embedder carries it out, and stores the result under this id.

    `author` is who wants it, as far as that is known: a person, or the way by which the wish came.
    """

    change_id: VideoId
    at: Moment
    change: Wish
    author: Name = "page"


class DeadLetter(Message):
    """A message that could not be handled: what it was, why, and after how many attempts of each kind."""

    stage: Stage
    subject: Whole
    payload: Whole
    code: Code
    text: Remark
    attempts: dict[Whole, int]
    at: Moment
    video_id: Whole | None = None
    generation: int | None = None


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """Return a message as JSON; raise MESSAGE_TOO_LARGE above what the broker takes."""
    data = message.model_dump_json(exclude_none=True).encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise IngestError(Code.MESSAGE_TOO_LARGE, f"{len(data)} bytes, limit {MAX_MESSAGE_BYTES}")
    return data


def decode(model: type[M], data: bytes) -> M:
    """Return the message in `data`; raise the code of what is wrong with it."""
    try:
        content: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IngestError(Code.BAD_MESSAGE, f"payload is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise IngestError(Code.BAD_MESSAGE, f"payload is a JSON {type(content).__name__}, not an object")
    if len(data) > MAX_MESSAGE_BYTES:  # with headers it could not be sent again
        raise IngestError(Code.MESSAGE_TOO_LARGE, f"{len(data)} bytes, limit {MAX_MESSAGE_BYTES}")
    if (version := content.get("schema_version", SCHEMA_VERSION)) != SCHEMA_VERSION:
        raise IngestError(Code.BAD_VERSION, f"got {shorten(repr(version), 100)}, support {SCHEMA_VERSION}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _field_error(error) from error


def _field_error(error: ValidationError) -> IngestError:
    first = error.errors()[0]
    field = shorten(".".join(str(part) for part in first["loc"]), 200)
    reason = "missing" if first["type"] == "missing" else first["msg"]
    if field == "video_id" and reason != "missing":
        return IngestError(Code.BAD_VIDEO_ID, "must match [A-Za-z0-9_-]{11}")
    return IngestError(Code.BAD_FIELD, f"{field} {reason}")
