"""The named points of a worker at which the test build can be made to fail. The product has no such points.

A point is `<thread>.<moment>`: the thread is a stage, `waker-<stage>` or `ledger`. A file with the point's name in the
folder INGEST_FAULT_FOLDER arms a fault; its content is the action. The first thread that reaches the point renames the
file to `<point>.done`, so that a fault happens once and its time is known. INGEST_FAULT_AT=<point> arms a kill at the
start. If the folder has a folder `reached`, a file there records every point that is reached.

Actions: `kill`, `stop` (SIGSTOP), `hang` (a native call that never returns and holds the interpreter's lock), `segv`,
`bomb` (more memory than the limit), `errno:<NAME>` (an error of the operating system), `bus:<NAME>` (a refusal of the
broker, where it is the home of the volume: `home_points.py` has the points of such homes).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import resource
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ingest.embedder.tables import ledger
from ingest.embedder.tables.store import Store
from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.artifacts.volume import KINDS
from ingest.shared.broker import nats_connection
from ingest.shared.broker.bus import BusFullError, BusRefusedError
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.topology import ACCESSIBLE
from ingest.shared.messages import EventKind, Stage
from ingest.shared.worker import loop as worker_loop
from ingest.shared.worker import notes
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.notes import COUNTS
from tests.faults.around import around

FOLDER = "INGEST_FAULT_FOLDER"
AT = "INGEST_FAULT_AT"
DEADLINE = "INGEST_FAULT_DEADLINE_S"
BOMB_BYTES = 1 << 30
PING_EVERY_S = 2  # a half-open connection is closed after three of them
PROGRESS_EVERY_S = 0.5  # short work reports progress, as long work does

_ALL = ("fetched", "noted", "told_start", "begun", "made")
_FILE = ("written", "renamed", "manifest_written", "manifest_renamed")
_END = ("told_end", "before_ack", "acked")
MOMENTS: dict[str, tuple[str, ...]] = {
    Stage.CHECK: (*_ALL, "published", *_END, "sent_later"),
    Stage.DOWNLOAD: (*_ALL, *_FILE, "published", *_END),
    Stage.ASR: (*_ALL, *_FILE, "published", *_END),
    Stage.EMBEDDER: (*_ALL, "before_replace", "before_commit", "committed", *_END),
    "ledger": ("fetched", "folded", "before_ack", "acked"),
    "waker-check": ("fetched", "published", "before_ack", "acked"),
}
_BACK = ("manifest_discarded", "sent_back")  # a file is requested again
_DEAD = ("buried", "told_failed", "refused")  # `buried`: a recording that fails; `refused`: an unreadable message
BESIDE: dict[
    str, tuple[str, ...]
] = {  # a second file, the crash journal, and points that a good recording does not reach
    Stage.CHECK: ("cleared", *_DEAD),
    Stage.DOWNLOAD: ("cleared", "sent_later", *_DEAD),
    Stage.ASR: (*(f"voices_{moment}" for moment in _FILE), "cleared", "sent_later", *_BACK, *_DEAD),
    Stage.EMBEDDER: ("cleared", "sent_later", *_BACK, *_DEAD),
    "waker-check": ("before_nak", "nakked"),
}
REFUSALS = {"full": BusFullError, "denied": BusRefusedError}
REFUSABLE = ("note", "count", "fsync")  # where the operating system may return an error


def reach(moment: str) -> None:
    """Mark that the calling thread is at a point: an armed fault happens now."""
    folder = Path(os.environ[FOLDER])
    thread = _thread()
    point = folder / f"{thread}.{moment}"
    with suppress(FileNotFoundError):
        (folder / "reached" / point.name).touch()
    try:
        action = point.read_text()
        done = point.rename(point.with_name(f"{point.name}.done"))
    except FileNotFoundError:
        return
    now = time.time_ns()  # the file system's own time may lag by some milliseconds
    os.utime(done, ns=(now, now))
    act(action)


def happened_at(done: Path) -> float | None:
    """Return the time of a fault (seconds since 1970) from its `.done` file, or None without one.

    Another thread may kill the process after the renaming, which sets the change time, and before the exact time is
    written. Then the modification time is still the time at which the fault was armed.
    """
    try:
        found = done.stat()
    except FileNotFoundError:
        return None
    return max(found.st_mtime, found.st_ctime)


def _thread() -> str:
    """Return the stage, waker or ledger of the calling thread."""
    return re.sub(r"-\d+$", "", threading.current_thread().name)


def act(action: str) -> None:
    """Carry out the action of an armed fault."""
    match action.partition(":"):
        case ("kill", _, _):
            os.kill(os.getpid(), signal.SIGKILL)
        case ("stop", _, _):
            os.kill(os.getpid(), signal.SIGSTOP)
        case ("hang", _, _):
            ctypes.PyDLL(None).sleep(3600)
        case ("segv", _, _):
            os.kill(os.getpid(), signal.SIGSEGV)
        case ("bomb", _, _):
            before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (BOMB_BYTES, before[1]))
            try:
                bytearray(2 * BOMB_BYTES)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
        case ("errno", _, name):
            number = getattr(errno, name)
            raise OSError(number, os.strerror(number))
        case ("bus", _, name):
            raise REFUSALS[name]("refused by a fault")


def install() -> None:
    """Put the points into this process."""
    if os.environ.get(AT):
        (Path(os.environ[FOLDER]) / os.environ[AT]).write_text("kill")
    around(NatsBus, "fetch", after=lambda found, *_: reach("fetched") if found is not None else None)
    around(NatsBus, "nak", before=lambda *_: reach("before_nak"), after=lambda *_: reach("nakked"))
    for acks in ("ack", "ack_group"):
        around(NatsBus, acks, before=lambda *_: reach("before_ack"), after=lambda *_: reach("acked"))
    around(CrashJournal, "begin", after=lambda *_: reach("noted"))
    around(CrashJournal, "clear", after=lambda *_: reach("cleared"))
    around(notes, "opened_folder", before=lambda _, *names: reach("note") if COUNTS not in names else None)
    around(notes, "read_file", before=lambda path, *_: reach("count") if path.parent.name == COUNTS else None)
    around(Store, "write", after=lambda *_: reach("before_commit"))
    around(Store, "replace", before=lambda *_: reach("before_replace"), after=lambda *_: reach("committed"))
    around(ledger, "write_events", after=lambda *_: reach("folded"))
    around(os, "fsync", before=lambda *_: reach("fsync"))
    _install_publish()
    _install_rename()
    _install_unlink()
    nats_connection.PING_EVERY_S = PING_EVERY_S
    worker_loop.PROGRESS_EVERY_S = PROGRESS_EVERY_S


def _install_publish() -> None:
    inner = NatsBus.publish

    def publish(bus: NatsBus, subject: str, data: bytes, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as the original)
        inner(bus, subject, data, *args, **kwargs)
        reach(_published(subject, data))

    NatsBus.publish = publish  # type: ignore[method-assign,assignment] # a test build, not a test


def _published(subject: str, data: bytes) -> str:
    """Return the moment of a published message, from its subject and content."""
    if subject.startswith("ingest.event."):
        kind = json.loads(data)["kind"]
        return {EventKind.STARTED: "told_start", EventKind.FAILED: "told_failed"}.get(kind, "told_end")
    if subject.startswith("ingest.later."):
        return "sent_later"
    if subject.startswith("ingest.dead."):
        return "buried" if "video_id" in json.loads(data) else "refused"
    is_back = subject == ACCESSIBLE and _thread() in (Stage.ASR, Stage.EMBEDDER)
    return "sent_back" if is_back else "published"


def _install_unlink() -> None:
    inner = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 (as the original)
        inner(path, missing_ok)
        if path.stem in KINDS and path.suffix == ".json":
            reach("manifest_discarded")

    Path.unlink = unlink  # type: ignore[method-assign,assignment] # a test build, not a test


def _install_rename() -> None:
    inner = Path.replace

    def replace(path: Path, target: Path) -> Path:
        ours = path.name.startswith(TEMPORARY_PREFIX)
        prefix = "voices_" if Path(target).name.startswith("voices") else ""
        prefix += "manifest_" if Path(target).suffix == ".json" else ""
        if ours:
            reach(f"{prefix}written")
        moved = inner(path, target)
        if ours:
            reach(f"{prefix}renamed")
        return moved

    Path.replace = replace  # type: ignore[method-assign,assignment] # a test build, not a test
