"""A service whose work the test controls, as its own process: `python -m tests.support.obedient`.

A video is finished when the volume has a file `<video id>.go`; a file `fault` there ends a thread of the service.
With OBEDIENT_REFUSES the service does not start and raises that code. With OBEDIENT_LEDGER, the address of a database,
it keeps the ledger. A video fails when its file contains the word `fail`.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from ingest.shared import pipeline
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind
from ingest.shared.settings import Settings
from ingest.shared.worker.service import ServiceSpec, main
from ingest.shared.worker.stage import StageResult, StageWork

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import VideoRequested
    from ingest.shared.worker.stage import Report

REFUSES, LEDGER = "OBEDIENT_REFUSES", "OBEDIENT_LEDGER"


def build(settings: Settings, bus: NatsBus) -> ServiceSpec:
    """Return the stage."""
    if REFUSES in os.environ:
        raise IngestError(Code(os.environ[REFUSES]), "not now")

    def held() -> str | None:
        if (settings.volume / "fault").exists():
            raise ValueError("a fault of ours")
        return None

    def handle(message: VideoRequested, _report: Report) -> StageResult:
        (settings.volume / f"{message.video_id}.begun").touch()
        go = settings.volume / f"{message.video_id}.go"
        while not go.exists():
            time.sleep(0.05)
        (settings.volume / f"{message.video_id}.done").touch()
        if go.read_text() == "fail":
            raise IngestError(Code.NOT_AUDIO, "as the test wants")
        return StageResult(None, EventKind.INDEXED)

    work = StageWork(pipeline.CHECK, handle, lambda _: 60.0, 2, held)
    return ServiceSpec((work,), **(_ledger(bus, os.environ[LEDGER]) if LEDGER in os.environ else {}))


def _ledger(bus: NatsBus, address: str) -> dict[str, Any]:
    """Start a ledger; return what a service says about it."""
    from ingest.embedder.postgres.database import Database  # what most services of the tests need not import
    from ingest.embedder.tables.ledger import Ledger
    from ingest.embedder.tables.standings import standings

    database = Database(SecretStr(address), password=None, size=4, timeout_s=20.0, name="obedient").open()
    ledger = Ledger(bus, database)
    ledger.start()
    return {"stop": ledger.stop, "standings": partial(standings, database)}


if __name__ == "__main__":
    main("obedient", Settings, build, sys.argv[1:], reports_failures=LEDGER in os.environ)
