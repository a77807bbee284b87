"""The read side asks questions of its own after its start, so that the first reader finds a large archive in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from ingest.archive import warming
from ingest.archive.model import Model
from ingest.archive.warming import Warming
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.model_keys import TextModel


@pytest.fixture(scope="module")
def counted(archive_database: Database) -> Database:
    with archive_database.transaction() as connection:
        connection.execute("ANALYZE segments")
    return archive_database


@pytest.fixture
def model(archive_encoder: TextModel) -> Model:
    made = Model(lambda: archive_encoder)
    made.start()
    return made


def test_questions_are_asked_until_they_are_answered_fast(
    counted: Database, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "FAST_S", 60.0)
    monkeypatch.setattr(warming, "FAST_ONES", 1)
    assert len(list(Warming(counted, model, large=1).asked())) == 1
    monkeypatch.setattr(warming, "FAST_S", 0.0)
    monkeypatch.setattr(warming, "MOST_QUESTIONS", 2)
    assert len(list(Warming(counted, model, large=1).asked())) == 2


def test_a_small_archive_is_left_alone_and_so_is_one_whose_server_stops(counted: Database, model: Model) -> None:
    assert list(Warming(counted, model).asked()) == []
    stopped = Warming(counted, model, large=1)
    stopped.stop()
    assert list(stopped.asked()) == []


def test_a_model_that_cannot_be_loaded_ends_the_thread_with_a_word(counted: Database) -> None:
    def missing() -> TextModel:
        raise IngestError(Code.ENV_MODEL, "no such model")

    model = Model(missing)
    model.start()
    with pytest.raises(IngestError):
        model.get(10)
    with capture_logs() as lines:
        Warming(counted, model, large=1).run()
    assert [(line["event"], line["error"]) for line in lines] == [("not_warmed", "ENV_MODEL: no such model")]
