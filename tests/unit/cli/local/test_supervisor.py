"""When a service of the local mode is restarted, and when the run ends with it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.shared_servers import environment
from ingest.cli.local.supervisor import (
    LONGEST_PAUSE_S,
    MOST_QUICK_ENDS,
    Supervisor,
    pause_after,
    service_environment,
)
from ingest.cli.settings import AllSettings
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service
from ingest.shared.settings import load
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


@pytest.mark.parametrize(
    ("given", "host"),
    [
        pytest.param({}, "127.0.0.1", id="nothing said"),
        pytest.param({"INGEST_METRICS_HOST": ""}, "127.0.0.1", id="an empty variable is not set"),
        pytest.param({"INGEST_METRICS_HOST": "0.0.0.0"}, "0.0.0.0", id="as the user says"),  # noqa: S104 (nothing is bound)
    ],
)
def test_only_this_machine_reads_the_metrics_of_the_local_mode(
    given: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"INGEST_METRICS_PORT": "9100", **given}.items():
        monkeypatch.setenv(name, value)
    common = environment(load(AllSettings))
    made = [service_environment(common, name) for name in Service]
    assert [one["INGEST_METRICS_HOST"] for one in made] == [host] * len(made)
    assert [one["INGEST_METRICS_PORT"] for one in made] == ["9100", "9101", "9102"]
