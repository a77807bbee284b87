"""The chart, rendered by Helm's own engine without a cluster."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart

from k8s.manifest import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rendered import Manifest, Render


class Strict(yaml.CSafeLoader):
    """Refuses a key that an object has twice, as kubectl does. (The parser in C is ten times as fast.)"""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 (of the library)
        """Return the mapping of a node."""
        found = super().construct_mapping(node, deep)
        assert len(found) == len(node.value), f"a key twice, {node.start_mark}"
        return found


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    with Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: Chart) -> Render:
    """A function that renders values (with a seed for passwords, if they bring none) and returns every object."""

    known: dict[str, list[str]] = {}  # many tests ask for the same values, and rendering is the dear part

    def rendered(values: dict[str, Any] | None = None, name: str = "ingest") -> list[Manifest]:
        key = json.dumps([values, name])
        if key not in known:
            files = chart.render({"auth": {"seed": "tests"}} | (values or {}), name=name, namespace="somewhere")
            known[key] = [content for path, content in files.items() if path.endswith(".yaml")]
        return [found for text in known[key] for found in yaml.load_all(text, Strict) if found]

    return rendered


@pytest.fixture(scope="module")
def _schemas_are_read_once() -> Iterator[None]:
    """Keep the schemas of Kubernetes, which the library reads anew for each object: megabytes of JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield
