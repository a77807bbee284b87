"""`ingest search`: answers with links to their second."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from ingest.cli import console
from ingest.cli.local.state_folder import connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.settings import AllSettings
    from ingest.embedder.search import Hit


def find(
    settings: AllSettings,
    words: str,
    *,
    speaker: str | None,
    channel: str | None,
    since: datetime | None,
    limit: int,
) -> list[Hit]:
    """Return the best answers of the archive."""
    from ingest.embedder.encoder import load  # seconds of imports, not needed to print answers
    from ingest.embedder.search import Question, Search

    since = since.replace(tzinfo=UTC) if since else None
    question = Question(text=words, speaker=speaker, channel=channel, since=since, limit=limit)
    with connected(settings) as to:
        return Search(to.archive, load(settings)).ask(question)


def print_hits(hits: Sequence[Hit], *, as_json: bool) -> None:
    """Print answers: title, time, text with its best sentence marked, link."""
    if as_json:
        console.print_json(hits)
        return
    if not hits:
        console.out.print("nothing found; try other words, or fewer filters")
    for number, hit in enumerate(hits, 1):
        day = f"{hit.published_at:%Y-%m-%d}" if hit.published_at else None
        about = ", ".join(filter(None, (hit.channel, day, hit.speaker)))
        head = Text(f"{number}. {hit.title or hit.video_id}", style="bold")
        head.append(f"  {console.clock(hit.start_s)}", style="cyan bold")
        head.append(f"  {about}", style="dim")
        console.out.print(head)
        text = Text("   " + hit.text)
        text.highlight_words([hit.sentence], style="bold green")
        console.out.print(text)
        console.out.print(Text("   " + hit.url, style="blue"))
