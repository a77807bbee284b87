"""The messages of a run, in the stream INGEST_RUNS."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from ingest.shared import bounds
from ingest.shared.messages import Count, Generation, Message, Moment, VideoId

RUN_NAME_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"  # a part of names of Kubernetes objects
RunName = Annotated[str, Field(pattern=RUN_NAME_PATTERN)]


class RunRecordings(Message):
    """Recordings of a run, each with the generation that the run waits for; `is_last` ends the list of a submission."""

    run: RunName
    videos: Annotated[dict[VideoId, Generation], Field(max_length=bounds.MOST_OF_A_RUN)]
    is_last: bool


class RunEnd(Message):
    """A run has ended: what became of its recordings. `repeated` were requested anew, `lost` are in no queue."""

    run: RunName
    at: Moment
    indexed: Count
    skipped: Count
    failed: Count
    repeated: Count
    lost: Count
