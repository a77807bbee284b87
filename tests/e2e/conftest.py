"""A podcast of thirty short recordings on loopback, and the command line as a user runs it.

With E2E_VOLUME=s3 or jetstream (`make test-runs VOLUME=s3`), the volume of all tests is in such a home.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest

from ingest.cli.local.state_folder import open_state_folder
from ingest.cli.settings import AllSettings
from ingest.demo import ASR_MODEL, Sample, samples
from ingest.demo.feed import feed_xml
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, FloatArray, decode
from ingest.shared.settings import load
from tests.e2e.homes import home_settings
from tests.faults.homes import HomeName
from tests.support.http_servers import serving
from training.make_samples import write_opus

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = HomeName(os.environ.get("E2E_VOLUME", HomeName.FOLDER))
RECORDINGS = 30
SENTENCES = 2
LIMIT_S = 240
SOON = {"INGEST_ACK_WAIT_S": "15"}  # what a killed service had in work comes back
SIGNATURE = "c0ffee-signature"  # in the addresses, as a paid feed has them
READER = "reader:c0ffee-password"  # the same
NOWHERE = f"http://127.0.0.1:99999/a.ogg?sig={SIGNATURE}"  # an invalid address, which error messages quote in full
COOKIE = "c0ffee-cookie"
DATABASE_PASSWORD = "c0ffee-database"  # noqa: S105 (the server asks for none)
TOKEN = "c0ffee-token"  # noqa: S105 (of nothing)
SECRETS = (SIGNATURE, READER.partition(":")[2], COOKIE, DATABASE_PASSWORD, TOKEN)


@dataclass
class Podcast:
    """A feed, and the paths of the requested files."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    """Thirty recordings of two sentences each, cut from the bundled samples."""
    folder = tmp_path_factory.mktemp("recordings")
    made: list[Sample] = []
    for sample in samples():
        blocks: list[FloatArray] = []
        decode(sample.path, DecodeLimits(), blocks.append)
        audio = np.concatenate(blocks)
        starts = [sentence.start_s for sentence in sample.sentences] + [sample.duration_s]
        for part in range(RECORDINGS // len(samples())):
            first, last = part * SENTENCES, (part + 1) * SENTENCES
            begin, end = starts[first] - 0.1, starts[last] - 0.1
            file = f"{sample.file.removesuffix('.ogg')}-{part}.ogg"
            write_opus(audio[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)], folder / file)
            title = f"{sample.title}, part {part + 1}"
            made.append(Sample(file, title, sample.published, end - begin, sample.voice, sample.sentences[first:last]))
    return folder, made


@contextmanager
def served(folder: Path, made: list[Sample]) -> Iterator[Podcast]:
    """Serve recordings as a feed."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Basic {base64.b64encode(READER.encode()).decode()}":
                self.send_error(401)
                return
            if self.path.startswith("/feed.xml"):
                feed = feed_xml(made, f"http://{READER}@{self.headers['Host']}", folder)
                content = feed.replace('.ogg"', f'.ogg?sig={SIGNATURE}"').encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    with serving(server):
        yield Podcast(f"http://{READER}@127.0.0.1:{server.server_port}/feed.xml?token={SIGNATURE}", asked)


@pytest.fixture
def podcast(recordings: tuple[Path, list[Sample]]) -> Iterator[Podcast]:
    """The thirty recordings, served as a feed."""
    with served(*recordings) as feed:
        yield feed


@dataclass
class Ingest:
    """The command line on a state folder."""

    state: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return its process."""
        command = [sys.executable, "-m", "ingest.cli.app", *arguments, "--state", str(self.state)]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run a command to its end, check its exit status and return its output."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == status, f"{arguments}: {process.returncode}\n{out}\n{err}\n{self.logs()}"
        return out

    def json(self, *arguments: str, status: int = 0) -> Any:  # noqa: ANN401 (JSON of any command)
        """Run a command with --json and return its output."""
        return json.loads(self(*arguments, "--json", status=status))

    def rows(self) -> list[tuple[Any, ...]]:
        """Return every stored passage: video, number, times and text."""
        ack_wait_s = float(self.environment.get("INGEST_ACK_WAIT_S", "60"))  # else the consumers differ
        settings = load(AllSettings, state_path=self.state, ack_wait_s=ack_wait_s)
        with open_state_folder(settings, exclusive=True) as found:
            assert found.settings.database_url is not None
            with psycopg.connect(found.settings.database_url.get_secret_value()) as connection:
                query = "SELECT video_id, idx, start_s, end_s, text FROM segments ORDER BY video_id, idx"
                return connection.execute(query).fetchall()

    def processes(self) -> dict[str, int]:
        """Return the processes that work in the state folder: name and number."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(self.state) in " ".join(words) or f"INGEST_STATE_PATH={self.state}" in environment:
                found[f"{' '.join(words[:4])} ({entry.name})"] = int(entry.name)
        return found

    def kill(self, name: str) -> int:
        """Kill every process whose command line contains `name`, at once; return how many there were."""
        victims = [number for words, number in self.processes().items() if name in words]
        for number in victims:
            os.kill(number, signal.SIGKILL)
        return len(victims)

    def wait_for_event(self, log: str, event: str, limit_s: float = 90.0) -> None:
        """Wait until a service has logged an event."""
        path = self.state / "logs" / f"{log}.log"
        deadline = time.monotonic() + limit_s
        while not (path.exists() and f'"event": "{event}"' in path.read_text()):
            assert time.monotonic() < deadline, f"{log} did not log {event}: {self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        """Return the ends of the services' logs."""
        return "\n".join(path.read_text()[-2000:] for path in sorted((self.state / "logs").glob("*.log")))


@contextmanager
def command_line(folder: Path, home: HomeName = HOME) -> Iterator[Ingest]:
    """Give the command line with miniature models and a home of the volume; kill the processes that it left running."""
    cookies = folder / "cookies.txt"
    cookies.write_text(f"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\t{COOKIE}\n")
    environment = {
        **os.environ,
        "INGEST_COOKIES_FILE": str(cookies),
        "INGEST_DATABASE_PASSWORD": DATABASE_PASSWORD,
        "INGEST_DIARIZATION_TOKEN": TOKEN,
        "INGEST_ASR_MODEL": str(ASR_MODEL),
        "INGEST_ASR_LANGUAGE": "en",
        "INGEST_ALLOWED_HOSTS": "127.0.0.1",
        "INGEST_RETRY_FIRST_S": "0.5",
        "HOME": str(folder),
    }
    with home_settings(home, folder) as settings:
        made = Ingest(folder / "state", {**environment, **settings})
        try:
            yield made
        finally:
            made.kill("")


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    """The command line on a state folder of its own."""
    with command_line(tmp_path) as made:
        yield made


@dataclass
class FirstRun:
    """The result of a run without faults, with its command line and feed."""

    ingest: Ingest
    podcast: Podcast
    outcome: dict[str, Any]
    rows: list[tuple[Any, ...]]
    asked: list[str]


@pytest.fixture(scope="session")
def undisturbed(recordings: tuple[Path, list[Sample]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstRun]:
    """The thirty recordings, indexed once without faults."""
    with served(*recordings) as podcast, command_line(tmp_path_factory.mktemp("undisturbed")) as ingest:
        outcome = ingest.json("run", podcast.url)
        yield FirstRun(ingest, podcast, outcome, ingest.rows(), list(podcast.asked))
