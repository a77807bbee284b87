"""A whole pipeline of real processes, and a driver that can harm the workers. `servers` harms the servers."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.cli.local.nats_server import NATS_USER
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.settings import EmbedderSettings
from ingest.shared.broker.bus import BusError
from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.broker.requests import publish
from ingest.shared.broker.topology import EVENT_STREAM
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import Event, Source, SourceKind, VideoRequested, decode
from ingest.shared.pipeline import Service
from ingest.shared.settings import as_environment, load
from ingest.shared.video_state import SETTLED
from tests.faults import points
from tests.faults.homes import HomeName
from tests.faults.needs import CannotPlayError, Needs, own_clock
from tests.faults.servers import Servers
from tests.support import disks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.artifacts.volume import Volume

SERVICES = tuple(Service)
REPLICAS = 2
ACK_WAIT_S = 3.0
GRACE_S = 2.0
PATIENCE_S = 30.0
POLL_S = 0.1
LIMIT_S = 300.0
DEADLINE_S = 4.0  # of a stage
REMOTE_DEADLINE_S = 120.0  # where a call to the home of the volume may take a minute until it ends by itself
DISK_BYTES = {  # the broker lets its streams grow to three quarters of its disk
    "nats": 4 << 30,
    "postgres": 4 << 30,
    "volume": 32 << 20,
}
SOURCE = Source(kind=SourceKind.MEDIA, url="https://example.org/a.mp3?sig=SIGNATURE")


@dataclass
class Worker:
    """A worker process, restarted when it ends (as a cluster does)."""

    name: str
    service: str
    process: subprocess.Popen[bytes]
    statuses: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class Fleet:
    """The servers, two replicas of each service, and the driver's actions. Use from the main thread only."""

    def __init__(self, folder: Path, needs: Needs, home: HomeName = HomeName.FOLDER) -> None:
        self.folder = folder
        self.home = home
        self.disk = folder / "volume"  # the volume, or the disks of all machines
        self._clock = own_clock(folder) if needs.own_clock else {}
        self.faults = folder / "faults"
        self.logs = folder / "logs"
        for path in (self.faults, self.logs):
            path.mkdir(parents=True)
        self.servers = Servers(folder, home)
        self.settings = self._settings(proxied=False)
        self._workers_settings = self._settings(proxied=needs.proxied)
        self.volume: Volume = volume_of(self.settings)
        self.without_files = set[str]()  # videos whose files went with the broker
        self.archive = self._archive()
        self.topology = bus_topology(self.settings)
        self.bus = connect(self.settings, "driver")
        self.bus.provision(self.topology)
        self._work_s = needs.work_s
        is_short = needs.stuck or home is HomeName.FOLDER
        self._deadline_s = DEADLINE_S if is_short else REMOTE_DEADLINE_S
        self._numbers = itertools.count()
        self._events: list[Event] = []
        self._last_event = 0
        self.generations: dict[str, int] = {}
        self.workers = [self._worker(service, number) for service in SERVICES for number in range(REPLICAS)]

    def _settings(self, *, proxied: bool) -> EmbedderSettings:
        return load(
            EmbedderSettings,
            **self.servers.addresses(proxied=proxied),
            nats_user=NATS_USER,
            nats_password=self.servers.nats.password,
            volume_path=self.machine("driver"),
            ack_wait_s=ACK_WAIT_S,
            bus_patience_s=PATIENCE_S,
            grace_s=GRACE_S,
            retry_first_s=0.2,
            retry_longest_s=1.0,
            postponed_s=0.5,
            database_timeout_s=5.0,
            log_format="json",
        )

    def machine(self, name: str) -> Path:
        """Return the folder of the volume, as a worker has it: only the home `folder` is shared."""
        return self.disk if self.home is HomeName.FOLDER else self.disk / name

    def _worker(self, service: str, number: int) -> Worker:
        name = f"{service}-{number}"
        return Worker(name, service, self._spawn(name, service))

    def _archive(self) -> Database:
        assert self.settings.database_url is not None
        archive = Database(self.settings.database_url, password=None, size=3, timeout_s=20.0, name="driver").open()
        migrate(archive)
        return archive

    def _spawn(self, name: str, service: str) -> subprocess.Popen[bytes]:
        others = {key: value for key, value in os.environ.items() if not key.startswith("INGEST_")}
        environment = {
            **others,
            **as_environment(self._workers_settings),
            "INGEST_WORKER_NAME": name,
            "INGEST_VOLUME_PATH": str(self.machine(name)),
            points.DEADLINE: str(self._deadline_s),
            points.FOLDER: str(self.faults),
            "INGEST_FAULT_WORK_S": str(self._work_s),
            **self._clock,
        }
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.services", service], env=environment, stdout=log, stderr=log
            )

    # -- submissions and results --------------------------------------------------------------------------------------

    def submit(self, count: int, prefix: str = "") -> list[str]:
        """Submit new videos; return their ids."""
        ids = self.new_ids(count, prefix)
        for video_id in ids:
            self.ask(video_id)
        return ids

    def new_ids(self, count: int, prefix: str = "") -> list[str]:
        """Return ids that no video has."""
        return [f"{prefix}{next(self._numbers):0{11 - len(prefix)}}" for _ in range(count)]

    def ask(self, video_id: str, generation: int = 1, *, force: bool = False) -> None:
        """Submit a run of a video."""
        fresh_from = generation if force else 0
        publish(
            self.bus, VideoRequested(video_id=video_id, generation=generation, source=SOURCE, fresh_from=fresh_from)
        )
        self.generations[video_id] = max(generation, self.generations.get(video_id, 0))

    def states(self, ids: list[str]) -> dict[str, tuple[str, int, str | None]]:
        """Return (state, generation, code) of videos in the table."""
        query = "SELECT video_id, state, generation, error_code FROM videos WHERE video_id = ANY(%s)"
        with self.archive.transaction() as connection:
            rows = connection.execute(query, (ids,)).fetchall()
        return {str(row[0]): (str(row[1]), int(str(row[2])), str(row[3]) if row[3] else None) for row in rows}

    def events(self) -> list[Event]:
        """Return all events so far; only those after the last call are read."""
        while (found := self.bus.after(EVENT_STREAM, "ingest.event.*", self._last_event)) is not None:
            self._last_event, data = found
            self._events.append(decode(Event, data))
        return self._events

    def forget_place(self) -> None:
        """Read events from the start again: the broker has lost them, and restarts its sequence."""
        self._last_event = 0

    def wait(self, ids: list[str], limit_s: float = LIMIT_S) -> float:
        """Wait until videos have ended, restarting workers; return how long it took."""

        def settled() -> bool:
            try:
                found = self.states(ids)
            except Exception:  # noqa: BLE001 (the database may be the part that is harmed)
                return False
            return len(found) == len(ids) and all(
                state in SETTLED and generation >= self.generations[video_id]
                for video_id, (state, generation, _) in found.items()
            )

        return self.until(settled, limit_s, "videos do not end")

    def until(
        self, condition: Callable[[], bool], limit_s: float = LIMIT_S, what: str = "a condition is not met"
    ) -> float:
        """Wait for a condition, restarting workers; return how long it took."""
        began = time.monotonic()
        while not condition():
            self.watch()
            if time.monotonic() - began > limit_s:
                raise TimeoutError(f"{what} within {limit_s:.0f} s")
            time.sleep(POLL_S)
        return time.monotonic() - began

    # -- workers ------------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Restart each worker that has ended."""
        for worker in self.workers:
            status = worker.process.poll()
            if status is not None:
                worker.statuses.append(status)
                worker.process = self._spawn(worker.name, worker.service)
                worker.began = time.monotonic()

    def of(self, service: str) -> list[Worker]:
        """Return the workers of a service."""
        return [worker for worker in self.workers if worker.service == service]

    @property
    def ended(self) -> int:
        """Return how many workers have ended so far."""
        self.watch()
        return sum(len(worker.statuses) for worker in self.workers)

    def send(self, number: signal.Signals, service: str | None = None) -> None:
        """Send a signal to the workers (of a service)."""
        for worker in self.workers:
            if service in (None, worker.service):
                worker.process.send_signal(number)

    def arm(self, point: str, action: str = "kill") -> None:
        """Arm a fault at a point."""
        (self.faults / f"{point}.done").unlink(missing_ok=True)
        temporary = self.folder / f"arm-{point}"
        temporary.write_text(action)
        temporary.rename(self.faults / point)

    def disarm(self, point: str) -> bool:
        """Disarm a fault; return whether it had happened."""
        (self.faults / point).unlink(missing_ok=True)
        return (self.faults / f"{point}.done").exists()

    def happened_at(self, point: str) -> float | None:
        """Return when a fault happened (seconds since 1970), or None."""
        return points.happened_at(self.faults / f"{point}.done")

    def put_clock(self, offset_s: int) -> None:
        """Set the workers' clock to this offset from the true time."""
        temporary = self.folder / "clock.new"
        temporary.write_text(f"{offset_s}\n")
        temporary.rename(self.folder / "clock")

    def let_pass(self, seconds: float) -> None:
        """Let time pass, restarting workers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.watch()
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.kill()
            worker.process.wait()
        with contextlib.suppress(BusError):
            self.bus.close()
        self.archive.close()
        self.servers.stop()


@contextlib.contextmanager
def running(folder: Path, needs: Needs, home: HomeName = HomeName.FOLDER) -> Iterator[Fleet]:
    """Provide a fleet for the block; raise CannotPlayError where the machine cannot meet the needs."""
    with contextlib.ExitStack() as stack:
        if needs.small_disk:
            try:
                disk = disks.small_disk(folder / needs.small_disk, f"{DISK_BYTES[needs.small_disk]}")
                stack.enter_context(disk)
            except disks.NoRightToMountError as error:
                raise CannotPlayError(f"no right to mount a small disk: {error}") from error
        fleet = Fleet(folder, needs, home)
        stack.callback(fleet.stop)
        yield fleet
