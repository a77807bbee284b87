"""The chart, rendered by Helm's own engine without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from helm_python import Chart

from k8s.manifest import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rendered import Manifest, Render


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    with Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: Chart) -> Render:
    """A function that renders values (with a seed for passwords, if they bring none) and returns every object."""

    def rendered(values: dict[str, Any] | None = None, name: str = "ingest") -> list[Manifest]:
        files = chart.render({"auth": {"seed": "tests"}} | (values or {}), name=name, namespace="somewhere")
        texts = [content for path, content in files.items() if path.endswith(".yaml")]
        return [found for text in texts for found in yaml.safe_load_all(text) if found]

    return rendered
