"""The memory and the workers of the embedded Postgres."""

from __future__ import annotations

import pytest

from ingest.cli.local.postgres.memory import fitted

GB = 1 << 30


@pytest.mark.parametrize(
    ("memory_bytes", "cores", "expected"),
    [
        pytest.param(1 * GB, 1, ("128MB", "512MB", "1"), id="a small container"),
        pytest.param(8 * GB, 2, ("1024MB", "4096MB", "1"), id="a laptop"),
        pytest.param(256 * GB, 64, ("4096MB", "131072MB", "8"), id="a server"),
    ],
)
def test_the_server_is_fitted_to_the_machine(memory_bytes: int, cores: int, expected: tuple[str, str, str]) -> None:
    found = fitted(memory_bytes, cores)
    assert (
        found["shared_buffers"],
        found["effective_cache_size"],
        found["max_parallel_maintenance_workers"],
    ) == expected
