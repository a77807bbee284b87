"""Words of a vocabulary are put where a reading has something that sounds like them, and nowhere else."""

from __future__ import annotations

import pytest

from ingest.asr.recognition.vocabulary.likeness import LEAST, Phrases, likeness, sound_of
from ingest.asr.recognition.vocabulary.splicing import splice
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord


def reading(text: str) -> ChunkTranscript:
    """Return a reading in which each word takes half a second; `word/0.1` has that probability."""
    words = [word.partition("/") for word in text.split()]
    made = tuple(
        ChunkWord(at / 2, at / 2 + 0.5, f" {word}", float(share or 0.9)) for at, (word, _, share) in enumerate(words)
    )
    return ChunkTranscript("".join(word.text for word in made).strip(), made)


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("love lace", "Lovelace"),
        ("Eleanor", "Elinor"),
        ("check off", "Chekhov"),
        ("Jon Smyth", "John Smith"),
        ("Cuban Eddies", "Kubernetes"),
        ("da shwood", "Dashwood"),
        ("Сергея", "Сергей"),
    ],
)
def test_misspellings_sound_like_their_word(heard: str, text: str) -> None:
    assert likeness(sound_of(heard), sound_of(text)) >= LEAST
    assert [one.text for one in Phrases([text, "Xylophone"]).like(["well", *heard.split(), "said"])] == [text]


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        pytest.param("he bought a house by the sea", ["Lovelace", "Dashwood", "Kubernetes"], id="nothing alike"),
        pytest.param("Ada Lovelace, said so", ["Ada Lovelace"], id="there already"),
        pytest.param("a b c", ["ab", ""], id="too short to be compared"),
    ],
)
def test_other_words_do_not(said: str, texts: list[str]) -> None:
    assert Phrases(texts).like(said.split()) == []


@pytest.mark.parametrize(
    ("first", "second", "texts", "result", "done"),
    [
        pytest.param(
            "mister Jon Ashwood, had then",
            "mister John Dashwood had then",
            ["Dashwood"],
            "mister Jon Dashwood, had then",
            [("Dashwood", "Ashwood,", True)],
            id="only the word changes, the marks stay",
        ),
        pytest.param(
            "by ada love lace who",
            "by Ada Lovelace who",
            ["Ada Lovelace"],
            "by Ada Lovelace who",
            [("Ada Lovelace", "ada love lace", True)],
            id="another number of words",
        ),
        pytest.param(
            "we went home then",
            "we went home Dashwood then",
            ["Dashwood"],
            "we went home then",
            [("Dashwood", "", False)],
            id="nothing is there",
        ),
        pytest.param(
            "we saw the garden then",
            "we saw Dashwood then",
            ["Dashwood"],
            "we saw the garden then",
            [("Dashwood", "the garden", False)],
            id="something else is there",
        ),
        pytest.param(
            "this and that",
            "this Andy/0.01 that",
            ["Andy"],
            "this and that",
            [("Andy", "and", False)],
            id="the first reading is far more probable",
        ),
        pytest.param(
            "the Norseman/0.67 came",
            "the Norsemen/0.46 came",
            ["Norsemen"],
            "the Norsemen came",
            [("Norsemen", "Norseman", True)],
            id="the word is nearly as probable",
        ),
        pytest.param("", "Dashwood Quilter", ["Dashwood"], "", [("Dashwood", "", False)], id="nothing is said"),
        pytest.param("Ada came", "Ada came", ["Ada"], "Ada came", [], id="both have it"),
        pytest.param(
            "Quilder met Quilder here",
            "Quilter met Quilter here",
            ["Quilter"],
            "Quilter met Quilter here",
            [("Quilter", "Quilder", True), ("Quilter", "Quilder", True)],
            id="twice",
        ),
        pytest.param("so it was", "Dashwood, Quilter, Digium", ["Norsemen"], "so it was", [], id="none of ours"),
    ],
)
def test_the_first_reading_gets_what_sounds_like_it(
    first: str, second: str, texts: list[str], result: str, done: list[tuple[str, str, bool]]
) -> None:
    found, splices = splice(reading(first), reading(second), Phrases(texts).all)
    assert found.text == result
    assert [(one.text, one.instead_of, one.is_taken) for one in splices] == done
    before = reading(first).words
    assert [(word.start_s, word.end_s) for word in found.words if word.text in {one.text for one in before}] == [
        (word.start_s, word.end_s) for word in before if word.text in {one.text for one in found.words}
    ]
    times = [time for word in found.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)


def test_a_large_vocabulary_is_searched_quickly() -> None:
    names = [f"{first}{last}" for first in ("Ash", "Bel", "Cor", "Dun", "Ever", "Fen") for last in map(str, range(150))]
    phrases = Phrases([*names, "Dashwood"])
    said = ["mister", "Jon", "Ashwood", "had", "then", "leisure"] * 20
    assert phrases.like(said)[0].text == "Dashwood"
