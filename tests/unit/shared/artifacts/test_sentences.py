"""Where sentences end: not inside of abbreviations, numbers and names."""

from __future__ import annotations

import pytest

from ingest.shared.artifacts.sentences import split
from ingest.shared.artifacts.transcript import Word, join
from ingest.shared.scripts import tokens


def words_of(text: str) -> list[Word]:
    return [
        Word(start_s=at, end_s=at + 1, before=before, text=part, probability=1.0)
        for at, (before, part) in enumerate(tokens(f" {text}"))
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param("en", "Dr. Smith met Mr. J. R. Ewing. | He left.", id="titles and initials"),
        pytest.param("en", "The U.S. Army came at 9 a.m. | It stayed.", id="letters with dots"),
        pytest.param(
            "en", "Take fruit, e.g. Apples. | See example.com. | It costs $1,000.", id="e.g., addresses, sums"
        ),
        pytest.param("en", "No. 5 is alive. | No. | It is not. | He turned 30. | Then he left.", id="numbers"),
        pytest.param("en", '"Stop." | She did. | (It was late.) | Why? | Because!', id="quotes and brackets"),
        pytest.param("en", "Well... maybe. | Well... | Maybe not. | So do I. | You too.", id="pauses, a sentence of I"),
        pytest.param(
            "en", "Give it to me. | Come on. | Wait a sec. | One more rep. | Yes.", id="words, not abbreviations"
        ),
        pytest.param(
            "en", "Approx. three cats etc. came. | They ate it etc. | Then they left.", id="lower case goes on"
        ),
        pytest.param("de", "Am 3. Mai kam z.B. Hr. Müller. | Er blieb ca. 20 Tage usw. | Dann ging er.", id="German"),
        pytest.param("fr", "M. Dupont n'a qu'un chat. | Mme Durand, Mme. Petit ? | Oui !", id="French"),
        pytest.param("es", "¿Quiere ir? | El Sr. García llegó. | ¡Sí!", id="Spanish"),
        pytest.param("ru", "Это ул. Ленина, дом проф. Павлова. | Он ушёл.", id="Russian"),
        pytest.param("zh", "今天天气很好。|我们去公园吧？|好的!|走吧.|去", id="Chinese"),  # noqa: RUF001 (its marks)
        pytest.param("ja", "「行きましょう。」|今日は良い天気ですね。|はい。", id="Japanese"),
        pytest.param("hi", "यह ठीक है। | वह आया।", id="Hindi"),
        pytest.param("ar", "الطقس جميل، أليس كذلك\u061f | نعم.", id="Arabic"),
        pytest.param("en", "No mark at all", id="no mark"),
    ],
)
def test_sentences_end_where_they_end(language: str, text: str) -> None:
    said = words_of(text.replace("|", ""))
    found = split(said, language)
    assert [join(sentence) for sentence in found] == [part.strip() for part in text.split("|")]
    assert [word for sentence in found for word in sentence] == said


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([" the", " U", ".S", ".A", ".", " is"], id="letters"),
        pytest.param([" example", ".", "com"], id="an address"),
        pytest.param([" Yahoo!", "Answers"], id="a mark in a name"),
        pytest.param([" 3", ".", "5"], id="a number"),
        pytest.param(["はい", "。", "」"], id="a closing bracket"),
        pytest.param([" Why", "?", "!"], id="a further mark"),
    ],
)
def test_a_mark_without_a_blank_after_it_ends_no_sentence(words: list[str]) -> None:
    said = [
        Word(start_s=0, end_s=1, before=" " if word[0] == " " else "", text=word.strip(), probability=1.0)
        for word in words
    ]
    assert len(split(said, "en")) == 1


def test_no_words_are_no_sentences() -> None:
    assert split([], "en") == []
