"""Words are found in the text as it was spoken: with their marks, and in scripts without blanks, on a real Postgres."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.embedder import passages
from ingest.embedder.passages import PassageLimits
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.artifacts.transcript import Segment, Word
from ingest.shared.scripts import spaced

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Encoder

EXPRESSION = """
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE attname = %s AND attrelid = %s::regclass
"""
LIMITS = PassageLimits(min_chars=400, max_chars=1200, max_gap_s=3.0, max_s=60.0, max_tokens=256)
SAID = {  # words as Whisper's tokenizer has them
    "en": (" About", " 3", ".5", " percent", " at", " example", ".com,", " the", " well", "-known", " U", ".S", ".A."),
    "fr": (" Il", " n", "'a", " qu", "'un", " chat."),
    "ja": ("今日は", "と", "て", "も", "良", "い", "天", "気", "ですね。", "散", "歩", "に", "行", "き", "ましょう。"),
    "th": ("ว", "ั", "นน", "ี้", "อ", "าก", "า", "ศ", "ด", "ี", "มา", "ก", " ไป", "เด", "ิ", "น", "เล", "่", "น"),
    "zh": ("今天", "天", "气", "很好,", "我们", "去", " New", " York", " 公", "园", "吧。"),
}


def passage_of(words: tuple[str, ...], language: str) -> passages.Passage:
    timed = tuple(
        Word(start_s=at, end_s=at + 1, before=word[: word.startswith(" ")], text=word.strip(), probability=1.0)
        for at, word in enumerate(words)
    )
    said = Segment(
        start_s=0, end_s=len(words), text="", words=timed, avg_logprob=0, compression_ratio=1, no_speech_prob=0
    )
    (built,) = passages.build([said], language, LIMITS, len)
    return built


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.text_model.model_files import BUNDLED

    return Encoder(BUNDLED, "cpu", 32)


@pytest.fixture
def search(database: Database, encoder: Encoder) -> Search:
    store = Store(database, encoder.key, encoder.dimensions)
    for language, words in SAID.items():
        built = passage_of(words, language)
        store.replace(Rows(f"video-{language:_>5}", 1, language, [built], encoder.run([built.text])))
    return Search(database, encoder)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        pytest.param("3.5", "en", id="a number"),
        pytest.param("example.com", "en", id="an address"),
        pytest.param("well-known", "en", id="a word with a hyphen"),
        pytest.param("U.S.A.", "en", id="letters with dots"),
        pytest.param("qu'un chat", "fr", id="an elision"),
        pytest.param("天气", "zh", id="a Chinese word"),
        pytest.param("气", "zh", id="a Chinese letter"),
        pytest.param("公园 天气", "zh", id="two Chinese words in another order"),
        pytest.param('"我们去 New York"', "zh", id="a phrase of two scripts"),
        pytest.param("天気", "ja", id="a Japanese word"),
        pytest.param("散歩に行きましょう", "ja", id="a Japanese clause"),
        pytest.param("อากาศ", "th", id="a Thai word"),
        pytest.param("เดินเล่น", "th", id="another Thai word"),
    ],
)
def test_words_are_found_as_they_are_written(search: Search, question: str, language: str) -> None:
    found = [hit.video_id for hit in search.ask(Question(question)) if hit.has_words]
    assert found == [f"video-{language:_>5}"]


@pytest.mark.parametrize("question", ["气天", "天公", "ศากาอ", "New -天气", "qu'une chatte"])
def test_other_words_of_the_same_letters_are_not_found(search: Search, question: str) -> None:
    assert [hit.video_id for hit in search.ask(Question(question)) if hit.has_words] == []


def test_a_passage_in_another_language_has_the_stems_of_that_language(database: Database, encoder: Encoder) -> None:
    german = passage_of((" Die", " Häuser", " brannten."), "de")
    english = replace(passage_of((" The", " houses", " were", " burning."), "en"), index=1, language="en")
    rows = Rows("mixed-video", 1, "de", [german, english], encoder.run([german.text, english.text]))
    Store(database, encoder.key, encoder.dimensions).replace(rows)
    with database.transaction() as connection:
        stored = connection.execute("SELECT ts_config::text FROM segments ORDER BY idx").fetchall()
    assert stored == [("german",), ("english",)]


@pytest.mark.parametrize(("table", "column"), [("segments", "words"), ("videos", "title_words")])
def test_the_archive_and_the_program_agree_on_the_letters(database: Database, table: str, column: str) -> None:
    letters = "".join(chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000)
    with database.transaction() as connection:
        ((expression,),) = connection.execute(EXPRESSION, (column, table)).fetchall()
        (pattern,) = [part for part in str(expression).split("'") if part.startswith("([")]
        ((told,),) = connection.execute("SELECT regexp_replace(%s, %s, ' \\1 ', 'g')", (letters, pattern)).fetchall()
    assert told == spaced(letters)
