"""Load on the page and the API: clients that ask and read, beside idle connections and a slow client.

The server is the real one, `python -m ingest.archive`, in a process of its own on loopback, with the bundled text
model and an embedded Postgres. Its archive is that of `bench.scale`: real sentences, simulated vectors of the passages.
Each question is new. At the end the database is stopped, and started again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from pydantic import SecretStr

from bench import report
from bench.scale import TIMEOUT_S, grow
from bench.scale_rows import IN_A_VIDEO, VOCABULARY, Archive
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.demo import samples
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.text_model import light_encoder
from ingest.shared.settings import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Self

HOST = "127.0.0.1"
START_S = 120.0
ANSWER_S = 60.0
SAMPLE_S = 0.5  # between two looks at the memory of the server
SLOW_PAUSE_S = 1.0  # between two bytes that the slow client reads
QUESTION = "/api/v1/search?q="


@dataclass(frozen=True)
class Figures:
    """What clients saw in one run. Times are in seconds.

    Memory is that of the server: before, in the first and in the last quarter of the run, and after it. `slow_bytes` is
    what the slow client has read.
    """

    name: str
    requests: int
    errors: int
    requests_per_s: float
    p50_s: float
    p95_s: float
    server_cpu_s: float
    memory_before_bytes: int
    memory_first_bytes: int
    memory_last_bytes: int
    memory_after_bytes: int
    slow_bytes: int | None


@dataclass(frozen=True)
class Outage:
    """What a client got while the database was stopped, and how long after its start it got answers again."""

    status: int
    back_s: float


@dataclass(frozen=True)
class Server:
    """A running server: its process, and its port."""

    process: int
    port: int

    def status(self, path: str) -> int:
        """Return the status of an answer; 0 without one."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return 0
            return answer.status

    def is_well(self, path: str) -> bool:
        """Return whether a request is answered."""
        return self.status(path) == http.client.OK

    @property
    def memory_bytes(self) -> int:
        """Return the memory that the process shares with no other."""
        lines = Path(f"/proc/{self.process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private"))

    @property
    def cpu_s(self) -> float:
        """Return the processor time that the process has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(url: str, passages: int, seed: int) -> None:
    """Let the archive grow to this size, with its vector index."""
    with Database(SecretStr(url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open() as database:
        migrate(database)
    content_id = light_encoder.load(load(EmbedderSettings)).content_id
    with Database(SecretStr(url), password=None, size=2, timeout_s=TIMEOUT_S, name="bench").open() as database:
        with database.transaction() as connection:
            (have,) = connection.execute("SELECT count(*) FROM videos").fetchone() or (0,)
        grow(database, Archive(seed + int(str(have))), int(str(have)), -(-passages // IN_A_VIDEO))
        with database.transaction() as connection:
            connection.execute("UPDATE models SET content_id = %s", (content_id,))
            connection.execute("UPDATE videos SET state = 'indexed' WHERE state <> 'indexed'")
        build_index(database)
        with database.session() as connection:
            connection.execute("VACUUM ANALYZE")  # as autovacuum does


@contextmanager
def server(url: str, folder: Path) -> Iterator[Server]:
    """Run the server; give it when it answers questions."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    own = {"DATABASE_URL": url, "VOLUME_PATH": str(folder), "ARCHIVE_PORT": str(port), "LOG_LEVEL": "ERROR"}
    environment = {**os.environ, **{f"INGEST_{name}": value for name, value in own.items()}}
    process = subprocess.Popen([sys.executable, "-m", "ingest.archive"], env=environment)
    running = Server(process.pid, port)
    try:
        began = monotonic()
        while not running.is_well(f"{QUESTION}ship"):
            if process.poll() is not None or monotonic() - began > START_S:
                raise SystemExit("the server does not start")
            sleep(0.2)
        yield running
    finally:
        process.terminate()
        process.wait()


class Clients:
    """Ask new questions until the time is over; with `pages`, one request in four is for a page or a transcript."""

    def __init__(self, asked: Server, seed: int, *, pages: bool) -> None:
        self._server, self._pages = asked, pages
        self._draw = random.Random(seed)
        self._sentences = [sentence.text.split() for sample in samples() for sentence in sample.sentences]
        self.took_s: list[float] = []
        self.errors = 0

    def run(self, count: int, seconds: float, pause_s: float) -> None:
        """Let `count` clients ask; each reads for about `pause_s` before it asks again."""
        until = monotonic() + seconds
        threads = [threading.Thread(target=self._ask, args=(until, pause_s)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, until: float, pause_s: float) -> None:
        while True:
            sleep(self._draw.uniform(0, 2 * pause_s))
            if (began := monotonic()) >= until:
                return
            if not self._server.is_well(self._path()):
                self.errors += 1
            self.took_s.append(monotonic() - began)

    def _path(self) -> str:
        if self._pages and self._draw.random() < 1 / 4:
            video_id = f"s{self._draw.randrange(100):010}"
            pages = ("/recordings", f"/recordings/{video_id}", f"/api/v1/recordings/{video_id}/transcript")
            return self._draw.choice((*pages, "/?q=" + self._question()))
        return QUESTION + self._question()

    def _question(self) -> str:
        words = self._draw.sample(self._draw.choice(self._sentences), 3)
        return quote(" ".join((*words, f"word{self._draw.randrange(VOCABULARY)}")))


class Memory:
    """Looks at the memory of a server until it is stopped."""

    def __init__(self, asked: Server) -> None:
        self._server = asked
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._found: list[int] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._done.set()
        self._thread.join()

    @property
    def quarters(self) -> tuple[int, int]:
        """Return the means of the first and of the last quarter."""
        part = max(1, len(self._found) // 4)
        return round(float(np.mean(self._found[:part]))), round(float(np.mean(self._found[-part:])))

    def _run(self) -> None:
        self._found.append(self._server.memory_bytes)
        while not self._done.wait(SAMPLE_S):
            self._found.append(self._server.memory_bytes)


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[list[int]]:
    """Hold connections that send the beginning of a request, and one client that reads a byte a second.

    Give what that client has read: the sizes of its parts.
    """
    done = threading.Event()
    got: list[int] = []
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(socket.create_connection((HOST, port))).sendall(b"GET / HTTP/1.1\r\n")
        slow = held.enter_context(socket.create_connection((HOST, port)))
        slow.sendall(f"GET /static/app.css HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())

        def read() -> None:
            with contextlib.suppress(OSError):
                while not done.wait(SLOW_PAUSE_S):
                    got.append(len(slow.recv(1)))

        reading = threading.Thread(target=read)
        reading.start()
        yield got
        done.set()
        reading.join()


def outage(postgres: EmbeddedPostgres, asked: Server) -> Outage:
    """Stop the database and start it again."""
    postgres.process.send_signal(signal.SIGINT)
    postgres.process.wait()
    status = asked.status(f"{QUESTION}ship")
    postgres.restart()
    began = monotonic()
    while not asked.is_well(f"{QUESTION}ship") and monotonic() - began < START_S:
        sleep(0.1)
    return Outage(status, monotonic() - began)


def measure(options: argparse.Namespace, folder: Path, postgres: EmbeddedPostgres) -> tuple[list[Figures], Outage]:
    """Return the figures of one client without pauses, of many that read, and of those beside idle connections."""
    fill(postgres.url, options.passages, options.seed)
    many = f"{options.clients} clients"
    runs = [("1 client", 1, 0.0, 0), (many, options.clients, options.pause, 0)]
    runs.append((f"{many}, {options.idle} idle", options.clients, options.pause, options.idle))
    measured = []
    with server(postgres.url, folder) as asked:
        for number, (name, count, pause_s, idle) in enumerate(runs):
            clients = Clients(asked, options.seed + number, pages=count > 1)
            before, cpu_s = asked.memory_bytes, asked.cpu_s
            with idle_connections(asked.port, idle) as got, Memory(asked) as memory:
                clients.run(count, options.seconds, pause_s)
            took = len(clients.took_s)
            p50, p95 = (float(np.percentile(clients.took_s, share)) for share in (50, 95))
            figures = (took, clients.errors, took / options.seconds, p50, p95, asked.cpu_s - cpu_s)
            slow_bytes = sum(got) if idle else None
            measured.append(Figures(name, *figures, before, *memory.quarters, asked.memory_bytes, slow_bytes))
        return measured, outage(postgres, asked)


def show(options: argparse.Namespace, measured: list[Figures], gone: Outage) -> None:
    """Print a column for each run."""
    report.print_machine()
    lines = [
        ("requests, errors", [f"{one.requests}, {one.errors}" for one in measured]),
        ("requests/s", [f"{one.requests_per_s:.1f}" for one in measured]),
        ("p50, p95", [f"{one.p50_s * 1000:.0f}, {one.p95_s * 1000:.0f} ms" for one in measured]),
        (
            "processor time of the server, a request",
            [f"{one.server_cpu_s / one.requests * 1000:.0f} ms" for one in measured],
        ),
        ("memory of the server: before, after", [_memory(one) for one in measured]),
        ("in the first, the last quarter", [_quarters(one) for one in measured]),
        ("bytes that the slow client got", ["" if one.slow_bytes is None else f"{one.slow_bytes}" for one in measured]),
    ]
    report.print_table(("", *(one.name for one in measured)), [(name, *cells) for name, cells in lines])
    print(f"\n{options.passages} passages, vectors simulated; a client of {options.clients} reads {options.pause:g} s")
    print(f"database stopped: status {gone.status}; answers again {gone.back_s:.1f} s after its start")


def _memory(one: Figures) -> str:
    return f"{one.memory_before_bytes / 1e6:.0f}, {one.memory_after_bytes / 1e6:.0f} MB"


def _quarters(one: Figures) -> str:
    return f"{one.memory_first_bytes / 1e6:.0f}, {one.memory_last_bytes / 1e6:.0f} MB"


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.archive_load", __doc__)
    parser.add_argument("--passages", type=report.positive, default=10_000, help="in the archive (default %(default)s)")
    parser.add_argument("--clients", type=report.positive, default=50, help="at the same time (default %(default)s)")
    parser.add_argument("--pause", type=float, default=10.0, help="seconds to read an answer (default %(default)s)")
    parser.add_argument("--idle", type=report.positive, default=500, help="idle connections (default %(default)s)")
    parser.add_argument("--seconds", type=report.positive, default=30, help="of each run (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="keeps the archive, for the next time (default: a temporary one)")
    options = parser.parse_args()
    report.quiet()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            measured, gone = measure(options, folder, postgres)
        finally:
            postgres.stop()
    if options.json:
        report.print_json({"runs": [asdict(one) for one in measured], "outage": asdict(gone)})
    else:
        show(options, measured, gone)


if __name__ == "__main__":
    main()
