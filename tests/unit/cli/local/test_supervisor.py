"""When a service of the local mode is restarted, and when the run ends with it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.shared_servers import environment
from ingest.cli.local.supervisor import (
    EARLY_END_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    MOST_EARLY_ENDS,
    MOST_QUICK_ENDS,
    QUICK_END_S,
    Ends,
    Supervisor,
    pause_after,
    service_environment,
)
from ingest.cli.settings import AllSettings
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service
from ingest.shared.settings import load
from ingest.shared.worker.ending import EXIT_BROKEN, EXIT_CONFIGURATION, EXIT_PASSING

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("status", [EXIT_BROKEN, EXIT_PASSING, -9, 1])
def test_the_pause_doubles_while_a_service_ends_at_once(status: int) -> None:
    pauses = [pause_after(status, Ends(quick, quick)) for quick in range(MOST_QUICK_ENDS)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("ends", [Ends(), Ends(1, 1), Ends(100, 100)])
def test_a_wrong_setting_ends_the_run(ends: Ends) -> None:
    assert pause_after(EXIT_CONFIGURATION, ends) is None


@pytest.mark.parametrize("status", [EXIT_BROKEN, -9, 1])
def test_a_service_that_always_ends_at_once_ends_the_run(status: int) -> None:
    assert pause_after(status, Ends(MOST_QUICK_ENDS, MOST_QUICK_ENDS)) is None


@pytest.mark.parametrize("ends", [Ends(MOST_QUICK_ENDS + 1, 0), Ends(100_000, 100_000)])
def test_a_service_with_a_temporary_fault_is_restarted_forever(ends: Ends) -> None:
    assert pause_after(EXIT_PASSING, ends) == LONGEST_PAUSE_S


def pauses_after(lives_s: list[float], status: int) -> list[float | None]:
    """Return the pause after each life of a service, up to the one that ends the run."""
    ends, pauses = Ends(), list[float | None]()
    for lived_s in lives_s:
        ends = ends.after(lived_s)
        pauses.append(pause_after(status, ends))
        if pauses[-1] is None:
            break
    return pauses


MINUTES, LONG = 60.0, EARLY_END_S + 1


@pytest.mark.parametrize("status", [EXIT_BROKEN, -9, 1])
@pytest.mark.parametrize("lived_s", [QUICK_END_S, MINUTES, EARLY_END_S - 1])
def test_a_service_that_always_ends_within_minutes_ends_the_run(status: int, lived_s: float) -> None:
    assert pauses_after([lived_s] * 1000, status) == [*[FIRST_PAUSE_S] * (MOST_EARLY_ENDS - 1), None]


@pytest.mark.parametrize(
    ("lives_s", "status"),
    [
        pytest.param([*[MINUTES] * (MOST_EARLY_ENDS - 1), LONG] * 10, 1, id="it works in between"),
        pytest.param([LONG] * 1000, EXIT_BROKEN, id="it works for long"),
        pytest.param([MINUTES] * 1000, EXIT_PASSING, id="the fault is temporary"),
        pytest.param([0.0, 0.0, 0.0, 0.0, MINUTES] * 10, -9, id="four at once, one later"),
    ],
)
def test_a_service_that_gets_somewhere_is_restarted(lives_s: list[float], status: int) -> None:
    assert None not in pauses_after(lives_s, status)


def watch(supervisor: Supervisor) -> None:
    while not supervisor.watch():
        time.sleep(0.1)


def test_a_service_imports_nothing_from_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "__init__.py").write_text("raise SystemExit('a module of the user')")
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(os.environ, tmp_path / "logs", (), grace_s=0.0)
    supervisor.start()
    try:
        with pytest.raises(ConfigurationError, match="INGEST_NATS_URL"):
            watch(supervisor)
    finally:
        supervisor.stop()


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
    assert [one["INGEST_METRICS_PORT"] for one in made] == [str(9100 + number) for number in range(len(made))]
