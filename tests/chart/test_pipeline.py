"""The chart's lists of services, consumers and users are those of the table of the pipeline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ingest.shared.pipeline import Service, stages_of

if TYPE_CHECKING:
    from tests.support.rendered import Render

CHART = Path(__file__).parents[2] / "charts"


def test_every_service_has_a_deployment_and_nothing_else_works_on_videos(render: Render) -> None:
    components = {
        document["metadata"]["labels"]["app.kubernetes.io/component"]
        for document in render()
        if document["kind"] == "Deployment"
    }
    assert components == {*Service, "archive"}  # which reads


def test_every_service_has_its_values_and_its_user_of_the_broker() -> None:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    assert [name for name in values if name in set(Service)] == list(Service)
    users = re.findall(r'user: "(\w+)"', (CHART / "files/nats-authorization.conf").read_text())
    assert [name for name in users if name in set(Service)] == list(Service)


def test_a_service_scales_by_the_queues_of_its_stages(render: Render) -> None:
    consumers = {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: [
            trigger["metadata"]["consumer"] for trigger in document["spec"]["triggers"]
        ]
        for document in render({str(service): {"keda": {"enabled": True}} for service in Service})
        if document["kind"] == "ScaledObject"
    }
    assert consumers == {service: [spec.stage for spec in stages_of(service)] for service in Service}


def test_the_templates_list_of_services_is_that_of_the_table() -> None:
    components = yaml.safe_load((CHART / "files/components.yaml").read_text())
    assert {component["name"]: component["consumers"] for component in components} == {
        service: [spec.stage for spec in stages_of(service)] for service in Service
    }
