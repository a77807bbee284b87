"""What the benchmarks print as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import report
from bench.homes import Figures, Traffic


@dataclass(frozen=True)
class Record:
    folder: Path
    all: list[Figures]


def test_records_and_paths_are_printed_wherever_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    run = Figures(1.5, Traffic(up=2))
    report.print_json({"options": {"folder": Path("/a")}, "rounds": {"s3": [run]}, "nested": Record(Path("/b"), [run])})
    found = json.loads(capsys.readouterr().out)["figures"]
    moved = {"up": 2, "down": 0, "took_s": 0.0}
    assert found["options"] == {"folder": "/a"}
    assert found["rounds"] == {"s3": [{"makespan_s": 1.5, "moved": moved}]}
    assert found["nested"]["folder"] == "/b"
    assert found["nested"]["all"][0]["moved"] == moved


def test_what_json_has_no_form_for_is_an_error() -> None:
    with pytest.raises(TypeError):
        report.print_json({"found": object()})
