"""What is being done with a recording of a voice: one changing line on a terminal, else a line every ten seconds."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.shared import outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_S = 10.0


@contextmanager
def shown(line_every_s: float = LINE_EVERY_S) -> Iterator[Callable[[str], None]]:
    """Give a function that shows a text on standard error as long as the `with` block runs."""
    last_s = -math.inf
    with console.err.status("") as status:

        def show(text: str) -> None:
            nonlocal last_s
            line = outgoing.line(text)
            status.update(line)
            if not console.err.is_terminal and time.monotonic() - last_s >= line_every_s:
                last_s = time.monotonic()
                console.err.print(line)

        yield show
