"""What `ingest status` says about vector indexes."""

from __future__ import annotations

import pytest

from ingest.cli.find.status import index_lines
from ingest.embedder.postgres.index_state import Build, MissingIndex


@pytest.mark.parametrize(
    ("missing", "build", "expected"),
    [
        pytest.param([], None, [], id="all are valid"),
        pytest.param([False], None, ["no vector index for about 60000 passages"], id="missing"),
        pytest.param([True], None, ["an invalid vector index"], id="left by an ended build"),
        pytest.param([True], Build(1, 0.34), ["is being built: 34%"], id="being built"),
    ],
)
def test_a_missing_index_or_its_build_gets_a_line(
    missing: list[bool], build: Build | None, expected: list[str]
) -> None:
    lines = index_lines([MissingIndex("model", 384, 60_000, is_invalid=one) for one in missing], build)
    assert len(lines) == len(expected)
    assert all(words in line for words, line in zip(expected, lines, strict=True))
