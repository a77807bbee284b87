"""The line that explains what kept the recognizer's device idle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cli.runs.bottleneck import bottleneck, devices, explain, lines


@pytest.mark.parametrize(
    ("device", "seconds", "line"),
    [
        pytest.param(
            "gpu",
            {"busy": 93.0, "starved": 4.0, "loading": 3.0},
            "GPU busy 93 %, starved 4 %, loading 3 %: the GPU itself was the bottleneck",
            id="busy enough",
        ),
        pytest.param(
            "gpu",
            {"busy": 61.0, "decoding": 6.0, "starved": 33.0},
            "GPU busy 61 %, starved 33 %, decoding 6 %: downloads were the bottleneck",
            id="slow downloads",
        ),
        pytest.param(
            "gpu",
            {"busy": 50.0, "decoding": 40.0, "starved": 10.0},
            "GPU busy 50 %, decoding 40 %, starved 10 %: decoding was the bottleneck",
            id="slow processors",
        ),
        pytest.param(
            "cpu",
            {"busy": 5.0, "blocked": 4.0, "starved": 0.0, "decoding": 0.01},
            "Recognizer busy 55 %, blocked 44 %: the disk or the queue was the bottleneck",
            id="a slow disk, without the states below half a percent",
        ),
        pytest.param(
            "cpu",
            {"loading": 3.0, "busy": 1.0},
            "Recognizer busy 25 %, loading 75 %: loading the model took longest",
            id="a short run",
        ),
        pytest.param(
            "cpu", {"busy": 2.0}, "Recognizer busy 100 %: the recognizer itself was the bottleneck", id="busy"
        ),
        pytest.param(
            "cpu", {"starved": 2.0}, "Recognizer busy 0 %, starved 100 %: downloads were the bottleneck", id="idle"
        ),
    ],
)
def test_the_time_of_a_device_is_explained_with_its_bottleneck(
    device: str, seconds: dict[str, float], line: str
) -> None:
    assert explain(device, seconds) == line


@given(
    st.dictionaries(
        st.sampled_from(["busy", "starved", "decoding", "blocked", "loading"]), st.floats(0.001, 1e6), min_size=1
    )
)
def test_the_bottleneck_is_the_largest_loss_unless_the_device_is_busy_enough(seconds: dict[str, float]) -> None:
    worst = bottleneck(seconds)
    losses = {state: value for state, value in seconds.items() if state != "busy"}
    if worst == "busy":
        assert sum(losses.values()) <= sum(seconds.values()) * 0.1001
    else:
        assert losses[worst] == max(losses.values())


def test_the_time_of_several_recordings_adds_up_by_device_and_other_figures_do_not_count() -> None:
    found = devices(
        [
            {"asr.gpu_busy_s": 1.0, "asr.gpu_starved_s": 2.0, "asr.took_s": 9.0},
            {"asr.gpu_busy_s": 3.0},
            {"asr.cpu_busy_s": 4.0, "embedder.gpu_busy_s": 7.0},
        ]
    )
    assert found == {"gpu": {"busy": 4.0, "starved": 2.0}, "cpu": {"busy": 4.0}}
    assert [line.split()[0] for line in lines(found)] == ["Recognizer", "GPU"]


def test_without_figures_there_is_no_line() -> None:
    assert lines(devices([{}])) == []
    assert lines({"gpu": {"busy": 0.0}}) == []
