"""The memory of an index build."""

from __future__ import annotations

import pytest

from ingest.embedder.postgres.vector_index import memory_kb

GB = 1024**2  # in kilobytes


@pytest.mark.parametrize(
    ("passages", "cache_kb", "granted_kb", "expected_kb"),
    [
        pytest.param(1_000, 4 * GB, 65_536, 65_536, id="a small archive: what is granted"),
        pytest.param(500_000, 8 * GB, 65_536, 500_000 * (768 + 640) // 1024, id="what the graph takes"),
        pytest.param(10_000_000, 4 * GB, 65_536, GB, id="a quarter of the cache"),
        pytest.param(10_000_000, 4 * GB, 3 * GB, 3 * GB, id="more is granted"),
    ],
)
def test_a_build_gets_the_memory_of_its_graph_within_that_of_the_server(
    passages: int, cache_kb: int, granted_kb: int, expected_kb: int
) -> None:
    assert memory_kb(passages, 384, cache_kb, granted_kb) == expected_kb
