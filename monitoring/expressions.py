"""What the dashboards ask, as Prometheus hears it: Grafana's variables filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.dashboards import BOARDS, FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = ".+"


@dataclass(frozen=True)
class Asked:
    """An expression of a panel, ready for Prometheus, and how its series are called."""

    board: str
    panel: str
    expr: str
    legend: str


def asked(rate_interval: str, time_range: str) -> Iterator[Asked]:
    """Yield every expression of every dashboard, with everything chosen."""
    filled = {
        "$__rate_interval": rate_interval,
        "$__range": time_range,
        "$job": ALL,
        "$instance": ALL,
        "$card": ALL,
    }
    for name in BOARDS:
        for panel in json.loads((FOLDER / name).read_text())["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for variable, value in filled.items():
                    expr = expr.replace(variable, value)
                yield Asked(name.removesuffix(".json"), panel["title"], expr, target.get("legendFormat", ""))
