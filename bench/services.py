"""The services of the pipeline with timed stand-ins for their work: everything else about them is real.

A real nats-server on disk, one bus connection for each service, the real worker loops with the production number of
slots, the real messages. Only the handlers are ours: they sleep for the time that the trace says.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from bench.counted import CallTimes, CountedBus
from bench.schedule import Mode
from ingest.cli.local.nats_server import NATS_USER
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import REQUESTED, topology
from ingest.shared.messages import (
    Artifact,
    EventKind,
    Source,
    SourceKind,
    Stage,
    VideoMessage,
    VideoRequested,
    encode,
)
from ingest.shared.pipeline import SPEC_OF, Service
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.stage import StageResult, StageWork, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.schedule import StageTimes, Trace
    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.worker.stage import Report

    Handle = Callable[[VideoMessage, Report], StageResult]

ACK_WAIT_S = 60.0
LIMIT_S = 3600.0
GRACE_S = 5.0
SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
ARTIFACT = Artifact(path="stand-in", sha256="0" * 64, size_bytes=0, duration_s=0.0)


@dataclass(frozen=True)
class Visit:
    """One video in one slot of a stage; seconds since the clock started."""

    stage: Stage
    slot: str
    begin_s: float
    end_s: float


@dataclass
class Visits:
    """What happened in a run. `began` is the monotonic time at which the clock started."""

    began: float = field(default_factory=time.monotonic)
    all: list[Visit] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    finished: Counter[Stage] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    calls: CallTimes = field(default_factory=CallTimes)

    def spend(self, stage: Stage, seconds: float) -> None:
        """Stand in for the work on a video."""
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        visit = Visit(stage, threading.current_thread().name, begin - self.began, end - self.began)
        with self.changed:
            self.all.append(visit)
            self.finished[stage] += 1
            self.changed.notify_all()

    def wait(self, stage: Stage, count: int) -> None:
        """Wait until a stage has finished `count` videos; a handler that fails ends the bench."""
        with self.changed:
            ended = self.changed.wait_for(lambda: self.failures or self.finished[stage] >= count, LIMIT_S)
            if self.failures:
                raise SystemExit(f"error: a run without its failed recordings has no figures: {self.failures[0]}")
            if not ended:
                raise TimeoutError(f"{stage} has finished {self.finished[stage]} of {count} videos in {LIMIT_S:.0f} s")

    @contextmanager
    def noted(self, stage: Stage) -> Iterator[None]:
        """Note a failure of what is done here, and pass it on."""
        try:
            yield
        except Exception as error:
            with self.changed:
                self.failures.append(f"{stage}: {error}")
                self.changed.notify_all()
            raise

    def ends_s(self, stage: Stage) -> list[float]:
        """Return when each video left a stage, in order."""
        return sorted(visit.end_s for visit in self.all if visit.stage is stage)

    def slots_of(self, stage: Stage) -> list[list[Visit]]:
        """Return the visits of each slot of a stage, in order."""
        slots: dict[str, list[Visit]] = {}
        for visit in sorted(self.all, key=lambda visit: visit.begin_s):
            if visit.stage is stage:
                slots.setdefault(visit.slot, []).append(visit)
        return list(slots.values())


class Pipeline:
    """A broker and the services, for one trace; the stages of the trace are those of `Stage`, in order."""

    def __init__(self, server: EmbeddedNats, folder: Path, trace: Trace) -> None:
        self._server = server
        self._folder = folder
        self._trace = trace
        self._times = dict(zip(Stage, trace.stages, strict=True))

    def run(self, mode: Mode) -> Visits:
        """Submit all videos, start the clock and the workers, and return when the last video is indexed."""
        with self._buses() as buses:
            for number in range(self._trace.videos):
                message = VideoRequested(video_id=f"video{number:06}", source=SOURCE)
                buses[Service.DOWNLOADER].publish(REQUESTED, encode(message), f"{REQUESTED}:{message.job}")
            visits = Visits()
            counted = {service: CountedBus(bus, visits.calls) for service, bus in buses.items()}
            workers = self._start(mode, visits, counted)
            try:
                visits.wait(Stage.EMBEDDER, self._trace.videos)
            finally:
                for worker in workers:
                    worker.stop()
                for worker in workers:
                    worker.drain(time.monotonic() + GRACE_S)
        return visits

    @contextmanager
    def _buses(self) -> Iterator[dict[Service, NatsBus]]:
        """Give a connection for each service, to a broker whose streams are new and empty."""
        wanted = topology(
            ack_wait_s=ACK_WAIT_S,
            check_limit=self._times[Stage.CHECK].slots,
            download_limit=self._times[Stage.DOWNLOAD].slots,
            work_bytes=64 << 20,
        )
        with ExitStack() as opened:
            buses = {service: self._connect(service, opened) for service in Service}
            buses[Service.DOWNLOADER].wipe(wanted)
            buses[Service.DOWNLOADER].provision(wanted)
            yield buses

    def _connect(self, service: str, opened: ExitStack) -> NatsBus:
        options = BusOptions(
            url=self._server.url,
            name=f"{service}.bench",
            ack_wait_s=ACK_WAIT_S,
            user=NATS_USER,
            password=self._server.password,
        )
        bus = NatsBus(options).connect()
        opened.callback(bus.close)
        return bus

    def _start(self, mode: Mode, visits: Visits, buses: dict[Service, CountedBus]) -> list[Worker[Any]]:
        if mode is Mode.SINGLE_PHASE:
            slots = self._trace.stages[self._trace.bottleneck].slots
            return [self._worker(Stage.CHECK, slots, self._all_in_one(visits), buses)]
        workers = []
        for stage in Stage:
            workers.append(self._worker(stage, self._times[stage].slots, self._stand_in(stage, visits), buses))
            if mode is Mode.BARRIER:
                visits.wait(stage, self._trace.videos)
        return workers

    def _worker(self, stage: Stage, slots: int, handle: Handle, buses: dict[Service, CountedBus]) -> Worker[Any]:
        service = SPEC_OF[stage].service
        worker = Worker(
            StageWork(SPEC_OF[stage], handle, lambda _: LIMIT_S, slots),
            buses[service],
            CrashJournal(self._folder, f"{service}-{stage}"),
            WorkerOptions("bench", GRACE_S),
        )
        worker.start()
        return worker

    def _stand_in(self, stage: Stage, visits: Visits) -> Handle:
        def handle(message: VideoMessage, _report: Report) -> StageResult:
            visits.spend(stage, self._times[stage].times_s[_number(message)])
            return done(stage, message)

        return handle

    def _all_in_one(self, visits: Visits) -> Handle:
        def handle(message: VideoMessage, _report: Report) -> StageResult:
            for stage in Stage:
                visits.spend(stage, self._times[stage].times_s[_number(message)])
            return done(Stage.EMBEDDER, message)

        return handle


def run_in_process(trace: Trace) -> Visits:
    """Run the same stand-ins with the same slots, but with plain queues between threads: what a free bus would give."""
    lines: list[SimpleQueue[int | None]] = [SimpleQueue() for _ in (*Stage, "done")]
    for number in range(trace.videos):
        lines[0].put(number)
    visits = Visits()

    def slot(stage: Stage, times: StageTimes, source: SimpleQueue[int | None], target: SimpleQueue[int | None]) -> None:
        while (number := source.get()) is not None:
            visits.spend(stage, times.times_s[number])
            target.put(number)

    for stage, times, source, target in zip(Stage, trace.stages, lines[:-1], lines[1:], strict=True):
        for number in range(times.slots):
            name = f"{stage}-{number}"
            threading.Thread(target=slot, args=(stage, times, source, target), name=name, daemon=True).start()
    visits.wait(Stage.EMBEDDER, trace.videos)
    for times, source in zip(trace.stages, lines[:-1], strict=True):
        for _ in range(times.slots):
            source.put(None)
    return visits


def _number(message: VideoMessage) -> int:
    return int(message.video_id.removeprefix("video"))


def done(stage: Stage, message: VideoMessage) -> StageResult:
    """Return the result of a stage, with a stand-in for each file of its message."""
    following = SPEC_OF[stage].publishes
    if following is None:
        return StageResult(None, kind=EventKind.INDEXED)
    files = {name: ARTIFACT for name, field_info in following.model_fields.items() if field_info.annotation is Artifact}
    return StageResult(message.next(following, **files))
