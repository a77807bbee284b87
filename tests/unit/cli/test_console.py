"""The format of times, tables and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.cli import console
from ingest.shared.errors import RULES, Code


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (5.9, "0:05"),
        (65, "1:05"),
        (3599.9, "59:59"),
        (3600, "1:00:00"),
        (3723, "1:02:03"),
        (360000, "100:00:00"),
    ],
)
def test_a_clock_shows_hours_where_there_are_any(seconds: float, text: str) -> None:
    assert console.clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 min"), (90, "1.5 min"), (3540, "59.0 min"), (3600, "1.0 h"), (5400, "1.5 h")]
)
def test_lengths_are_hours_or_minutes(seconds: float, text: str) -> None:
    assert console.hours(seconds) == text


@pytest.mark.parametrize(
    ("code", "advice"),
    [("GPU_OOM", RULES[Code.GPU_OOM].advice), ("OLD_CODE", ""), ("", ""), (None, "")],
)
def test_every_known_code_has_advice(code: str | None, advice: str) -> None:
    assert console.advice(code) == advice


@dataclass(frozen=True)
class Row:
    at: datetime
    path: Path


def test_data_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json([Row(datetime(2026, 1, 2, tzinfo=UTC), Path("/x")), {"long": "x" * 500, "title": "[bold]ü"}])
    first, second = json.loads(capsys.readouterr().out)
    assert first == {"at": "2026-01-02T00:00:00+00:00", "path": "/x"}
    assert second == {"long": "x" * 500, "title": "[bold]ü"}


def test_markup_in_cells_of_a_table_is_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.out.print(console.table("Videos", ("title", "code"), [("[bold]Talk[/bold] [1]", None), ("[/x]", 5)]))
    text = capsys.readouterr().out
    assert "[bold]Talk[/bold] [1]" in text
    assert "[/x]" in text
    assert "None" not in text
