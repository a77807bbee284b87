"""Questions to an archive on a real Postgres, by meaning and by words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.embedder import sentence_vectors
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.embedder.text_model import model_keys
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Event, EventKind, Metadata, Source, SourceKind, Stage
from tests.support.archive_rows import NOW, execute, passage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Encoder, Vector


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.text_model.model_files import BUNDLED

    return Encoder(BUNDLED, "cpu", 32)


@pytest.fixture
def filled(database: Database, encoder: Encoder) -> Search:
    texts = {
        "sea00000001": ["The captain steers the ship. The sailor repairs the anchor.", "Nothing of interest here."],
        "space000001": ["The telescope photographs the comet. The rocket circles the moon."],
    }
    store = Store(database, encoder.key, encoder.dimensions)
    for number, (video_id, passages) in enumerate(texts.items()):
        told = Event(
            video_id=video_id,
            generation=1,
            stage=Stage.CHECK,
            kind=EventKind.SUBMITTED,
            at=NOW,
            source=Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={video_id}"),
            metadata=Metadata(title=video_id, channel=f"Channel {number}", published_at=NOW - timedelta(days=number)),
        )
        write_events(database, [(told, (1, number + 1))])
        built = [passage(index, text, speaker=f"Speaker {index}") for index, text in enumerate(passages)]
        store.replace(Rows(video_id, 1, "en", built, encoder.run(passages)))
    return Search(database, encoder)


def test_a_question_in_other_words_finds_the_passage_and_the_second_of_its_best_sentence(filled: Search) -> None:
    best = filled.ask(Question("mending the heavy iron hook of a boat"))[0]
    assert best.video_id == "sea00000001"
    assert best.sentence == "The sailor repairs the anchor."
    assert best.start_s == 12.0
    assert best.url == "https://www.youtube.com/watch?v=sea00000001&t=11s"


class Counting:
    """A model that counts the texts it computes."""

    def __init__(self, model: Encoder) -> None:
        self.key, self.content_id, self.dimensions = model.key, model.content_id, model.dimensions
        self._model = model
        self.asked = 0

    def question(self, text: str) -> Vector:
        self.asked += 1
        return self._model.question(text)

    def run(self, texts: Sequence[str]) -> list[Vector]:
        self.asked += len(texts)
        return self._model.run(texts)


def test_the_vectors_of_sentences_are_computed_only_where_none_are_stored(database: Database, encoder: Encoder) -> None:
    built = [passage(0, "The captain steers the ship. The sailor repairs the anchor."), passage(1, "The moon is far.")]
    vectors, sentences = sentence_vectors.encode(built, encoder.run)
    store = Store(database, model_keys.register(database, encoder), encoder.dimensions)
    store.replace(Rows("sea00000001", 1, "en", built, vectors, sentences))
    asked = Question("mending the heavy iron hook of a boat")
    model = Counting(encoder)
    stored = Search(database, model).ask(asked)
    assert (stored[0].sentence, model.asked) == ("The sailor repairs the anchor.", 1)
    execute(database, "UPDATE embeddings SET sentences = NULL")  # as earlier versions left it
    assert (Search(database, model).ask(asked), model.asked) == (stored, 1 + 1 + 2)


def test_words_are_found_in_any_form(filled: Search) -> None:
    best = filled.ask(Question("photograph comets"))[0]
    assert (best.video_id, best.has_words) == ("space000001", True)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param(Question("ship", channel="channel 1"), {"space000001"}, id="other channel"),
        pytest.param(Question("ship", since=NOW - timedelta(hours=1)), {"sea00000001"}, id="only recent"),
        pytest.param(Question("ship", speaker="speaker 1"), {"sea00000001"}, id="speaker"),
        pytest.param(Question("ship", speaker="nobody"), set(), id="unknown speaker"),
    ],
)
def test_filters_hold(filled: Search, question: Question, found: set[str]) -> None:
    hits = filled.ask(question)
    assert {hit.video_id for hit in hits} <= found
    if question.speaker is not None:
        assert all((hit.speaker or "").lower() == question.speaker for hit in hits)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("telescope ship", {"space000001", "sea00000001"}, id="words"),
        pytest.param("telescope ship -sailor", {"space000001"}, id="without a word"),
        pytest.param("telescope ship -sailors", {"space000001"}, id="without a word in another form"),
        pytest.param('telescope ship -"repairs the anchor"', {"space000001"}, id="without a phrase"),
        pytest.param('telescope ship -"anchor the repairs"', {"space000001", "sea00000001"}, id="another order"),
        pytest.param("telescope ship -the", {"space000001", "sea00000001"}, id="without a word that every text has"),
        pytest.param('telescope "repairs the anchor"', {"sea00000001"}, id="with a phrase"),
        pytest.param('ship "anchor the repairs"', set(), id="with a phrase in another order"),
        pytest.param('telescope OR "no such phrase"', {"space000001"}, id="a word or a phrase"),
    ],
)
def test_phrases_and_words_left_out_hold_for_answers_found_by_meaning_too(
    filled: Search, text: str, found: set[str]
) -> None:
    assert {hit.video_id for hit in filled.ask(Question(text, limit=100))} == found


def test_the_same_answers_come_with_the_index(filled: Search, database: Database, encoder: Encoder) -> None:
    before = filled.ask(Question("ship"))
    assert build_index(database) == [encoder.key]
    assert build_index(database) == []
    assert filled.ask(Question("ship")) == before


def test_an_empty_archive_has_no_answer(database: Database, encoder: Encoder) -> None:
    assert Search(database, encoder).ask(Question("ship")) == []


def test_a_question_to_an_archive_of_another_model_is_refused(database: Database, encoder: Encoder) -> None:
    Store(database, "another-model", 8)
    with pytest.raises(IngestError, match="another-model") as refused:
        Search(database, encoder).ask(Question("ship"))
    assert refused.value.code is Code.ENV_MODEL_VERSION
