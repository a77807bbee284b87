"""A service of `bench.fleet`: the real one but for its work, which is a pause of a stated length.

`python -m bench.fleet_services SERVICE PODS VIDEOS PAUSE_S FILE`; one of PODS processes, which share the slots of a
stage. At its end it writes to FILE what its stages did. The embedder keeps the real ledger.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.services import done
from ingest.embedder.postgres import database
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.messages import Stage
from ingest.shared.pipeline import Service, stages_of
from ingest.shared.worker.service import ServiceSpec, main
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import VideoMessage
    from ingest.shared.worker.stage import Report, StageResult

SLOTS = {Stage.CHECK: 20, Stage.DOWNLOAD: 12}  # the limits of the fleet
OTHER_SLOTS = 12
DEADLINE_S = 600.0


@dataclass
class Visits:
    """What a stage did: when it began and ended (seconds since 1970), and how often it had each video."""

    began: float = 0.0
    ended: float = 0.0
    seen: bytearray = field(default_factory=bytearray, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, number: int, began: float) -> None:
        """Count a visit of a video that has just ended."""
        with self.lock:
            self.began, self.ended = self.began or began, time.time()
            self.seen[number] += 1

    def figures(self) -> dict[str, float | str]:
        """Return what can be written; `seen` is in hexadecimal digits."""
        return {"began": self.began, "ended": self.ended, "seen": self.seen.hex()}


def slots_of(stage: Stage) -> int:
    """Return how many messages a stage works on at a time, in all processes."""
    return SLOTS.get(stage, OTHER_SLOTS)


def build(
    service: Service, pods: int, videos: int, pause_s: float, file: Path, settings: EmbedderSettings, bus: NatsBus
) -> ServiceSpec:
    """Return the service."""
    visits = {spec.stage: Visits(seen=bytearray(videos)) for spec in stages_of(service)}
    works = [
        StageWork(spec, _stand_in(spec.stage, pause_s, visits[spec.stage]), _deadline_s, slots_of(spec.stage) // pods)
        for spec in stages_of(service)
    ]
    end_ledger = _ledger(settings, bus) if service is Service.EMBEDDER else None

    def stop() -> None:
        if end_ledger is not None:
            end_ledger()
        file.write_text(json.dumps({stage: one.figures() for stage, one in visits.items()}))

    return ServiceSpec(works, stop=stop, keeps_ledger=end_ledger is not None)


def _deadline_s(_message: VideoMessage) -> float:
    return DEADLINE_S


def _stand_in(stage: Stage, pause_s: float, visits: Visits) -> Callable[[VideoMessage, Report], StageResult]:
    def handle(message: VideoMessage, _report: Report) -> StageResult:
        began = time.time()
        time.sleep(pause_s)
        visits.note(number_of(message.video_id), began)
        return done(stage, message)

    return handle


def video_id(round_number: int, number: int) -> str:
    """Return the id of a video of a round."""
    return f"r{round_number}-{number:08}"


def number_of(video: str) -> int:
    """Return the number of a video within its round."""
    return int(video.rpartition("-")[2])


def _ledger(settings: EmbedderSettings, bus: NatsBus) -> Callable[[], None]:
    archive = database.connect(settings, size=4, name=settings.worker_name)
    ledger = Ledger(bus, archive)
    ledger.start()

    def end() -> None:
        ledger.stop()
        archive.close()

    return end


if __name__ == "__main__":
    name, pods, count, seconds, path = sys.argv[1:]
    main(name, EmbedderSettings, partial(build, Service(name), int(pods), int(count), float(seconds), Path(path)))
