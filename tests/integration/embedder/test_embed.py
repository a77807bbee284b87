"""`ingest embed` on a real database: another model's vectors beside the old ones, and the old ones away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.cli.app import app
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep import embed as command
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables import vectors
from ingest.embedder.tables.store import Rows, Store
from ingest.embedder.text_model import light_encoder
from ingest.shared.settings import load
from tests.support.archive_rows import passage
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Vector

OLD = "old@1"
TEXTS = ("The captain steers the ship.", "The telescope photographs the comet.", "Bread is baked at four.")


@pytest.fixture
def database_of_old(database: Database) -> Database:
    """Two recordings of three passages with vectors of another model."""
    for video_id in ("abcdefghijk", "ABCDEFGHIJK"):
        built = [passage(index, text) for index, text in enumerate(TEXTS)]
        Store(database, OLD, 2).replace(Rows(video_id, 1, "en", built, [np.array([0.6, 0.8], np.float32)] * 3))
    return database


@pytest.fixture
def embed(database_of_old: Database, use_servers: Callable[[Path], None], tmp_path: Path) -> Callable[..., str]:
    assert database_of_old
    use_servers(tmp_path)

    def typed(*words: str, status: int = 0) -> str:
        done = CommandLine(env={"COLUMNS": "200"}).invoke(app, ["embed", *words])
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.output

    return typed


def counts(database: Database) -> dict[str, tuple[int, int]]:
    return {one.model: (one.vectors, one.missing) for one in vectors.models(database)}


def test_every_passage_gets_a_vector_and_the_old_ones_go_on_wish(
    embed: Callable[..., str], database_of_old: Database
) -> None:
    report = json.loads(embed("--json"))
    key = report["model"]
    assert (report["embedded"], report["left"]) == (6, 0)
    assert counts(database_of_old) == {OLD: (6, 0), key: (6, 0)}
    assert [one["vectors"] for one in json.loads(embed("--list", "--json"))] == [6, 6]
    assert json.loads(embed("--json"))["embedded"] == 0
    found = Search(database_of_old, light_encoder.load(load(AllSettings))).ask(Question("boats on the sea"))
    assert found[0].text == TEXTS[0]
    assert "searches use" in embed("--drop", key, status=1)
    assert "6 vectors deleted" in embed("--drop", OLD)
    assert counts(database_of_old) == {key: (6, 0)}
    assert "has no vectors of 'old@1'" in embed("--drop", OLD, status=1)


def test_passages_of_earlier_versions_get_the_vectors_of_their_sentences(
    embed: Callable[..., str], database_of_old: Database
) -> None:
    built = [passage(0, "The sea is calm. The wind rests."), passage(1, "The moon is far.")]
    model = light_encoder.load(load(AllSettings))
    rows = Rows("abcdefghijk", 2, "en", built, model.run([one.text for one in built]))
    Store(database_of_old, model.key, model.dimensions).replace(rows)
    report = json.loads(embed("--json"))
    assert (report["embedded"], report["left"]) == (1 + 3, 0)  # and the three of the other recording
    assert json.loads(embed("--json"))["embedded"] == 0
    lengths = "SELECT length(sentences) FROM embeddings WHERE video_id = 'abcdefghijk' ORDER BY idx"
    with database_of_old.transaction() as connection:
        assert connection.execute(lengths).fetchall() == [(2 * model.dimensions,), (None,)]


def test_vectors_are_dropped_only_when_all_passages_have_others(
    embed: Callable[..., str], database_of_old: Database
) -> None:
    assert "6 passages have no vector of all-MiniLM-L6-v2@" in embed("--drop", OLD, status=1)
    assert counts(database_of_old) == {OLD: (6, 0)}


class StopModel:
    """A text model whose second step is interrupted."""

    key, content_id, dimensions = "new@1", "content", 2

    def __init__(self) -> None:
        self.steps: list[int] = []

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        self.steps.append(len(texts))
        if len(self.steps) == 2:
            raise KeyboardInterrupt
        return [np.array([1, 0], np.float32)] * len(texts)


def test_an_interrupted_command_goes_on_where_it_was(database_of_old: Database) -> None:
    model = StopModel()
    Store(database_of_old, model.key, 2)
    with pytest.raises(KeyboardInterrupt):
        command.fill(database_of_old, model.key, model, 4)
    assert counts(database_of_old)[model.key] == (4, 2)
    assert command.fill(database_of_old, model.key, model, 4) == 2
    assert model.steps == [4, 2, 2]


def test_a_passage_that_has_changed_meanwhile_gets_no_vector_of_its_old_text(database_of_old: Database) -> None:
    Store(database_of_old, "new@1", 2)
    first, *_ = vectors.missing(database_of_old, "new@1", vectors.FIRST, 1)
    built = [passage(index, f"Now {text}") for index, text in enumerate(TEXTS)]
    Store(database_of_old, OLD, 2).replace(Rows(first.video_id, 2, "en", built, [np.array([1, 0], np.float32)] * 3))
    assert vectors.put(database_of_old, "new@1", [first], [np.array([1, 0], np.float32)], [None]) == 0


@pytest.mark.parametrize("words", [("--drop", "x", "--list"), ("--revision", "x"), ("--model", "x", "--list")])
def test_options_that_exclude_each_other_are_refused(embed: Callable[..., str], words: tuple[str, ...]) -> None:
    assert "exclude each other" in embed(*words, status=2)
