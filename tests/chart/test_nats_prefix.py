"""The prefix of an installation on a shared NATS: in the settings of every service and in the scaler's stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helm_python import HelmRenderError

from tests.support.rendered import environment, pods

if TYPE_CHECKING:
    from tests.support.rendered import Render

SHARED: dict[str, Any] = {
    "nats": {"enabled": False, "url": "nats://nats.messaging:4222", "monitoringEndpoint": "nats.messaging:8222"},
    "settings": {"nats_prefix": "talks"},
}


def test_every_service_and_the_scaler_have_the_prefix(render: Render) -> None:
    manifests = render({**SHARED, "asr": {"keda": {"enabled": True}}})
    found = [environment(one) for _, pod in pods(manifests) for one in pod["containers"]]
    with_broker = [one for one in found if "INGEST_NATS_URL" in one]
    assert {one["INGEST_NATS_PREFIX"] for one in with_broker} == {"talks"}
    (scaler,) = [item for item in manifests if item["kind"] == "ScaledObject"]
    assert [one["metadata"]["stream"] for one in scaler["spec"]["triggers"]] == ["TALKS"]


def test_the_server_of_the_chart_has_no_prefix(render: Render) -> None:
    with pytest.raises(HelmRenderError, match=r"settings\.nats_prefix is for an existing server"):
        render({"settings": {"nats_prefix": "talks"}})
