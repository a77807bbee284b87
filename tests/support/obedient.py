"""A service whose work the test controls, as its own process: `python -m tests.support.obedient`.

A video is finished when the volume has a file `<video id>.go`; a file `fault` there ends a thread of the service.
With OBEDIENT_REFUSES the service does not start and raises that code.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ingest.shared import pipeline
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import Settings
from ingest.shared.worker.service import ServiceSpec, main
from ingest.shared.worker.stage import StageResult, StageWork

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import VideoRequested
    from ingest.shared.worker.stage import Report

REFUSES = "OBEDIENT_REFUSES"


def build(settings: Settings, _bus: NatsBus) -> ServiceSpec:
    """Return the stage."""
    if REFUSES in os.environ:
        raise IngestError(Code(os.environ[REFUSES]), "not now")

    def held() -> str | None:
        if (settings.volume / "fault").exists():
            raise ValueError("a fault of ours")
        return None

    def handle(message: VideoRequested, _report: Report) -> StageResult:
        (settings.volume / f"{message.video_id}.begun").touch()
        while not (settings.volume / f"{message.video_id}.go").exists():
            time.sleep(0.05)
        (settings.volume / f"{message.video_id}.done").touch()
        return StageResult(None)

    return ServiceSpec((StageWork(pipeline.CHECK, handle, lambda _: 60.0, 2, held),))


if __name__ == "__main__":
    main("obedient", Settings, build)
