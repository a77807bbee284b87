"""Queries of rendered Kubernetes objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml

from ingest.shared.settings import variable
from k8s.manifest import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
RELABELLING = {variable(name) for name in VALUES["voices"]["settings"]}  # runs in the embedder's pods


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield (name of the object, specification of its pods)."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if manifest["kind"] == "Pod":
            yield manifest["metadata"]["name"], manifest["spec"]
        elif "template" in spec:
            yield manifest["metadata"]["name"], spec["template"]["spec"]


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def deployment(manifests: list[Manifest], component: str) -> Manifest:
    found = [
        item for item in manifests if item["kind"] == "Deployment" and item["metadata"]["name"].endswith(component)
    ]
    return found[0]


def workload(manifests: list[Manifest], component: str) -> Manifest:
    """Return the Deployment of a service, or its Job in a backfill."""
    kinds = {"Deployment", "Job"}
    (found,) = [item for item in manifests if item["kind"] in kinds and item["metadata"]["name"].endswith(component)]
    return found


def environment(container: Manifest) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container.get("env", [])}


def named(manifests: list[Manifest], prefix: str) -> list[Manifest]:
    return [item for item in manifests if item["metadata"]["name"].startswith(prefix)]


def job_pod(manifests: list[Manifest], component: str) -> Manifest:
    (job,) = [item for item in named(manifests, f"ingest-{component}-") if item["kind"] == "Job"]
    spec: Manifest = job["spec"]["template"]["spec"]
    return spec
