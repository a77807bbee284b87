"""The advice of `ingest status` about the language of the text model."""

from __future__ import annotations

import pytest

from ingest.cli.find.status import text_model_advice


@pytest.mark.parametrize(
    ("model", "passages", "is_given"),
    [
        ("all-MiniLM-L6-v2", {"de": 60, "en": 40}, True),
        ("sentence-transformers/all-MiniLM-L6-v2", {"ja": 1}, True),
        ("all-MiniLM-L6-v2", {"de": 50, "en": 50}, False),
        ("all-MiniLM-L6-v2", {}, False),
        ("multilingual", {"de": 60}, False),
    ],
)
def test_an_archive_that_is_mostly_in_other_languages_gets_a_word(
    model: str, passages: dict[str, int], *, is_given: bool
) -> None:
    assert bool(text_model_advice(model, passages)) is is_given
