"""Under which key the archive holds the vectors of a model: known by its content, also in an archive of 0.1.0."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from psycopg.types.json import Jsonb
from safetensors.numpy import load_file, save_file
from structlog.testing import capture_logs

from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.store import Rows, Store
from ingest.embedder.text_model import light_encoder, model_keys, prompts
from ingest.embedder.text_model.model_files import BUNDLED, bundled
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load
from tests.support.archive_rows import passage

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Encoder

VIDEO = "abcdefghijk"
TEXTS = ["The captain steers the ship.", "The telescope photographs the comet."]
QUESTIONS = (
    "a",
    "ships in the harbor",
    "What did the captain say about the storm, and when did he say it?",
    "Hello, World! " * 300,
    "supercalifragilisticexpialidocious " * 40,
    "Où est l'école? Élan vital — café",
    "Wie spät ist es in Köln, und warum heißt die Straße so?",
    "¿Cuántos barcos hay en el puerto?",
    "корабли в гавани",
    "这是中文 test 港口里的船",
    "港にいる船は何隻ですか",
    "สวัสดีครับ เรือในท่าเรือ",
    "سفن في الميناء",
    "जहाज़ बंदरगाह में",
    "🚢⚓ \t two  lines\nand more   ",
    "1,000.50 $ & <b>#tag</b> e.g. U.S.A.",
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests

    return Encoder(BUNDLED, "cpu", 32)


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The bundled model with other weights: files of the same names and sizes."""
    original = bundled()
    assert original is not None
    folder = tmp_path_factory.mktemp("models") / BUNDLED
    shutil.copytree(original, folder)
    for path in folder.glob("*.safetensors"):
        weights = load_file(path)
        save_file({name: values[::-1].copy() for name, values in weights.items()}, path, {"format": "pt"})
    sizes = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert sizes == {path.relative_to(original): path.stat().st_size for path in original.rglob("*") if path.is_file()}
    from ingest.embedder.text_model.encoder import Encoder

    return Encoder(str(folder), "cpu", 32)


def test_the_encoder_of_questions_computes_the_same_vectors_under_the_same_key(encoder: Encoder) -> None:
    source = bundled()
    assert source is not None
    light = light_encoder.read(BUNDLED, source)
    assert (light.key, light.content_id, light.dimensions) == (encoder.key, encoder.content_id, encoder.dimensions)
    assert np.abs(np.asarray(light.run(QUESTIONS)) - np.asarray(encoder.run(QUESTIONS))).max() < 1e-5


def copied(folder: Path) -> Path:
    """The bundled model in a folder of its own."""
    original = bundled()
    assert original is not None
    return Path(shutil.copytree(original, folder, copy_function=os.link))


def test_questions_and_passages_get_the_prompts_of_the_model(encoder: Encoder, tmp_path: Path) -> None:
    from ingest.embedder.text_model.encoder import Encoder

    folder = copied(tmp_path / "prompted")
    (folder / prompts.FILE).unlink()
    (folder / prompts.FILE).write_text(json.dumps({"prompts": {"query": "ask: ", "document": "tell: "}}))
    asked, told = encoder.run(["ask: ships", "tell: ships"])
    whole, light = Encoder(str(folder), "cpu", 32), light_encoder.read(str(folder), folder)
    for model in (whole, light):
        assert np.abs(model.question("ships") - asked).max() < 1e-5
        assert np.abs(model.run(["ships"])[0] - told).max() < 1e-5
    assert (light.key, light.content_id) == (whole.key, whole.content_id)
    assert whole.max_tokens == encoder.max_tokens - encoder.count_tokens("tell: ")
    assert whole.key.endswith(prompts.Prompts("", "tell: ").mark)


def test_a_model_with_the_name_of_a_family_gets_its_prompts(encoder: Encoder, tmp_path: Path) -> None:
    folder = copied(tmp_path / "e5-small-v2")
    model = light_encoder.read(str(folder), folder)
    assert np.abs(model.run(["ships"])[0] - encoder.run(["passage: ships"])[0]).max() < 1e-5
    assert model.key != light_encoder.read(BUNDLED, bundled() or folder).key


def test_shortened_vectors_have_a_key_of_their_own(encoder: Encoder) -> None:
    short = light_encoder.load(load(EmbedderSettings, embedding_dimensions=64))
    (vector,), (whole,) = short.run(["ships"]), encoder.run(["ships"])
    assert (short.dimensions, len(vector), short.key) == (64, 64, f"{encoder.key}:64")
    assert np.abs(vector - whole[:64] / np.linalg.norm(whole[:64])).max() < 1e-5


def fill(database: Database, key: str, encoder: Encoder) -> None:
    built = [passage(index, text) for index, text in enumerate(TEXTS)]
    Store(database, key, encoder.dimensions).replace(Rows(VIDEO, 1, "en", built, encoder.run(TEXTS)))


def keys(database: Database) -> dict[str, str | None]:
    with database.transaction() as connection:
        return {known.key: known.content_id for known in model_keys.stored(connection)}


def test_two_models_whose_files_have_equal_sizes_have_two_keys(encoder: Encoder, retrained: Encoder) -> None:
    assert encoder.key != retrained.key
    assert encoder.content_id != retrained.content_id


def test_the_same_files_in_another_place_have_the_same_key(encoder: Encoder, tmp_path: Path) -> None:
    original = bundled()
    assert original is not None
    copy = type(encoder)(str(shutil.copytree(original, tmp_path / BUNDLED)), "cpu", 32)
    assert (copy.key, copy.content_id) == (encoder.key, encoder.content_id)


def test_a_new_archive_knows_the_content_of_its_model(database: Database, encoder: Encoder) -> None:
    assert model_keys.register(database, encoder) == encoder.key
    assert model_keys.register(database, encoder) == encoder.key
    assert keys(database) == {encoder.key: encoder.content_id}


def test_a_retrained_model_shares_no_key_with_the_old_one(
    database: Database, encoder: Encoder, retrained: Encoder
) -> None:
    fill(database, model_keys.register(database, encoder), encoder)
    with capture_logs() as lines:
        assert model_keys.register(database, retrained) == retrained.key
    assert keys(database) == {encoder.key: encoder.content_id, retrained.key: retrained.content_id}
    assert [(line["event"], line["others"]) for line in lines] == [
        ("archive_holds_vectors_of_other_models", [encoder.key])
    ]


@pytest.mark.parametrize("old_key", [BUNDLED, f"{BUNDLED}@9811edb7"])
def test_the_model_of_an_old_archive_is_recognised_and_its_vectors_are_kept(
    database: Database, encoder: Encoder, old_key: str
) -> None:
    fill(database, old_key, encoder)
    before = Search(database, encoder).ask(Question("the ship of the captain"))
    assert before[0].text == TEXTS[0]
    with capture_logs() as lines:
        assert model_keys.register(database, encoder) == old_key
    assert [line["event"] for line in lines] == ["stored_model_key_recognised"]
    assert keys(database) == {old_key: encoder.content_id}
    assert Search(database, encoder).ask(Question("the ship of the captain")) == before


def test_an_old_key_is_not_taken_for_that_of_a_retrained_model(
    database: Database, encoder: Encoder, retrained: Encoder
) -> None:
    fill(database, BUNDLED, encoder)
    with pytest.raises(IngestError, match=f"holds vectors of {BUNDLED}, not of {retrained.key}") as refused:
        Search(database, retrained).ask(Question("the ship of the captain"))
    assert refused.value.code is Code.ENV_MODEL_VERSION
    assert model_keys.register(database, retrained) == retrained.key
    assert keys(database) == {BUNDLED: None, retrained.key: retrained.content_id}
    assert Search(database, encoder).ask(Question("the ship of the captain"))[0].text == TEXTS[0]


def test_the_time_of_a_request_is_moved_out_of_the_figures(database: Database) -> None:
    asked_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    with database.transaction() as connection:
        connection.execute("ALTER TABLE videos DROP COLUMN asked_at")
        connection.execute("DELETE FROM migrations WHERE name = '0006_asked_at.sql'")
        old = {"asked_at": asked_at.timestamp(), "asr.took_s": 2.0}
        connection.execute("INSERT INTO videos (video_id, figures) VALUES (%s, %s)", (VIDEO, Jsonb(old)))
    assert migrate(database) == ["0006_asked_at.sql"]
    row = Catalog(database).videos([VIDEO])[VIDEO]
    assert (row.figures, row.asked_at) == ({"asr.took_s": 2.0}, asked_at)
