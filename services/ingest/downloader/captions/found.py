"""A file with captions that a connector has found, and which of several is taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ingest.shared import languages

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMS = ("vtt", "srt", "json", "html")  # those with times for each line first; a page may have none
TYPES = {
    "text/vtt": "vtt",
    "application/srt": "srt",
    "application/x-subrip": "srt",
    "text/srt": "srt",
    "application/json": "json",
    "text/html": "html",
}


@dataclass(frozen=True)
class CaptionFile:
    """A file with captions, as the source delivered it."""

    path: str
    kind: Literal["manual", "automatic"]
    origin: Literal["site", "feed", "file", "import"]
    language: str | None = None


@dataclass(frozen=True)
class Offer:
    """Captions that a source offers: where, in which form and language, and whether a program has made them."""

    address: str
    form: str
    language: str = ""
    is_automatic: bool = False


def best(offers: Sequence[Offer], wanted: Sequence[str]) -> Offer | None:
    """Return the captions to take: in the first of the wanted languages, a person's before a program's.

    Without any in these languages, those of unknown language are taken, and where nothing is wanted, any.
    """
    known = [offer for offer in offers if offer.form in FORMS]
    codes = [languages.code(offer.language) for offer in known]

    def rank(number: int) -> tuple[int, bool, int]:
        code = codes[number]
        place = wanted.index(code) if code in wanted else len(wanted)
        return place, known[number].is_automatic, FORMS.index(known[number].form)

    fitting = [n for n in range(len(known)) if not wanted or codes[n] is None or codes[n] in wanted]
    return known[min(fitting, key=rank)] if fitting else None


def form_of(media_type: str, address: str) -> str:
    """Return the form of captions by their type, else by the suffix of their address; empty for another one."""
    named = TYPES.get(media_type.partition(";")[0].strip().lower())
    suffix = address.partition("?")[0].rpartition(".")[2].lower()
    return named or ("html" if suffix == "htm" else suffix if suffix in FORMS else "")
