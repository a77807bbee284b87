"""Services that work until a run is settled, as the pods of a backfill do: real processes, broker and database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER
from ingest.shared.broker import requests
from ingest.shared.messages import Source, SourceKind, VideoRequested
from ingest.shared.runs.record import publish_recordings, settled
from ingest.shared.runs.verdict import Fate
from ingest.shared.worker.ending import EXIT_SOME_FAILED, EXIT_STOPPED
from tests.support.brokers import ACK_WAIT_S
from tests.support.obedient import LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.broker.nats_bus import NatsBus

    Wait = Callable[[Callable[[], bool]], None]
    Start = Callable[..., subprocess.Popen[str]]

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
ONE, BOTH, OTHER = "ofthefirst1", "ofbothruns1", "ofthesecond"
LIMIT_S = 60


@pytest.fixture
def start(nats_server: EmbeddedNats, database_url: str, bus: NatsBus, tmp_path: Path) -> Iterator[Start]:  # noqa: ARG001 (its streams)
    """A function that starts a service for a run, with the ledger or without; all end with the test."""

    @contextmanager
    def process(run: str, name: str, *, keeps_ledger: bool) -> Iterator[subprocess.Popen[str]]:
        settings = {
            "INGEST_NATS_URL": nats_server.url,
            "INGEST_NATS_USER": NATS_USER,
            "INGEST_NATS_PASSWORD": nats_server.password,
            "INGEST_VOLUME_PATH": str(tmp_path),
            "INGEST_WORKER_NAME": name,
            "INGEST_ACK_WAIT_S": str(ACK_WAIT_S),
            "INGEST_QUEUE_BYTES": str(64 << 20),
            "INGEST_GRACE_S": "2",
            **({LEDGER: database_url} if keeps_ledger else {}),
        }
        words = [sys.executable, "-m", "tests.support.obedient", "--until-settled", run]
        with subprocess.Popen(words, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True) as service:
            try:
                yield service
            finally:
                service.kill()

    with ExitStack() as started:
        yield lambda run, name, keeps_ledger=False: started.enter_context(process(run, name, keeps_ledger=keeps_ledger))


def submit(bus: NatsBus, run: str, *video_ids: str, queued: tuple[str, ...] = ()) -> None:
    """Request recordings, as `ingest submit --run` does; those of `queued` were requested by another run."""
    for video_id in video_ids:
        requests.publish(bus, VideoRequested(video_id=video_id, source=SOURCE))
    publish_recordings(bus, run, dict.fromkeys((*video_ids, *queued), 1).items())


def until_ready(service: subprocess.Popen[str]) -> None:
    assert service.stderr is not None
    assert any('"ready"' in line for line in service.stderr)


@pytest.mark.long
def test_two_runs_on_one_server_end_each_for_itself(
    start: Start, bus: NatsBus, tmp_path: Path, wait_until: Wait
) -> None:
    first, second = start("first", "a", keeps_ledger=True), start("second", "b", keeps_ledger=True)
    helper = start("first", "c")
    for service in (first, second, helper):
        until_ready(service)
    submit(bus, "first", ONE, BOTH)
    submit(bus, "second", OTHER, queued=(BOTH,))
    wait_until(lambda: all((tmp_path / f"{video_id}.begun").exists() for video_id in (ONE, BOTH, OTHER)))
    (tmp_path / f"{ONE}.go").touch()
    wait_until((tmp_path / f"{ONE}.done").exists)
    assert [service.poll() for service in (first, second, helper)] == [None] * 3
    (tmp_path / f"{BOTH}.go").touch()
    assert first.wait(LIMIT_S) == 0
    assert helper.wait(LIMIT_S) == 0, "it has no ledger, and reads the end in the record of the run"
    assert settled(bus, "first") is not None
    assert second.poll() is None, "a recording of its run is in progress"
    (tmp_path / f"{OTHER}.go").write_text("fail")
    assert second.wait(LIMIT_S) == EXIT_SOME_FAILED
    assert settled(bus, "second") == {Fate.INDEXED: 1, Fate.FAILED: 1}
    late = start("second", "d", keeps_ledger=True)
    assert late.wait(LIMIT_S) == EXIT_SOME_FAILED
    assert late.stderr is not None
    assert '"ready"' not in late.stderr.read(), "it has started after the end, and loads nothing"


def test_a_service_that_is_stopped_before_the_end_has_another_status(start: Start) -> None:
    """A Job takes the status 0 of a pod for the end of its work, and replaces it no more."""
    service = start("first", "a")
    until_ready(service)
    service.send_signal(signal.SIGTERM)
    assert service.wait(LIMIT_S) == EXIT_STOPPED
