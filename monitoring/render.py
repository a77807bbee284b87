"""Draws the dashboards from the data of a Prometheus: pictures for the documentation, not screenshots of Grafana."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from monitoring.dashboards import BOARDS, FOLDER
from monitoring.expressions import fill

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from monitoring.prometheus import Prometheus

COLUMNS = 24
INCHES_A_COLUMN = 0.62
INCHES_A_ROW = 0.36
MOST_LEGENDS = 9
BACKGROUND, PANEL, INK, FAINT = "#111217", "#181b1f", "#ccccdc", "#7b8087"
CAPTION = "drawn by monitoring/render.py (not Grafana) from the data of a run of `make monitor`"

Panel = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """The time range of a picture."""

    start: float
    end: float
    step_s: float = 1.0


def pictures(prometheus: Prometheus, window: Window, folder: Path) -> list[Path]:
    """Draw every dashboard into a folder; return the files."""
    mpl.rcParams["svg.hashsalt"] = "ingest"
    made = []
    for name in BOARDS:
        board = json.loads((FOLDER / name).read_text())
        path = folder / f"dashboard-{name.removesuffix('.json')}.png"
        _board(board, prometheus, window).savefig(path, dpi=80, facecolor=BACKGROUND)
        made.append(path)
    return made


def _board(board: dict[str, Any], prometheus: Prometheus, window: Window) -> Figure:
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 2
    whole = Figure(figsize=(COLUMNS * INCHES_A_COLUMN, rows * INCHES_A_ROW))
    whole.text(0.01, 1 - 0.9 / rows, board["title"], color=INK, size=14, weight="bold")
    whole.text(0.99, 1 - 0.9 / rows, CAPTION, color=FAINT, size=9, ha="right")
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] / COLUMNS, 1 - (place["y"] + 1.5) / rows
        if panel["type"] == "row":
            whole.text(left + 0.01, top - 0.7 / rows, panel["title"], color=INK, size=11, weight="bold")
            continue
        series = _series(panel, prometheus, window)
        box = (left + 0.003, top - (place["h"] - 0.15) / rows, place["w"] / COLUMNS - 0.006, (place["h"] - 0.3) / rows)
        back = whole.add_axes(box, facecolor=PANEL)
        back.set(xticks=[], yticks=[])
        back.set_title(panel["title"], loc="left", y=1, pad=-13, x=0.02, color=INK, size=9, weight="bold")
        if panel["type"] == "stat":
            _figure(back, panel, series)
        else:
            lines = math.ceil(min(len(series), MOST_LEGENDS) / 3)
            low, high = 0.13 + 0.07 * lines, 0.85
            inner = (box[0] + 0.13 * box[2], box[1] + low * box[3], 0.84 * box[2], (high - low) * box[3])
            _graph(whole.add_axes(inner, facecolor=PANEL), panel, series, window)
    return whole


def _series(panel: Panel, prometheus: Prometheus, window: Window) -> list[tuple[str, list[float], list[float]]]:
    """Return the series of a panel: name, seconds since the start, values."""
    found = []
    for target in panel["targets"]:
        expr = fill(target["expr"], "20s", f"{math.ceil(window.end - window.start)}s")
        for one in prometheus.over(expr, window.start, window.end, window.step_s):
            name = target.get("legendFormat", "")
            for label, value in one["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            times = [float(at) - window.start for at, _ in one["values"]]
            found.append((name, times, [float(value) for _, value in one["values"]]))
    return found


def _figure(axes: Axes, panel: Panel, series: list[tuple[str, list[float], list[float]]]) -> None:
    """Write the last value of a panel that shows one number."""
    defaults = panel["fieldConfig"]["defaults"]
    text, color, size = defaults["noValue"], FAINT, 10.0
    values = [value for _, _, some in series for value in some if math.isfinite(value)]
    if values and "mappings" in defaults:
        result = defaults["mappings"][0]["options"]["result"]
        text, color, size = result["text"], "#ff9830", 13.0
    elif values:
        text, color, size = shown(values[-1], defaults["unit"]), "#73bf69", 17.0
        steps = defaults.get("thresholds", {}).get("steps", [])
        for step in steps:
            if step["value"] is None or values[-1] >= step["value"]:
                color = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830"}[step["color"]]
    axes.text(0.5, 0.4, text, color=color, size=size, ha="center", va="center", transform=axes.transAxes)


def _graph(axes: Axes, panel: Panel, series: list[tuple[str, list[float], list[float]]], window: Window) -> None:
    """Draw the lines, bars or layers of a panel."""
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_xlim(0, window.end - window.start)
    axes.tick_params(colors=FAINT, labelsize=7, length=2)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0f} s")
    axes.yaxis.set_major_formatter(lambda y, _: shown(y, defaults["unit"]))
    for spine in axes.spines.values():
        spine.set_color("#2c3235")
    if not series:
        axes.text(0.5, 0.5, defaults["noValue"], color=FAINT, size=8, ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    if defaults["custom"].get("stacking"):
        grid = sorted({at for _, times, _ in series for at in times})
        known = [dict(zip(times, values, strict=True)) for _, times, values in series]
        layers = [[one.get(at, 0.0) for at in grid] for one in known]
        axes.stackplot(grid, layers, labels=[name for name, _, _ in series], alpha=0.8, step="post")
    else:
        for name, times, values in series:
            axes.plot(times, values, label=name, linewidth=1.2)
    highest = max((value for _, _, values in series for value in values if math.isfinite(value)), default=1.0)
    room = axes.get_ylim()[1] if defaults["custom"].get("stacking") else 1.08 * highest
    axes.set_ylim(0, defaults.get("max") or room or 1.0)
    for step in defaults.get("thresholds", {}).get("steps", [])[1:]:
        if step["value"] <= axes.get_ylim()[1] * 1.5:
            axes.axhline(step["value"], color="#f2495c", linestyle="--", linewidth=0.8)
    handles, names = axes.get_legend_handles_labels()
    if any(names):
        axes.legend(
            handles[:MOST_LEGENDS],
            names[:MOST_LEGENDS],
            loc="upper left",
            bbox_to_anchor=(-0.12, -0.14),
            ncols=3,
            fontsize=6.5,
            frameon=False,
            labelcolor=INK,
            handlelength=1.2,
        )


def shown(value: float, unit: str) -> str:
    """Return a value with its unit, for people."""
    if not math.isfinite(value):
        return "-"
    if unit.startswith("suffix:"):
        return f"{value:,.{0 if abs(value) >= 100 else 2}f} {unit.removeprefix('suffix:').strip()}"  # noqa: PLR2004 (digits)
    if unit in {"percent", "percentunit"}:
        return f"{value * (100 if unit == 'percentunit' else 1):.3g} %"
    names = {"s": "s", "bytes": "B", "decbytes": "B", "watt": "W", "celsius": "°C", "hertz": "Hz", "joule": "J"}
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit not in {"s", "celsius"} and abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{names.get(unit, '')}"
    return f"{value:{',.0f' if abs(value) >= 1000 else '.3g'}} {names.get(unit, '')}".strip()  # noqa: PLR2004 (digits)
