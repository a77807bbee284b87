"""Texts by key that are kept in a temporary file."""

from __future__ import annotations

from ingest.cli.runs.on_disk import Texts


def test_texts_are_kept_by_key_in_their_order() -> None:
    texts = Texts()
    for key, text in (("b", "2"), ("a", "1"), ("b", "1"), ("c", "")):
        texts.add(key, text)
    assert (texts.of("b"), texts.of("c"), texts.of("d")) == (["2", "1"], [""], [])
    assert ("a" in texts, "d" in texts) == (True, False)
    assert list(texts.items()) == [("b", "2"), ("a", "1"), ("b", "1"), ("c", "")]


def test_more_than_the_memory_is_to_hold_is_kept_too() -> None:
    texts = Texts()
    for number in range(2_000):
        texts.add(f"{number}", "x" * 2_000)
    assert all(texts.of(f"{number}") == ["x" * 2_000] for number in (0, 1_000, 1_999))
