"""A few seconds of the fuzz run (`make fuzz` plays minutes): it reads all targets, and it reports what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import mutation
from tests.fuzz.__main__ import TARGETS
from tests.fuzz.runner import Target, play

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SMOKE_S = 0.6


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_short_run_finds_nothing_broken(target: Target) -> None:
    result = play(target, SMOKE_S, seed=1)
    assert result.findings == {}
    assert result.inputs > 0


def trip(data: bytes) -> str:
    """Break on a long input, as a parser with a fault."""
    if len(data) > 5000:
        raise KeyError("a fault")
    return "read"


def test_a_broken_property_is_found() -> None:
    result = play(Target("planted", "", mutation.damaged(b"x" * 5000), trip), 3.0, seed=1)
    (name,) = result.findings
    assert name.startswith("KeyError in trip (test_fuzz.py:")
    assert "a fault" in result.findings[name].error
    assert result.outcomes["broken"] > 0


def test_an_input_that_ends_the_time_is_no_finding() -> None:
    result = play(Target("ended", "", st.integers(), lambda _number: "read"), 0.5, seed=1)
    assert (set(result.outcomes), result.findings) == ({"read"}, {})


def drawn(inputs: SearchStrategy[Any]) -> list[Any]:
    """Return three hundred inputs, always the same."""
    seen: list[Any] = []

    @settings(max_examples=300, derandomize=True, database=None)
    @given(inputs)
    def note(value: object) -> None:
        seen.append(value)

    note()
    return seen


def test_damage_changes_inputs_in_every_way() -> None:
    sizes = {len(data) - 1000 for data in drawn(mutation.damaged(b"x" * 1000))}
    assert min(sizes) < -100
    assert max(sizes) > 100
    assert 0 in sizes


def test_json_is_altered_at_its_root_and_below_it() -> None:
    seed = {"outer": {"inner": 1}, "list": [1, 2]}
    seen = drawn(mutation.altered(seed))
    assert any(isinstance(value, dict) and set(value) == set(seed) and value != seed for value in seen)
    assert any(not isinstance(value, dict) for value in seen)
