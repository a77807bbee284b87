"""How a service ends: during its start, without broker or volume, and while work is in progress."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import REQUESTED
from ingest.shared.errors import Code
from ingest.shared.messages import Source, SourceKind, VideoRequested, encode
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.ending import EXIT_BROKEN, EXIT_CONFIGURATION, EXIT_PASSING
from ingest.shared.worker.service import OVERTIME_S
from tests.support.obedient import REFUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Wait = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.long  # each test starts a service
GRACE_S = 2.0


def test_a_service_that_waits_for_its_broker_ends_at_once_when_asked_to(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # an address without a server
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        environment = {**os.environ, "INGEST_NATS_URL": url, "INGEST_VOLUME_PATH": str(tmp_path)}
        command = [sys.executable, "-m", "ingest.downloader"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
            assert service.stderr is not None
            assert "bus_error" in service.stderr.readline()
            began = time.monotonic()
            service.send_signal(signal.SIGTERM)
            assert service.wait(20) == 0
            assert time.monotonic() - began < 5


def test_a_service_whose_broker_has_gone_ends_well(tmp_path: Path) -> None:
    nats = EmbeddedNats(tmp_path / "nats")
    settings = {
        "INGEST_NATS_URL": nats.url,
        "INGEST_NATS_USER": NATS_USER,
        "INGEST_NATS_PASSWORD": nats.password,
        "INGEST_VOLUME_PATH": str(tmp_path / "volume"),
    }
    command = [sys.executable, "-m", "ingest.downloader"]
    with subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        assert any('"ready"' in line for line in service.stderr)
        nats.process.kill()
        nats.process.wait()
        assert any("bus_error" in line for line in service.stderr)
        time.sleep(2)  # it has tried to come back, in vain
        service.send_signal(signal.SIGTERM)
        _, told = service.communicate(timeout=30)
    assert "Traceback" not in told
    assert '"stopped"' in told
    assert service.returncode == 0


# -- while work is in progress, and on a volume that fails -------------------------------------------------------------


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path / "nats")
    yield server
    server.process.send_signal(signal.SIGCONT)
    server.stop()


@contextmanager
def obedient(nats: EmbeddedNats, volume: Path, **settings: object) -> Iterator[subprocess.Popen[str]]:
    """Run the service whose work is the test's; it is killed at the end of the block."""
    known = {
        "INGEST_NATS_URL": nats.url,
        "INGEST_NATS_USER": NATS_USER,
        "INGEST_NATS_PASSWORD": nats.password,
        "INGEST_VOLUME_PATH": volume,
        "INGEST_WORKER_NAME": "a",
        "INGEST_GRACE_S": GRACE_S,
    }
    environment = {name: str(value) for name, value in {**os.environ, **known, **settings}.items()}
    command = [sys.executable, "-m", "tests.support.obedient"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
        try:
            yield service
        finally:
            service.kill()


def until_ready(service: subprocess.Popen[str]) -> None:
    assert service.stderr is not None
    assert any('"ready"' in line for line in service.stderr)


def submit(nats: EmbeddedNats, *video_ids: str) -> list[VideoRequested]:
    bus = NatsBus(BusOptions(nats.url, "submitter", user=NATS_USER, password=nats.password)).connect()
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
    messages = [VideoRequested(video_id=video_id, source=source) for video_id in video_ids]
    for message in messages:
        bus.publish(REQUESTED, encode(message), message.job)
    bus.close()
    return messages


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_service_whose_broker_is_away_ends_within_its_grace_and_nobody_is_charged(
    nats: EmbeddedNats, tmp_path: Path, wait_until: Wait, how: signal.Signals
) -> None:
    volume = tmp_path / "volume"
    with obedient(nats, volume, INGEST_BUS_PATIENCE_S=30) as service:
        until_ready(service)
        messages = submit(nats, "abcdefghij1", "abcdefghij2")
        wait_until(lambda: all((volume / f"{message.video_id}.begun").exists() for message in messages))
        nats.process.send_signal(how)
        (volume / f"{messages[0].video_id}.go").touch()  # its slot waits for the broker from now on
        wait_until((volume / f"{messages[0].video_id}.done").exists)
        service.send_signal(signal.SIGTERM)
        _, told = service.communicate(timeout=GRACE_S + OVERTIME_S + 2)
    assert service.returncode == 0
    assert "cannot_start" not in told
    journal = CrashJournal(volume / "workers", "obedient-a")
    assert [journal.crashes(f"check.{message.job}") for message in messages] == [0, 0]


def break_folder(folder: Path) -> None:
    """Put something in the place of a folder: each step in it fails."""
    folder.rename(folder.with_name("away"))
    folder.touch()


def test_a_service_that_has_lost_broker_and_volume_ends(nats: EmbeddedNats, tmp_path: Path) -> None:
    with obedient(nats, tmp_path / "volume", INGEST_BUS_PATIENCE_S=2) as service:
        until_ready(service)
        break_folder(tmp_path / "volume" / "workers")
        nats.process.kill()
        service.communicate(timeout=20)
    assert service.returncode == EXIT_PASSING


def test_a_service_with_a_fault_and_without_a_volume_ends(nats: EmbeddedNats, tmp_path: Path) -> None:
    with obedient(nats, tmp_path / "volume") as service:
        until_ready(service)
        break_folder(tmp_path / "volume" / "workers")
        (tmp_path / "volume" / "fault").touch()
        service.communicate(timeout=20)
    assert service.returncode == EXIT_BROKEN


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param(Code.ENV_DB_UNAVAILABLE, EXIT_PASSING, id="no database"),
        pytest.param(Code.ENV_DISK_FULL, EXIT_PASSING, id="full disk"),
        pytest.param(Code.ENV_MODEL, EXIT_CONFIGURATION, id="no model"),
    ],
)
def test_a_service_that_cannot_start_says_whether_that_passes(
    nats: EmbeddedNats, tmp_path: Path, code: Code, status: int
) -> None:
    with obedient(nats, tmp_path / "volume", **{REFUSES: code}) as service:
        _, told = service.communicate(timeout=20)
    assert (service.returncode, code in told) == (status, True)


def test_a_service_without_its_volume_may_be_started_again(nats: EmbeddedNats, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with obedient(nats, tmp_path / "file" / "volume") as service:
        _, told = service.communicate(timeout=20)
    assert (service.returncode, Code.ENV_VOLUME in told) == (EXIT_PASSING, True)
