"""`ingest search`: results of a hybrid search, with links that start at their second."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.text import Text

from ingest.cli import console
from ingest.embedder import overlap
from ingest.shared import outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.local.state_folder import Archive, Connections
    from ingest.cli.settings import AllSettings
    from ingest.embedder.search.question import Answers, Hit, Question
    from ingest.embedder.text_model.model_keys import PassageModel


def answers(settings: AllSettings, question: Question, *, cited: bool = False) -> Answers:
    """Return the best results for a question: those of the server that runs on the archive, or computed here."""
    from ingest.cli.find import running_server

    found = running_server.ask(settings, question, cited=cited)
    return computed(settings, question, cited=cited) if found is None else found


def computed(settings: AllSettings, question: Question, *, cited: bool = False) -> Answers:
    """Return the best results for a question. The text model is loaded while the servers start."""
    from ingest.cli.local.state_folder import open_archive
    from ingest.embedder.search.question import Answers

    with ThreadPoolExecutor(1) as loading:
        model = loading.submit(_model, settings)
        with open_archive(settings) as archive:
            encoder = model.result()
            from ingest.archive.citing import Citing
            from ingest.archive.reading import Reading
            from ingest.embedder.search.hybrid import Search
            from ingest.embedder.tables.catalog import Catalog
            from ingest.shared.homes.chosen import volume_of

            hits = Search(archive.database, encoder).ask(question)
            undated = Catalog(archive.database).undated() if question.is_by_day else 0
            citing = Citing(Reading(archive.database), volume_of(archive.settings))
            return Answers(hits, undated, citing.of_hits(hits) if cited else [])


def _model(settings: AllSettings) -> PassageModel:
    """Load the text model, and everything else that takes time to import for an answer."""
    from ingest.archive import citing  # noqa: F401
    from ingest.embedder.search import hybrid  # noqa: F401
    from ingest.embedder.text_model import light_encoder

    return light_encoder.load(settings)


def search(archive: Archive | Connections, question: Question) -> list[Hit]:
    """Return the best results of the archive for a question."""
    from ingest.embedder.search.hybrid import Search
    from ingest.embedder.text_model import light_encoder  # not needed to print results

    return Search(archive.database, light_encoder.load(archive.settings)).ask(question)


def print_answers(found: Answers, *, as_json: bool) -> None:
    """Print results; in JSON each with its citation."""
    if as_json:
        cited = zip_longest(found.hits, found.citations)
        console.print_json([{**asdict(hit), "citation": citation} for hit, citation in cited])
    else:
        print_hits(found.hits)


def print_hits(hits: Sequence[Hit]) -> None:
    """Print results: title, time, text with its best sentence highlighted, link."""
    if not hits:
        console.out.print("no results; try other words, or fewer filters")
    for number, hit in enumerate(hits, 1):
        day = f"{hit.published_at:%Y-%m-%d}" if hit.published_at else None
        others = overlap.said(hit.also_speaking)
        speaker = f"{hit.speaker} ({others})" if others else hit.speaker
        about = outgoing.line(", ".join(filter(None, (hit.channel, day, speaker))))
        head = Text(f"{number}. {outgoing.line(hit.title or hit.video_id)}", style="bold")
        head.append(f"  {console.clock(hit.start_s)}", style="cyan bold")
        head.append(f"  {about}", style="dim")
        console.out.print(head)
        text = Text("   " + outgoing.line(hit.text))
        text.highlight_words([outgoing.line(hit.sentence)], style="bold green")
        console.out.print(text)
        if hit.url:
            console.out.print(Text("   " + hit.url, style="blue"))
