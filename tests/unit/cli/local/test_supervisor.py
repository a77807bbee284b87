"""When a service of the local mode is restarted, and when the run ends with it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.supervisor import LONGEST_PAUSE_S, MOST_QUICK_ENDS, Supervisor, pause_after
from ingest.shared.errors import ConfigurationError
from ingest.shared.worker.service import EXIT_BROKEN, EXIT_CONFIGURATION, EXIT_PASSING

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("status", [EXIT_BROKEN, EXIT_PASSING, -9, 1])
def test_the_pause_doubles_while_a_service_ends_at_once(status: int) -> None:
    pauses = [pause_after(status, quick_ends) for quick_ends in range(MOST_QUICK_ENDS)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("quick_ends", [0, 1, 100])
def test_a_wrong_setting_ends_the_run(quick_ends: int) -> None:
    assert pause_after(EXIT_CONFIGURATION, quick_ends) is None


@pytest.mark.parametrize("status", [EXIT_BROKEN, -9, 1])
def test_a_service_that_always_ends_at_once_ends_the_run(status: int) -> None:
    assert pause_after(status, MOST_QUICK_ENDS) is None


@pytest.mark.parametrize("quick_ends", [MOST_QUICK_ENDS + 1, 100_000])
def test_a_service_with_a_temporary_fault_is_restarted_forever(quick_ends: int) -> None:
    assert pause_after(EXIT_PASSING, quick_ends) == LONGEST_PAUSE_S


def watch(supervisor: Supervisor) -> None:
    while not supervisor.watch():
        time.sleep(0.1)


def test_a_service_imports_nothing_from_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "__init__.py").write_text("raise SystemExit('a module of the user')")
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(os.environ, tmp_path / "logs", ())
    supervisor.start()
    try:
        with pytest.raises(ConfigurationError, match="INGEST_NATS_URL"):
            watch(supervisor)
    finally:
        supervisor.stop(0.0)
