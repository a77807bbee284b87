"""Draws the picture of the README: `FORCE_COLOR=1 ingest demo | python -m bench.answer`.

The picture shows, from the output of the demonstration, the conversation with its speakers and two of the searches,
unchanged, in the colours of a terminal.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ingest.cli.operate.demo import QUESTIONS, SAID_BY_ENROLLED
from ingest.demo import conversation

PICTURE = Path(__file__).parents[1] / "docs" / "answer.svg"
WIDTH = 104
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # fonts of another site, which no viewer should fetch


def shown(output: str) -> list[str]:
    """Return the parts of the output that the picture shows."""
    titles = (conversation().title, QUESTIONS[0], SAID_BY_ENROLLED)
    parts = [part.strip("\n") for part in output.split("\n\n")]
    return [part for title in titles for part in parts if title in Text.from_ansi(part.partition("\n")[0]).plain]


def draw(output: str) -> str:
    """Return the picture as SVG."""
    console = Console(record=True, width=WIDTH, file=sys.stderr, force_terminal=True)
    for part in shown(output):
        console.print(Text.from_ansi(part), end="\n\n")
    return FONT.sub("", console.export_svg(title="ingest demo", unique_id="answer"))


def main() -> None:
    """Read the demonstration's output and write the picture."""
    PICTURE.write_text(draw(sys.stdin.read()))
    print(PICTURE)


if __name__ == "__main__":
    main()
