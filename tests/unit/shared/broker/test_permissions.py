"""The chart's copy of the users of the broker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_the_chart_knows_the_users_as_they_are_printed() -> None:
    command = [sys.executable, "-m", "ingest.shared.broker.permissions"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "charts" / "files" / "nats-authorization.conf").read_text() == printed
