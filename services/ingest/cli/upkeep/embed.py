"""`ingest embed`: gives stored passages the vectors of another text model, beside those that they have.

Searches use the model of the settings: they change to the new one when INGEST_EMBEDDING_MODEL names it. An interrupted
command goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.cli import console
from ingest.cli.runs import vector_index
from ingest.embedder import sentence_vectors
from ingest.embedder.postgres.vector_index import drop_index
from ingest.embedder.tables import vectors
from ingest.embedder.text_model import model_keys
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.vectors import ModelVectors
    from ingest.embedder.text_model.model_keys import TextModel

BATCHES = 8  # batches of the model in a step: a step's texts are sorted by length, and stored together


@dataclass(frozen=True)
class EmbedReport:
    """The key of a model, the number of passages that got vectors, and of those that still lack some."""

    model: str
    embedded: int
    left: int


def embed(connections: Connections, name: str | None = None, revision: str | None = None) -> EmbedReport:
    """Give every passage a vector of a model, by default that of the settings; build its index where it pays."""
    from ingest.embedder.text_model import encoder  # seconds of imports

    settings, database = connections.settings, connections.database
    if name is not None:
        settings = settings.model_copy(update={"embedding_model": name, "embedding_revision": revision})
    model = encoder.load(settings)
    key = model_keys.register(database, model)
    embedded = fill(database, key, model, settings.embedding_batch_size * BATCHES)
    vector_index.build_where_large(database, lambda: False)
    left = vectors.count_missing(database, key)
    return EmbedReport(key, embedded, left)


def fill(database: Database, key: str, model: TextModel, step: int) -> int:
    """Store the missing vectors of a model, `step` passages at a time; return how many were stored."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total = vectors.count_missing(database, key)
    embedded, last = 0, vectors.FIRST
    with Progress(*columns, console=console.err, transient=True) as progress:
        task = progress.add_task("passages", total=total)
        while passages := vectors.missing(database, key, last, step):
            embedded += vectors.put(database, key, passages, *sentence_vectors.encode(passages, model.run))
            last = passages[-1]
            progress.advance(task, len(passages))
    return embedded


def drop(connections: Connections, key: str) -> int:
    """Delete the vectors of a model; return how many there were.

    Raise ConfigurationError for a model that the archive does not have, and unless every passage keeps a vector of the
    model of the settings.
    """
    from ingest.embedder.text_model import light_encoder

    database = connections.database
    known = {one.model: one for one in vectors.models(database)}
    if key not in known:
        raise ConfigurationError(f"the archive has no vectors of {key!r}; it has those of {', '.join(known) or 'none'}")
    model = light_encoder.load(connections.settings)
    with database.transaction() as connection:
        found = model_keys.find(connection, model)
    if found is not None and found.key == key:
        raise ConfigurationError(f"searches use {key}: name another model in INGEST_EMBEDDING_MODEL first")
    left = known[found.key].missing if found is not None else known[key].vectors
    if left:
        name = found.key if found is not None else model.key
        raise ConfigurationError(f"{left} passages have no vector of {name}: run `ingest embed` first")
    drop_index(database, key)
    return vectors.drop(database, key)


def models(connections: Connections) -> list[ModelVectors]:
    """Return the models of the archive, with the number of their vectors."""
    return vectors.models(connections.database)


def print_report(report: EmbedReport, *, as_json: bool) -> None:
    """Print what was done, and what has to be done for searches to use it."""
    if as_json:
        console.print_json(report)
        return
    console.out.print(f"{report.embedded} passages got vectors of {report.model}; {report.left} lack some")
    if report.left:
        console.out.print("recordings were indexed meanwhile: run the command again")


def print_dropped(count: int, *, as_json: bool) -> None:
    """Print how many vectors were deleted."""
    if as_json:
        console.print_json({"dropped": count})
    else:
        console.out.print(f"{count} vectors deleted")


def print_models(found: Sequence[ModelVectors], *, as_json: bool) -> None:
    """Print the models of the archive."""
    if as_json:
        console.print_json(found)
        return
    cells = ((one.model, one.dimensions, one.vectors, one.missing) for one in found)
    console.out.print(console.table("Text models", ("model", "dimensions", "passages", "without a vector"), cells))
