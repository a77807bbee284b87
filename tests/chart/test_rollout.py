"""Replicas, GPUs and rollouts of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.shared.pipeline import Service
from tests.support.rendered import deployment

if TYPE_CHECKING:
    from tests.support.rendered import Render

KEDA: dict[str, Any] = {"enabled": True}


def test_replicas_are_twelve_two_twelve(render: Render) -> None:
    manifests = render()
    counts = [deployment(manifests, name)["spec"]["replicas"] for name in Service]
    assert counts == [12, 2, 12]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"replicas": 0}, 0, id="0 is 0"),
        pytest.param({"replicas": None}, None, id="null is no field"),
        pytest.param({"autoscaling": {"enabled": True}}, None, id="left to the autoscaler"),
        pytest.param({"keda": {"enabled": True}}, None, id="left to KEDA"),
    ],
)
def test_replicas(render: Render, values: dict[str, Any], expected: int | None) -> None:
    assert deployment(render({"asr": values}), "asr")["spec"].get("replicas") == expected


def test_the_gpu_is_a_limit_with_the_configured_name_and_pods_are_replaced_without_a_second_card(
    render: Render,
) -> None:
    spec = deployment(render({"asr": {"gpu": {"resourceName": "nvidia.com/gpu.shared"}}}), "asr")["spec"]
    assert spec["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu.shared"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    without = deployment(render({"asr": {"gpu": {"count": 0}}}), "asr")["spec"]["template"]["spec"]["containers"][0]
    assert set(without["resources"]["limits"]) == {"memory"}


@pytest.mark.parametrize("component", Service)
def test_the_pod_outlives_the_grace_of_the_service(render: Render, component: str) -> None:
    spec = deployment(render({component: {"graceSeconds": 1000}}), component)["spec"]["template"]["spec"]
    environment = {item["name"]: item.get("value") for item in spec["containers"][0]["env"]}
    assert float(environment["INGEST_GRACE_S"]) < spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("component", Service)
def test_pods_may_be_replaced_all_at_once(render: Render, component: str) -> None:
    strategy = deployment(render({component: {"strategy": {"type": "Recreate"}}}), component)["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


@pytest.mark.parametrize("component", Service)
def test_a_rollout_is_given_up_after_the_old_pod_had_time_to_stop_and_the_new_one_to_start(
    render: Render, component: str
) -> None:
    spec = deployment(render({component: {"graceSeconds": 5000, "startSeconds": 4000}}), component)["spec"]
    pod = spec["template"]["spec"]
    start = pod["containers"][0]["startupProbe"]
    starting_s = start["failureThreshold"] * start["periodSeconds"]
    assert spec["progressDeadlineSeconds"] > pod["terminationGracePeriodSeconds"] + starting_s
