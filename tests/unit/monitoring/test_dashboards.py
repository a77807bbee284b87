"""The files of the dashboards are up to date, and work with any data source."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards import BOARDS, FOLDER, text

NAMES = sorted(BOARDS)
CONTENT: dict[str, Any] = {name: json.loads((FOLDER / name).read_text()) for name in NAMES}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name in NAMES
    for panel in CONTENT[name]["panels"]
    if panel["type"] != "row"
]
COUNTER = r"(\S*)\b(?:ingest_\w+_(?:total|bucket)|DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION)\{"


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_there_is_a_file_for_each_dashboard_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_the_script_writes(name: str) -> None:
    assert (FOLDER / name).read_text() == text(name)


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_own_model_reads_it_without_loss(name: str) -> None:
    read = Dashboard.from_json(json.loads(text(name)))
    assert json.loads(JSONEncoder().encode(read)) == CONTENT[name]


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_provisioned_anywhere(name: str) -> None:
    board = CONTENT[name]
    assert board["uid"] == f"ingest-{name.removesuffix('.json')}"
    assert board["editable"] is False
    assert "id" not in board
    assert not {"__inputs", "__requires"} & set(board)
    sources = [variable["name"] for variable in board["templating"]["list"] if variable["type"] == "datasource"]
    assert sources == ["datasource"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_variables_follow_the_time_range_and_can_be_all(name: str) -> None:
    variables = [variable for variable in CONTENT[name]["templating"]["list"] if variable["type"] == "query"]
    assert {"job", "instance"} <= {variable["name"] for variable in variables}
    assert {(variable["refresh"], variable["allValue"]) for variable in variables} == {(2, ".+")}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_title_description_unit_and_a_text_for_no_data(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["noValue"].strip(" 0")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_queries_the_chosen_data_source(panel: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [chosen] * (
        len(panel["targets"]) + 1
    )


@pytest.mark.parametrize("panel", PANELS)
def test_no_data_never_becomes_zero(panel: dict[str, Any]) -> None:
    assert not [expr for expr in expressions(panel) if re.search(r"\bvector\(|\babsent|\bor\b(?! increase)", expr)]
    assert panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls", False) is False


@pytest.mark.parametrize("panel", PANELS)
def test_counters_are_queried_as_rates_over_a_variable_interval(panel: dict[str, Any]) -> None:
    for expr in expressions(panel):
        new = re.sub(r"\(max_over_time\((\S+)\[(\S+)\]\) unless \1 offset \2\)", "", expr)  # all of it counts
        counters = re.findall(COUNTER, new)
        assert all(before.endswith(("rate(", "increase(")) for before in counters), expr
        assert set(re.findall(r"\[(.*?)\]", expr)) <= {"$__rate_interval", "$__range"}


@pytest.mark.parametrize("panel", PANELS)
def test_our_metrics_are_limited_to_what_was_chosen(panel: dict[str, Any]) -> None:
    for expr in expressions(panel):
        assert len(re.findall(r'ingest_\w+\{job=~"\$job",instance=~"\$instance"', expr)) == expr.count("ingest_")
        assert len(re.findall(r'DCGM_\w+\{UUID=~"\$card"', expr)) == expr.count("DCGM_")


@pytest.mark.parametrize("panel", PANELS)
def test_no_query_has_a_label_for_a_video(panel: dict[str, Any]) -> None:
    assert "video" not in " ".join(expressions(panel))
