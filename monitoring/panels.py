"""The parts of all dashboards: selectors, panels, variables.

Every panel has a unit, a description and a text for no data. Missing data never looks like zero: gaps stay gaps, and no
expression turns an absent series into a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardRangeMapOptions,
    DataSourceRef,
    RangeMap,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
    VariableRefresh,
)

from ingest.shared.broker.topology import LEDGER

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = "[$__rate_interval]"
RANGE = "[$__range]"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
HEIGHT = 8
FIGURE_HEIGHT = 4
MIN_STEP = "15s"  # makes the interval of a rate at least a minute; work is counted only when it ends


@dataclass(frozen=True)
class Query:
    """An expression, and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Limit:
    """A value that a panel marks: a figure changes its colour above it (or below it), a graph shows a line."""

    value: float
    bad: Literal["above", "below"] = "above"


LabelValue = str | tuple[str, ...]


def of(metric: str, **labels: LabelValue) -> str:
    """Return the selector of a metric of ingest, for the chosen jobs and instances, with these labels."""
    chosen = ['job=~"$job"', 'instance=~"$instance"']
    for name, value in labels.items():
        chosen.append(f'{name}="{value}"' if isinstance(value, str) else f'{name}=~"{"|".join(value)}"')
    return f"{metric}{{{','.join(chosen)}}}"


def speed(metric: str, by: str = "", **labels: LabelValue) -> str:
    """Return the growth of a counter per second, over all replicas."""
    return f"sum{_by(by)} (rate({of(metric, **labels)}{RATE}))"


def growth(metric: str, by: str = "", over: str = RATE, **labels: LabelValue) -> str:
    """Return the growth of a counter over an interval, over all replicas.

    A series with a label begins with its first event, which `increase` does not see. A series that is younger than the
    interval therefore counts in full. (After a long pause of Prometheus itself, every series is new once.)
    """
    selector = of(metric, **labels)
    new = f"max_over_time({selector}{over}) unless {selector} offset {over.strip('[]')}"
    return f"sum{_by(by)} (({new}) or increase({selector}{over}))"


def by_consumer(metric: str) -> str:
    """Return the value of each consumer; all replicas export the same."""
    return f"max by (consumer) ({of(metric)})"


def by_stage(metric: str) -> str:
    """Return the value of the consumer of each stage: of all but `ledger`, which reads events."""
    return f"max by (consumer) ({of(metric)} unless {of(metric, consumer=LEDGER)})"


def quantile(share: float, metric: str, by: str = "") -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, {speed(metric + '_bucket', f'le, {by}' if by else 'le')})"


def split(metric: str) -> Query:
    """Return the states of a time split, each as a share of the whole."""
    return Query(f"{speed(metric, 'state')} / on () group_left () {speed(metric)}", "{{state}}")


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def graph(  # noqa: PLR0913 (each is one property of a panel, passed by name)
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 8,
    limit: Limit | None = None,
    stacked: bool = False,
    bars: bool = False,
    at_most: float | None = None,
    empty: str = "no data",
) -> timeseries.Panel:
    """Return a panel of lines over time; stacked, or as bars, for parts of a whole."""
    panel = _lines(title, description, unit=unit, empty=empty).span(width)
    panel = panel.fill_opacity(70 if stacked or bars else 5).line_width(0 if stacked else 1)
    panel = panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE)
    if stacked or bars:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if at_most is not None:
        panel = panel.max(at_most)
    if limit is not None:
        panel = panel.thresholds(_thresholds(limit)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
        )
    for number, query in enumerate(queries):
        panel = panel.with_target(_target(query, chr(ord("A") + number)))
    return panel


def figure(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    width: int = 4,
    limit: Limit | None = None,
    empty: str = "no data",
) -> stat.Panel:
    """Return a panel that shows one present value."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value(empty)
        .span(width)
        .height(FIGURE_HEIGHT)
        .interval(MIN_STEP)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A").instant())
    )
    return panel.thresholds(_thresholds(limit)) if limit is not None else panel


def banner(title: str, description: str, query: Query, *, present: str, absent: str) -> stat.Panel:
    """Return a panel that shows one text if the query has a result, and another if it has none."""
    options = DashboardRangeMapOptions(
        from_val=1, to=None, result=ValueMappingResult(text=present, color="orange", index=0)
    )
    return (
        figure(title, description, query, unit="none", width=WIDTH, empty=absent)
        .mappings([RangeMap(options)])
        .height(3)
    )


def row(title: str) -> dashboard.Row:
    """Return a heading."""
    return dashboard.Row(title)


def board(
    uid: str,
    title: str,
    description: str,
    parts: Sequence[dashboard.Row | stat.Panel | timeseries.Panel],
    *,
    choices: Sequence[tuple[str, str]] = (),
) -> dashboard.Dashboard:
    """Return a dashboard with the variables of all dashboards, and with additional `choices`: name and query."""
    result = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["ingest"])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("job", "label_values(ingest_messages_in_progress, job)"))
        .with_variable(_choice("instance", 'label_values(ingest_messages_in_progress{job=~"$job"}, instance)'))
    )
    for name, query in choices:
        result = result.with_variable(_choice(name, query))
    for number, part in enumerate(parts, 1):
        part.id(number)
        result = result.with_row(part) if isinstance(part, dashboard.Row) else result.with_panel(part)
    return result


def _lines(title: str, description: str, *, unit: str, empty: str) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value(empty)
        .min(0)
        .height(HEIGHT)
        .interval(MIN_STEP)
        .span_nulls(False)
        .show_points(VisibilityMode.AUTO)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )


def _choice(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def _target(query: Query, ref_id: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(SOURCE).expr(query.expr).ref_id(ref_id)
    return target.legend_format(query.legend) if query.legend else target


def _thresholds(limit: Limit) -> dashboard.ThresholdsConfig:
    below, above = ("green", "red") if limit.bad == "above" else ("orange", "green")
    steps = [Threshold(value=None, color=below), Threshold(value=limit.value, color=above)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
