"""What a submitter wants of the captions that a source has already, and where a feed says that they are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ingest.shared import bounds

MOST_PUBLISHED: Final = 10  # transcripts of one episode, in formats and languages
LONGEST_TYPE: Final = 100


class CaptionUse(StrEnum):
    """What is made of captions.

    IGNORE     nothing: they are not asked for
    COMPARE    a figure: how many words differ between them and what is recognised
    PREFER     the words of the recording, where a person has written them; else a figure
    ONLY       the words of the recording, without its audio: a first version without recognition
    """

    IGNORE = "ignore"
    COMPARE = "compare"
    PREFER = "prefer"
    ONLY = "only"


class PublishedTranscript(BaseModel):
    """A transcript that a feed names for an episode (`podcast:transcript`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, Field(min_length=1, max_length=bounds.LONGEST_ADDRESS), AfterValidator(bounds.address)]
    media_type: Annotated[str, Field(max_length=LONGEST_TYPE)] = ""
    language: Annotated[str, Field(max_length=bounds.LONGEST_LANGUAGE)] = ""


class CaptionWish(BaseModel):
    """How captions are used, and the transcripts that the source publishes; none is wanted where there is no wish."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: CaptionUse
    published: Annotated[tuple[PublishedTranscript, ...], Field(max_length=MOST_PUBLISHED)] = ()
