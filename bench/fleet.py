"""A fleet's worth of messages: submission, the four stages, the ledger; their pace, memory, and what the broker stores.

nats-server, Postgres, `ingest submit`, the services with their loops and messages, and the ledger are real. The listing
of the channel is made up, and the work on a message is a pause of `--work-ms`. Each service has `--pods` processes,
which share its slots. Each size is a round: half of it is submitted, the submission is interrupted and made again, then
the services start.

With a queue that is too small for a round (`--queue-mb`), the services run meanwhile, and make room.

The lower bound of a round is the larger of two times: that of the pauses in the slots of the stage with the fewest, and
the processor time of all processes over the cores.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import SecretStr

from bench import processes, report
from bench.fleet_services import slots_of
from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.requests import MAX_QUEUE_FILL
from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, LEDGER, WORK_STREAM, topology
from ingest.shared.messages import Stage
from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    import argparse
    import subprocess
    from collections.abc import Callable, Sequence

ACK_WAIT_S = 60.0
REQUEST_BYTES = 500  # of a request in the queue, about
LOOK_S = 0.5
REST_S = 20.0  # after which NATS has given back what it holds of the blocks that it has written
LIMIT_S = 4 * 3600.0
LOST_S = 2 * ACK_WAIT_S  # without a message in any queue
INDEXED = "SELECT count(*) FROM videos WHERE state = 'indexed'"


@dataclass(frozen=True)
class Submission:
    """A submission: requests, how many are in the queue after its interruption, pace, and memory at most."""

    requested: int
    before_interrupt: int
    per_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Figures:
    """What a round has shown. Paces are messages per second; memory is what belongs to a process alone."""

    messages: int
    submission: Submission
    folded_per_s: float | None  # events, by a ledger that has nothing beside it
    makespan_s: float
    bound_work_s: float
    bound_cpu_s: float
    stage_per_s: dict[str, float]
    lost: int
    doubled: int
    memory: dict[str, int]  # the largest process of a service
    cpu_ms: dict[str, float]  # of a message through all stages
    queued_bytes: int
    stored_bytes: int
    rest_bytes: int  # memory of NATS after a rest

    @property
    def efficiency(self) -> float:
        """Return the lower bound over what it took."""
        return max(self.bound_work_s, self.bound_cpu_s) / self.makespan_s


@dataclass(frozen=True)
class StageFigures:
    """What the processes of a stage have done: when they began and ended, visits, and different videos."""

    began: float
    ended: float
    total: int
    distinct: int


class Fleet:
    """The servers, and what is needed to start processes that use them."""

    def __init__(self, folder: Path, opened: ExitStack, options: argparse.Namespace) -> None:
        self._folder, self._options = folder, options
        self._nats = EmbeddedNats(folder / "nats")
        opened.callback(self._nats.stop)
        self._postgres = EmbeddedPostgres(folder / "postgres")
        opened.callback(self._postgres.stop)
        secret = SecretStr(self._postgres.url)
        with Database(secret, password=None, size=2, timeout_s=60.0, name="bench").open() as first:
            migrate(first)
        self._database = Database(secret, password=None, size=2, timeout_s=60.0, name="bench").open()
        opened.callback(self._database.close)
        bus = BusOptions(
            self._nats.url, "bench.fleet", ack_wait_s=ACK_WAIT_S, user=NATS_USER, password=self._nats.password
        )
        self._bus = NatsBus(bus).connect()
        opened.callback(self._bus.close)
        self._queue_bytes = options.queue_mb << 20
        wanted = topology(ack_wait_s=ACK_WAIT_S, check_limit=20, download_limit=12, work_bytes=self._queue_bytes)
        self._bus.provision(wanted)

    def round(self, number: int, messages: int) -> Figures:
        """Submit messages, let the services work on them, and return the figures."""
        before = self._indexed()
        is_together = messages * REQUEST_BYTES > MAX_QUEUE_FILL * self._queue_bytes
        folded_per_s = None
        with ExitStack() as running:
            if not is_together:
                submission, folded_per_s = self._submit(number, messages), self._folded_per_s()
                queued_bytes = processes.folder_bytes(self._folder / "nats")
            used = self._cpu_s({})
            services = self._start(running, number, messages)
            began = monotonic()
            if is_together:
                submission = self._submit(number, messages)
                queued_bytes = processes.folder_bytes(self._folder / "nats")
            self._await_end(before + messages)
            makespan_s = monotonic() - began
            memory = self._memory(services)
            cpu_s = {name: spent - used.get(name, 0.0) for name, spent in self._cpu_s(services).items()}
        visits = self._visits(number)
        pauses = messages * self._options.work_ms / 1000
        return Figures(
            messages=messages,
            submission=submission,
            folded_per_s=folded_per_s,
            makespan_s=makespan_s,
            bound_work_s=pauses / min(map(slots_of, Stage)),
            bound_cpu_s=sum(cpu_s.values()) / (os.cpu_count() or 1),
            stage_per_s={stage: one.total / (one.ended - one.began) for stage, one in visits.items()},
            lost=max(0, messages - self._indexed() + before)
            + sum(messages - one.distinct for one in visits.values())
            + self._bus.stored(DEAD_STREAM),
            doubled=sum(one.total - one.distinct for one in visits.values()),
            memory=memory,
            cpu_ms={name: spent * 1000 / messages for name, spent in cpu_s.items()},
            queued_bytes=queued_bytes,
            stored_bytes=processes.folder_bytes(self._folder / "nats"),
            rest_bytes=self._rested_bytes(),
        )

    def _rested_bytes(self) -> int:
        """Return the memory of NATS after a rest."""
        sleep(REST_S)
        return processes.own_bytes([self._nats.process.pid])

    def _submit(self, number: int, messages: int) -> Submission:
        """Submit a round; interrupt the submission at its half and make it again."""
        start = self._sequence()
        began = monotonic()
        command = [sys.executable, "-m", "bench.fleet_submit", str(number), str(messages)]
        with processes.answering(command, self._environment("submit")) as first:
            self._await(lambda: self._sequence() - start >= messages // 2 or first.poll() is not None)
            first.send_signal(signal.SIGINT)
            interrupted = processes.answer(first)
        with processes.answering(command, self._environment("submit")) as second:
            rest = processes.answer(second)
        requested = interrupted["requested"] + rest["requested"]
        peak_bytes = max(interrupted["peak_bytes"], rest["peak_bytes"])
        return Submission(requested, interrupted["requested"], messages / (monotonic() - began), peak_bytes)

    def _folded_per_s(self) -> float:
        """Let a ledger fold all events that are there, and return how many it does in a second."""
        waiting = self._bus.lag(LEDGER, EVENT_STREAM).waiting
        began = monotonic()
        Ledger(self._bus, self._database).catch_up()
        return waiting / (monotonic() - began)

    def _start(self, running: ExitStack, number: int, messages: int) -> dict[str, list[subprocess.Popen[bytes]]]:
        services: dict[str, list[subprocess.Popen[bytes]]] = {}
        for service in Service:
            for pod in range(self._options.pods):
                given = (service, self._options.pods, messages, self._options.work_ms / 1000)
                command = [sys.executable, "-m", "bench.fleet_services", *map(str, given)]
                command += [str(self._file(service, number, pod))]
                environment = self._environment(f"{service}-{number}-{pod}")
                services.setdefault(service, []).append(running.enter_context(processes.running(command, environment)))
        return services

    def _file(self, service: Service, number: int, pod: int) -> Path:
        return self._folder / f"{service}-{number}-{pod}.json"

    def _visits(self, number: int) -> dict[str, StageFigures]:
        """Return what the stages have done, by stage."""
        files = [self._file(service, number, pod) for service in Service for pod in range(self._options.pods)]
        noted = [one for file in files for one in json.loads(file.read_text()).items()]
        return {stage: joined([one for name, one in noted if name == stage]) for stage, _ in noted}

    def _memory(self, services: dict[str, list[subprocess.Popen[bytes]]]) -> dict[str, int]:
        pods = {name: max(processes.own_bytes([one.pid]) for one in each) for name, each in services.items()}
        return pods | {name: processes.own_bytes(pids) for name, pids in self._processes({}).items()}

    def _environment(self, worker: str) -> dict[str, str]:
        values = {
            "NATS_URL": self._nats.url,
            "NATS_USER": NATS_USER,
            "NATS_PASSWORD": self._nats.password,
            "DATABASE_URL": self._postgres.url,
            "VOLUME_PATH": str(self._folder / "volume"),
            "STATE_PATH": str(self._folder / "state"),
            "QUEUE_BYTES": str(self._queue_bytes),
            "WORKER_NAME": worker,
            "GRACE_S": "10",
        }
        return {**os.environ, **{f"INGEST_{name}": value for name, value in values.items()}}

    def _processes(self, services: dict[str, list[subprocess.Popen[bytes]]]) -> dict[str, list[int]]:
        return {
            **{name: [one.pid for one in each] for name, each in services.items()},
            "nats-server": [self._nats.process.pid],
            "postgres": processes.family(self._postgres.process.pid),
        }

    def _cpu_s(self, services: dict[str, list[subprocess.Popen[bytes]]]) -> dict[str, float]:
        return {name: processes.cpu_s(pids) for name, pids in self._processes(services).items()}

    def _sequence(self) -> int:
        return self._bus.position(EVENT_STREAM)[1]

    def _indexed(self) -> int:
        with self._database.transaction() as connection:
            (count,) = connection.execute(INDEXED).fetchone() or (0,)
        return int(str(count))

    def _waiting(self) -> int:
        return self._bus.stored(WORK_STREAM) + self._bus.lag(LEDGER, EVENT_STREAM).waiting

    def _await_end(self, wanted: int) -> None:
        """Wait until so many videos are indexed, or until all queues have been empty for a time: the rest is lost."""
        at_work = monotonic()

        def is_over() -> bool:
            nonlocal at_work
            if self._waiting():
                at_work = monotonic()
                return False
            return self._indexed() >= wanted or monotonic() - at_work > LOST_S

        self._await(is_over)

    def _await(self, is_done: Callable[[], bool]) -> None:
        deadline = monotonic() + LIMIT_S
        while not is_done():
            if monotonic() > deadline:
                raise TimeoutError(f"{self._indexed()} videos are indexed after {LIMIT_S:.0f} s")
            sleep(LOOK_S)


def joined(noted: Sequence[dict[str, Any]]) -> StageFigures:
    """Return what the processes of a stage have done together."""
    worked = [one for one in noted if one["began"]]
    counts = np.sum([np.frombuffer(bytes.fromhex(one["seen"]), np.uint8).astype(int) for one in noted], axis=0)
    began, ended = min(one["began"] for one in worked), max(one["ended"] for one in worked)
    return StageFigures(began, ended, int(counts.sum()), int(np.count_nonzero(counts)))


def show(rounds: Sequence[Figures]) -> None:
    """Print a column for each round."""
    report.print_machine()
    lines: list[tuple[str, Callable[[Figures], str]]] = [
        ("submitted, recordings/s", lambda one: f"{one.submission.per_s:.0f}"),
        ("in the queue when it was interrupted", lambda one: f"{one.submission.before_interrupt}"),
        ("memory of the submission at most", lambda one: f"{one.submission.peak_bytes / 1e6:.0f} MB"),
        ("events folded alone, /s", lambda one: "-" if one.folded_per_s is None else f"{one.folded_per_s:.0f}"),
        ("worked through in", lambda one: f"{one.makespan_s:.1f} s"),
        ("bound by the pauses", lambda one: f"{one.bound_work_s:.1f} s"),
        ("bound by the processors", lambda one: f"{one.bound_cpu_s:.1f} s"),
        ("efficiency", lambda one: f"{one.efficiency:.3f}"),
        *((f"{stage}, messages/s", lambda one, stage=stage: f"{one.stage_per_s[stage]:.0f}") for stage in Stage),
        ("lost, doubled", lambda one: f"{one.lost}, {one.doubled}"),
        *(
            (f"{name}: memory, CPU of a message", lambda one, name=name: _process(one, name))
            for name in (*map(str, Service), "nats-server", "postgres")
        ),
        (f"nats-server after {REST_S:.0f} s of rest: memory", lambda one: f"{one.rest_bytes / 1e6:.0f} MB"),
        ("stored by NATS when all was submitted", lambda one: f"{one.queued_bytes / 1e6:.0f} MB"),
        ("stored by NATS at the end", lambda one: f"{one.stored_bytes / 1e6:.0f} MB"),
    ]
    rows = [(name, *(cell(one) for one in rounds)) for name, cell in lines]
    report.print_table(("messages", *(str(one.messages) for one in rounds)), rows)


def _process(one: Figures, name: str) -> str:
    return f"{one.memory[name] / 1e6:.0f} MB, {one.cpu_ms[name]:.1f} ms"


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.fleet", __doc__)
    parser.add_argument(
        "--messages", type=report.sizes, default="1k,10k", help="rounds, as 1k,10k,100k (default %(default)s)"
    )
    parser.add_argument("--work-ms", type=float, default=10.0, help="work on a message (default %(default)s)")
    parser.add_argument(
        "--pods", type=report.positive, default=2, help="processes of each service (default %(default)s)"
    )
    parser.add_argument(
        "--queue-mb", type=report.positive, default=512, help="space of the queue (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where the temporary files are (default: that of the system)")
    options = parser.parse_args()
    report.quiet()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ingest-bench-", dir=options.folder)))
        fleet = Fleet(folder, opened, options)
        rounds = [fleet.round(number, messages) for number, messages in enumerate(options.messages)]
    if options.json:
        report.print_json([asdict(one) for one in rounds])
    else:
        show(rounds)


if __name__ == "__main__":
    main()
