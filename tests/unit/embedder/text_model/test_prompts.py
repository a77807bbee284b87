"""The prompts of text models: what their files name, and what families published without them want."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.embedder.text_model.prompts import FILE, Prompts, prompts_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("multilingual-e5-small", Prompts("query: ", "passage: ")),
        ("e5-base-v2", Prompts("query: ", "passage: ")),
        ("E5-Large", Prompts("query: ", "passage: ")),
        ("bge-small-en-v1.5", Prompts("Represent this sentence for searching relevant passages: ")),
        ("nomic-embed-text-v1.5", Prompts("search_query: ", "search_document: ")),
        ("all-MiniLM-L6-v2", Prompts()),
        ("e5-mistral-7b-instruct", Prompts()),
        ("my-e5-small", Prompts()),
    ],
)
def test_a_family_without_written_prompts_has_those_of_its_model_cards(
    name: str, expected: Prompts, tmp_path: Path
) -> None:
    assert prompts_of(name, tmp_path) == expected
    (tmp_path / FILE).write_text(json.dumps({"prompts": {"query": "", "document": ""}}))
    assert prompts_of(name, tmp_path) == expected


@pytest.mark.parametrize("of_passages", ["document", "passage", "corpus"])
def test_the_prompts_of_the_files_come_first(of_passages: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"prompts": {"query": "Q: ", of_passages: "P: "}}))
    assert prompts_of("e5-base", tmp_path) == Prompts("Q: ", "P: ")


def test_only_the_prompt_of_passages_marks_their_vectors() -> None:
    assert Prompts("query: ").mark == Prompts().mark == ""
    assert len({Prompts("", "passage: ").mark, Prompts("", "document: ").mark, ""}) == 3
