"""The quality of search in a small archive in which it is known who said what when (`bench.search_quality`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.search_quality import WAYS, Quality, ask, fill, limits_of, quality, score
from bench.search_quality_set import Query, archive
from ingest.embedder.search.question import Hit

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database

SEED = 7


@pytest.fixture
def found(database: Database) -> dict[str, Quality]:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.text_model.model_files import BUNDLED

    encoder = Encoder(BUNDLED, "cpu", 64)
    made = list(archive(recordings=2, facts=18, seed=SEED))
    fill(database, encoder, (transcript for transcript, _ in made), limits_of((400, 1200), encoder))
    asked = [one for _, questions in made for one in questions]
    return {way: quality(ask(database, encoder, asked, tuning)) for way, tuning in WAYS.items()}


@pytest.mark.long
def test_search_finds_who_said_what_when(found: dict[str, Quality]) -> None:
    both = found["both"]
    assert both.questions == 18 * 4
    assert both.ndcg >= 0.9
    assert both.right_recording >= 0.92
    assert both.right_speaker >= 0.9
    assert both.seek_median_s <= 0.1
    assert both.ndcg >= found["words only"].ndcg
    assert both.ndcg >= found["vectors only"].ndcg
    assert both.ndcg >= found["both, exact"].ndcg - 0.01


@pytest.mark.parametrize(
    ("places", "ndcg", "is_right", "error_s"),
    [
        pytest.param([("a", 0.0)], 1.0, True, 3.0, id="first"),
        pytest.param([("b", 0.0), ("a", 0.0)], 0.6309, False, 3.0, id="second"),
        pytest.param([("a", 10.0)], 0.0, True, None, id="another passage of the recording"),
        pytest.param([], 0.0, False, None, id="no answer"),
    ],
)
def test_an_answer_counts_by_its_place(
    places: list[tuple[str, float]], ndcg: float, error_s: float | None, *, is_right: bool
) -> None:
    scored = score(Query("names", "x", "a", "Anna", 3.0, "tune"), [hit(video, start_s) for video, start_s in places])
    assert scored.ndcg == pytest.approx(ndcg, abs=0.001)
    assert (scored.is_right_recording, scored.seek_error_s) == (is_right, error_s)


def hit(video_id: str, start_s: float) -> Hit:
    return Hit(
        video_id=video_id,
        index=0,
        title=None,
        channel=None,
        published_at=None,
        url="",
        start_s=start_s,
        passage_start_s=start_s,
        passage_end_s=start_s + 10,
        text="",
        sentence="",
        speaker="Anna",
        speaker_score=None,
        similarity=None,
        has_words=False,
        score=0.0,
    )
