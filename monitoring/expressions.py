"""The queries of the dashboards for Prometheus, with the variables of Grafana replaced by values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.dashboards import BOARDS, FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = ".+"


@dataclass(frozen=True)
class PanelQuery:
    """An expression of a panel, ready for Prometheus."""

    board: str
    panel: str
    expr: str


def fill(expr: str, rate_interval: str, time_range: str) -> str:
    """Return an expression with the variables of Grafana replaced: all jobs, instances and cards."""
    values = {"$__rate_interval": rate_interval, "$__range": time_range, "$job": ALL, "$instance": ALL, "$card": ALL}
    for variable, value in values.items():
        expr = expr.replace(variable, value)
    return expr


def panel_queries(rate_interval: str, time_range: str) -> Iterator[PanelQuery]:
    """Yield every expression of every dashboard."""
    for name in BOARDS:
        for panel in json.loads((FOLDER / name).read_text())["panels"]:
            for target in panel.get("targets", ()):
                expr = fill(target["expr"], rate_interval, time_range)
                yield PanelQuery(name.removesuffix(".json"), panel["title"], expr)
