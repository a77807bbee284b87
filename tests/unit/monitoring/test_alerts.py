"""Each alert fires when it should and not otherwise (promtool runs alerts.test.yaml), and links to its runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
RULES_FILE = ROOT / "charts" / "alerts" / "ingest.rules.yaml"
TESTS_FILE = Path(__file__).with_name("alerts.test.yaml")
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
TRIED: list[dict[str, Any]] = [
    one for test in yaml.safe_load(TESTS_FILE.read_text())["tests"] for one in test["alert_rule_test"]
]
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()


@pytest.mark.long
def test_the_alerts_do_what_their_tests_say(program: Callable[[str, str], str], tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    for file in (RULES_FILE, TESTS_FILE):
        shutil.copy(file, tmp_path)
    done = subprocess.run(
        [promtool, "test", "rules", TESTS_FILE.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    assert {bool(one["exp_alerts"]) for one in TRIED if one["alertname"] == name} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_has_severity_meaning_and_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_runbook(name: str) -> None:
    _, _, section = RUNBOOKS.partition(f"\n## {name}\n")
    section = section.partition("\n## ")[0]
    assert re.findall(r"^\*\*(.*?)\*\*", section, re.MULTILINE) == ["What it means.", "What to look at.", "What to do."]


def test_there_is_no_runbook_without_an_alert() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE) == NAMES
