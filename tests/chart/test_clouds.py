"""The values for clouds: they need no class with ReadWriteMany, and their objects are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from k8s.manifest import CHART
from tests.chart.test_object_store import pods
from tests.support.rendered import VALUES, deployment

if TYPE_CHECKING:
    from tests.support.rendered import Render

CLOUDS = {file.stem: yaml.safe_load(file.read_text()) for file in (CHART.parent / "k8s" / "clouds").glob("*.yaml")}
(OF_NVIDIA,) = VALUES["asr"]["tolerations"]


def test_there_are_values_for_each_cloud() -> None:
    assert CLOUDS.keys() == {"eks", "gke", "aks", "on-premises"}


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in CLOUDS.items()])
@pytest.mark.usefixtures("_schemas_are_read_once")
def test_the_objects_of_a_cloud_are_valid_and_no_claim_is_shared(render: Render, values: dict[str, Any]) -> None:
    found = render(values)
    for manifest in found:
        kubernetes_validate.validate(manifest, "1.29", strict=True)
    assert [item["metadata"]["name"] for item in found if item["kind"] == "PersistentVolumeClaim"] == []
    templates = [one for item in found for one in item.get("spec", {}).get("volumeClaimTemplates", [])]
    assert [one["spec"]["accessModes"] for one in templates] == [["ReadWriteOnce"]] * 2
    assert all("emptyDir" in volume for pod in pods(found) for volume in pod["volumes"] if volume["name"] == "data")


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in CLOUDS.items()])
def test_asr_has_a_card_and_its_models(render: Render, values: dict[str, Any]) -> None:
    asr = deployment(render(values), "asr")["spec"]["template"]["spec"]
    assert OF_NVIDIA in asr["tolerations"]
    (container,) = asr["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"].endswith(":" + values["asr"]["image"]["tag"])
