"""The vocabulary as the recognizer reads it: a file on the volume, `vocabulary/words.json`.

The archive has the entries (`ingest vocabulary`). This copy is for the asr stage, which has no database.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ingest.shared.artifacts.home import ConflictError
from ingest.shared.bounds import LONGEST_ADDRESS, LONGEST_CHANNEL, LONGEST_WORDS, MOST_ENTRIES
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.shared.artifacts.home import Home
    from ingest.shared.messages import Metadata, Source

FILE = "vocabulary/words.json"
LARGEST_BYTES = 16 << 20
KEY_LENGTH = 12
MOST_CONFLICTS = 20
_LOGIN = re.compile("^(https?://)[^/@]*@")


class Entry(Part):
    """A text of one or several words, expected in the recordings of a channel, of addresses, or in all."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_WORDS)]
    channel: Annotated[str, Field(max_length=LONGEST_CHANNEL)] | None = None
    source: Annotated[str, Field(max_length=LONGEST_ADDRESS)] | None = None

    def is_for(self, source: Source, metadata: Metadata) -> bool:
        """Return whether the text is expected in a recording."""
        is_channel = self.channel is None or self.channel.casefold() == (metadata.channel or "").casefold()
        return is_channel and (self.source is None or _LOGIN.sub(r"\1", source.url).startswith(self.source))


class VocabularyFile(Part):
    """The content of the file."""

    version: int = 1
    entries: Annotated[tuple[Entry, ...], Field(max_length=MOST_ENTRIES)] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The texts that are expected in one recording, in one order whatever the order of their entries."""

    texts: tuple[str, ...] = ()

    def key(self, recognizer: str) -> str:
        """Return what the words of a transcript depend on, beside the audio: the recognizer, and these texts if any."""
        joined = "\n".join(self.texts).encode()
        return f"{recognizer}/words@{hashlib.sha256(joined).hexdigest()[:KEY_LENGTH]}" if self.texts else recognizer


NONE = Vocabulary()


def read(home: Home, source: Source, metadata: Metadata) -> Vocabulary:
    """Return what is expected in a recording; raise BAD_FIELD for a damaged file."""
    try:
        data = home.get(FILE, LARGEST_BYTES)
        content = VocabularyFile() if data is None else VocabularyFile.model_validate_json(data)
    except ValueError as error:  # a ValidationError is one
        raise IngestError(Code.BAD_FIELD, f"{FILE} cannot be read: {first_line(error)}") from error
    return Vocabulary(tuple(sorted({entry.text for entry in content.entries if entry.is_for(source, metadata)})))


def write(home: Home, entries: Callable[[], Iterable[Entry]]) -> None:
    """Write the file; `entries` reads them anew where another command has written meanwhile."""
    for _ in range(MOST_CONFLICTS):
        before = home.version(FILE)
        data = VocabularyFile(entries=tuple(entries())).model_dump_json(exclude_none=True).encode()
        try:
            home.put(FILE, data, before)
        except ConflictError:
            continue
        return
    raise IngestError(Code.ENV_VOLUME, f"{FILE} is written by others all the time")
