"""The contract of a format: a name, a suffix, and a function that writes recordings into a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO

from ingest.shared import outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document


def clock(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02}:{int(seconds) % 60:02}" if hours else f"{minutes}:{int(seconds) % 60:02}"


def one_line(text: str) -> str:
    """Return a text in one line: a line end would begin another cue, row or heading."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Format:
    """A format. `joins`: a file may hold several recordings; `is_text`: a terminal can show it, as UTF-8.

    `lacks` returns what a recording lacks for this format, None when it has all. `needs` is the package without which
    it cannot be written, and the extra that installs it.
    """

    name: str
    suffix: str
    media_type: str
    put: Callable[[Iterable[Document], Rules, BinaryIO], None]
    joins: bool = False
    is_text: bool = True
    lacks: Callable[[Document], str | None] = field(default=lambda _document: None)
    needs: tuple[str, str] | None = None

    @property
    def missing(self) -> str | None:
        """Return what has to be installed before this format can be written; None when all is there."""
        if self.needs is None or find_spec(self.needs[0]) is not None:
            return None
        package, extra = self.needs
        return f"{self.name} files need the package {package}: pip install 'ingest[{extra}]'"


def written(write: Callable[[Document, Rules], str], header: str = "") -> Callable[..., None]:
    """Return the `put` of a format of text: `write` returns that of a recording, `header` begins a file."""

    def put(documents: Iterable[Document], rules: Rules, file: BinaryIO) -> None:
        text = header
        for document in documents:
            text += outgoing.printable(write(document.printable(), rules))
            file.write(text.encode(errors="replace"))
            text = ""

    return put
