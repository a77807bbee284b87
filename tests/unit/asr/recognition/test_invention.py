"""Invented words are told from true ones by two doubtful figures at the same time, or as a phrase of subtitles."""

from __future__ import annotations

import pytest

from ingest.asr.recognition.invention import PHRASES, Evidence, is_invented, plain

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "avg_logprob", "no_speech_prob", "speech_s"),
    [  # whisper-base on animals
        ("you.", -2.09, 0.71, 0.3),
        ("I'm", -2.52, 0.73, 0.8),
        ("I don't know.", -1.58, 0.56, 0.7),
    ],
)
def test_words_from_animals_are_invented_also_without_a_list_of_phrases(
    text: str, avg_logprob: float, no_speech_prob: float, speech_s: float
) -> None:
    assert is_invented(Evidence(text, avg_logprob, no_speech_prob, speech_s), NONE)


@pytest.mark.parametrize(
    ("text", "avg_logprob", "no_speech_prob", "speech_s"),
    [
        pytest.param("Yes.", -0.6, 0.2, 0.6, id="a short answer"),
        pytest.param("No, thank you.", -0.9, 0.1, 0.9, id="a short answer that is improbable"),
        pytest.param("Thank you.", -0.4, 0.5, 0.8, id="a courtesy"),
        pytest.param("It was the best of times.", -1.4, 0.1, 9.0, id="long speech that is improbable"),
        pytest.param("It was the best of times.", -0.2, 0.9, 9.0, id="speech in noise"),
        pytest.param("Thank you for watching.", -0.2, 0.05, 2.5, id="a farewell that was said"),
    ],
)
def test_true_words_stay(text: str, avg_logprob: float, no_speech_prob: float, speech_s: float) -> None:
    assert not is_invented(Evidence(text, avg_logprob, no_speech_prob, speech_s))


@pytest.mark.parametrize(
    ("text", "avg_logprob", "no_speech_prob", "speech_s"),
    [
        pytest.param("Thank you for watching!", -0.6, 0.05, 4.0, id="improbable"),
        pytest.param("Untertitel der Amara.org-Community", -0.1, 0.4, 4.0, id="perhaps no speech"),
        pytest.param("ご視聴ありがとうございました。", -0.1, 0.1, 0.8, id="hardly any speech"),
        pytest.param("Merci d\u2019avoir regardé cette vidéo !", -0.6, 0.1, 4.0, id="another apostrophe"),
    ],
)
def test_a_phrase_of_subtitles_is_invented_at_a_small_doubt(
    text: str, avg_logprob: float, no_speech_prob: float, speech_s: float
) -> None:
    found = Evidence(text, avg_logprob, no_speech_prob, speech_s)
    assert is_invented(found)
    assert not is_invented(found, NONE)


def test_the_phrases_are_written_as_texts_are_compared() -> None:
    assert {phrase for phrase in PHRASES if plain(phrase) != phrase} == set()
