"""Clocks in exactly one state at a time: the states add up to wall time, whatever happens."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.telemetry.time_split import (
    ASR_CAUSES,
    BLOCKED,
    BUSY,
    CHECKING,
    DECODING,
    IDLE,
    LOADING,
    PUBLISHING,
    SLOT_STATES,
    STARVED,
    TRANSFERRING,
    DeviceTime,
    SlotTimes,
    TimeSplit,
    state_of,
)

STEPS = st.lists(st.tuples(st.sampled_from(SLOT_STATES), st.integers(min_value=0, max_value=10_000)), max_size=50)
ACTS = st.lists(
    st.tuples(st.sampled_from(["ready", "run", "end", DECODING, BLOCKED, "leave"]), st.integers(0, 10_000)), max_size=60
)


class Hand:
    """A clock that goes on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_split_counts_the_state_that_still_runs() -> None:
    clock = Hand()
    split = TimeSplit(("idle", "busy"), clock)
    clock.now += 2
    assert split.enter("busy") == "idle"
    clock.now += 3
    assert split.seconds() == {"idle": 2, "busy": 3}
    assert split.state == "busy"


def test_a_split_refuses_a_state_that_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="napping is none of idle, busy"):
        TimeSplit(("idle", "busy")).enter("napping")


@given(STEPS)
def test_the_states_of_a_split_add_up_to_the_time_that_passed(steps: list[tuple[str, int]]) -> None:
    clock = Hand()
    split = TimeSplit(SLOT_STATES, clock)
    expected = dict.fromkeys(SLOT_STATES, 0.0)
    for state, pause_ms in steps:
        split.enter(state)
        clock.now += pause_ms / 1024  # a power of two: sums are exact
        expected[state] += pause_ms / 1024
        assert split.seconds() == expected
        assert sum(split.seconds().values()) == clock.now - 100


@pytest.mark.parametrize(
    ("is_ready", "batches", "decoding", "blocked", "state"),
    [
        pytest.param(False, 1, 1, 1, LOADING, id="nothing counts before the model is there"),
        pytest.param(True, 2, 1, 1, BUSY, id="a batch runs"),
        pytest.param(True, 0, 1, 1, DECODING, id="the processor is what everybody waits for"),
        pytest.param(True, 0, 0, 2, BLOCKED, id="what is done cannot be handed on"),
        pytest.param(True, 0, 0, 0, STARVED, id="nothing to do"),
    ],
)
def test_the_state_of_a_device_is_the_weightiest_reason(
    is_ready: bool,  # noqa: FBT001 (a column of the table)
    batches: int,
    decoding: int,
    blocked: int,
    state: str,
) -> None:
    assert state_of(is_ready=is_ready, batches=batches, causes={DECODING: decoding, BLOCKED: blocked}) == state


@given(ACTS)
def test_the_states_of_a_device_add_up_and_one_grows_at_a_time(acts: list[tuple[str, int]]) -> None:
    clock = Hand()
    device = DeviceTime(ASR_CAUSES, clock)
    running, inside = ExitStack(), ExitStack()
    for act, pause_ms in acts:
        match act:
            case "ready":
                device.ready()
            case "run":
                running.enter_context(device.running())
            case "end":
                running.close()
            case "leave":
                inside.close()
            case cause:
                inside.enter_context(device.doing(cause))
        before, state = device.seconds(), device.state
        clock.now += pause_ms / 1024
        after = device.seconds()
        assert {name for name in after if after[name] != before[name]} <= {state}
        assert after[state] - before[state] == pause_ms / 1024
        assert sum(after.values()) == clock.now - 100


def test_an_idle_device_changes_its_reason_when_what_is_in_hand_changes() -> None:
    clock = Hand()
    device = DeviceTime(ASR_CAUSES, clock)
    clock.now += 1
    device.ready()
    clock.now += 2
    with device.doing(DECODING):
        clock.now += 4
        with device.doing(BLOCKED):  # another message
            clock.now += 8
        with device.running():
            clock.now += 16
    with device.doing(BLOCKED):
        clock.now += 32
    assert device.seconds() == {LOADING: 1, STARVED: 2, DECODING: 12, BUSY: 16, BLOCKED: 32}


def test_a_failure_leaves_its_state() -> None:
    device = DeviceTime(ASR_CAUSES)
    device.ready()
    with pytest.raises(KeyError), device.doing(DECODING), device.running():
        raise KeyError
    assert device.state == STARVED


def test_two_batches_at_a_time_are_busy_once() -> None:
    clock = Hand()
    device = DeviceTime(ASR_CAUSES, clock)
    device.ready()
    with device.running():
        with device.running():
            clock.now += 2
        clock.now += 1
    assert device.seconds()[BUSY] == 3


def test_the_news_of_a_device_are_what_was_not_told_before_and_say_whether_it_is_a_gpu() -> None:
    clock = Hand()
    gpu, cpu = DeviceTime(ASR_CAUSES, clock, device="cuda"), DeviceTime(ASR_CAUSES, clock)
    clock.now += 2
    assert gpu.new_seconds() == {"gpu_loading_s": 2}
    gpu.ready()
    clock.now += 3.00049
    assert gpu.new_seconds() == {"gpu_starved_s": 3}
    clock.now += 1
    assert gpu.new_seconds() == {"gpu_starved_s": 1}
    assert cpu.new_seconds() == {"cpu_loading_s": 6}


def test_slots_add_up_to_their_number_times_wall_time_and_return_to_the_state_before() -> None:
    clock = Hand()
    slots = SlotTimes(3, clock=clock)
    with slots.doing(PUBLISHING):
        with slots.doing(TRANSFERRING):
            clock.now += 4
        clock.now += 1
    clock.now += 2
    found = slots.seconds()
    assert found[TRANSFERRING] == 4
    assert found[PUBLISHING] == 1
    assert found[IDLE] == 3 * 7 - 5
    assert sum(found.values()) == 3 * 7


def test_every_thread_has_a_slot_of_its_own() -> None:
    clock = Hand()
    slots = SlotTimes(2, clock=clock)
    both = threading.Barrier(3)

    def work(state: str) -> None:
        with slots.doing(state):
            both.wait(10)
            both.wait(10)

    threads = [threading.Thread(target=work, args=(state,)) for state in (TRANSFERRING, CHECKING)]
    for thread in threads:
        thread.start()
    both.wait(10)
    clock.now += 5
    assert (slots.seconds()[TRANSFERRING], slots.seconds()[CHECKING], slots.seconds()[IDLE]) == (5, 5, 0)
    both.wait(10)
    for thread in threads:
        thread.join()
