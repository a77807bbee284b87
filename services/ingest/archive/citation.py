"""A citation: what was said, by whom, when, and from which files and models. `ingest verify` checks it. Pure.

Its text form is a token that fits into an address or a footnote:

    ingest1.    then base64url, without padding, of zlib-compressed JSON (`Citation`)

The JSON itself is read, too. Hashes prove nothing about the words: they say which files were meant.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from ingest.shared.bounds import LONGEST_NAME
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Generation, Part, Seconds, VideoId
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "ingest1."
LONGEST_TOKEN: Final = 64 << 10
LONGEST_JSON: Final = 256 << 10
LONGEST_TEXT: Final = 20_000
OPENING: Final = re.compile(r"\s*[\[{]")
BETWEEN: Final = ",]} "  # what is left of a line behind a part of JSON
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Key = Annotated[str, Field(max_length=500)]
Figure = Annotated[float, Field(allow_inf_nan=False)]


class Attribution(Part):
    """Why this is the speaker: by the voice models, or by hand (then `author` is who has said so).

    `score` is the cosine to the voice's profile, of `profile_version`; `margin` is its lead over the second best.
    """

    rule: Name = ""
    score: Figure | None = None
    margin: Figure | None = None
    profile_version: int | None = None
    voice_model: Key | None = None
    author: Name | None = None


class Citation(Part):
    """A passage of a recording. `heard` is what the recognizer wrote, where people have corrected its words."""

    version: Literal[1] = 1
    recording: VideoId
    generation: Generation
    from_s: Seconds
    to_s: Seconds
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
    heard: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    language: Annotated[str, Field(max_length=20)] = ""
    model: Key
    audio_sha256: Sha256
    transcript_sha256: Sha256
    speaker: Name | None = None
    attribution: Attribution | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Citation:
        if self.to_s <= self.from_s:
            raise ValueError("ends before it begins")
        return self

    @property
    def recognised(self) -> str:
        """Return the words that the recognizer has to find."""
        return self.text if self.heard is None else self.heard

    def token(self) -> str:
        """Return the text form."""
        packed = zlib.compress(self.model_dump_json(exclude_defaults=True).encode(), 9)
        return PREFIX + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def parse(text: str) -> Citation:
    """Return the citation of a token or of JSON; raise BAD_FIELD for any other text."""
    text = text.strip()
    try:
        return Citation.model_validate_json(_unpacked(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else text)
    except (ValidationError, ValueError, RecursionError) as error:
        reason = _reason(error) if isinstance(error, ValidationError) else first_line(error)
        raise IngestError(Code.BAD_FIELD, f"no citation: {reason}") from error


def _reason(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return ".".join(map(str, first["loc"])) + f" {first['msg']}".rstrip()


def _unpacked(token: str) -> str:
    if len(token) > LONGEST_TOKEN:
        raise ValueError("too long")
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, LONGEST_JSON)
        if not unpacking.eof:
            raise ValueError("cut off, or too long")
        return data.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise ValueError("the token is damaged") from error


def in_text(text: str) -> list[str]:
    """Return the citations in a file: tokens on lines of their own, and the values `citation` of JSON.

    Between them, lines that are neither are returned as they are, several as one text: `parse` refuses it.
    """
    try:
        return list(_in_json(json.loads(text)))
    except (ValueError, RecursionError):
        return list(_in_lines(text))


def _in_lines(text: str) -> Iterator[str]:
    other: list[str] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].strip()
        document = _document(text, at)
        if document is not None:
            found, end = list(_in_json(document[0])), document[1]
        else:
            found = [line] if line.startswith(PREFIX) else []
            if not found and line.strip(BETWEEN):
                other.append(line)
        if other and found:
            yield "\n".join(other)
            other.clear()
        yield from found
        at = end
    if other:
        yield "\n".join(other)


def _document(text: str, at: int) -> tuple[object, int] | None:
    """Return the JSON list or object that begins in a line, and where it ends; None where there is none."""
    opening = OPENING.match(text, at)
    try:
        return None if opening is None else json.JSONDecoder().raw_decode(text, opening.end() - 1)
    except (ValueError, RecursionError):
        return None


def _in_json(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case {"audio_sha256": _}:
            return [json.dumps(value)]
        case {"citation": str() as token}:
            return [token]
        case dict():
            return [token for one in value.values() if isinstance(one, dict | list) for token in _in_json(one)]
        case list():
            return [token for one in value for token in _in_json(one)]
        case _:
            return []
