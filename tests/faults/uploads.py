"""Row 1b: a process is killed before and after every step by which an upload and its manifest are stored.

On a folder a step is a system call that makes a file last, in an object store a request, on JetStream what is published
at once. There is an older recording under the same name. After the kill one of the two must be there, whole; after the
upload is repeated and what is unfinished was swept, the newer one and nothing else.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.homes.jetstream import JetStreamHome
from tests.faults.upload_places import NOWHERE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ingest.shared.artifacts.home import Home
    from tests.faults.upload_places import Place

ID = "abcdefghijk"
FIRST, SECOND = b"first" * 1000, bytes(9 << 20)  # the second one is uploaded in parts
POINTS = 12  # before and after each of six steps
LIMIT_S = 60.0
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([__name__])


def uploads_killed(
    opened: Callable[[Path], AbstractContextManager[Place]],
) -> Callable[[Path, random.Random], list[str]]:
    """Return a round in which an upload is killed at each point, in a home of its own."""

    def play(folder: Path, _rng: random.Random) -> list[str]:
        with opened(folder) as place:
            return [what for point in range(POINTS) for what in _killed_at(place, point, folder)] + _beyond(
                place, folder
            )

    return play


def _killed_at(place: Place, point: int, folder: Path) -> list[str]:
    """Kill an upload at a point, and repeat it; return what is lost, doubled or half."""
    with _recorded(place, folder) as home:
        wrong = [] if _is_killed(place, point, folder) else ["the upload has no such point"]
        wrong += [f"after the kill {what}" for what in troubles(home)]
        if _is_killed(place, NOWHERE, folder):
            wrong.append("the repeated upload was killed")
        sweep(home)
        wrong += [f"after the repeated upload {what}" for what in (*troubles(home), *rests(home))]
    return [f"point {point}: {what}" for what in wrong]


def _beyond(place: Place, folder: Path) -> list[str]:
    """Return whether there are points after the last one."""
    with _recorded(place, folder):
        return ["the upload has more points"] if _is_killed(place, POINTS, folder) else []


@contextmanager
def _recorded(place: Place, folder: Path) -> Iterator[Home]:
    """Give a home with the older recording, and empty it."""
    place.expect(NOWHERE)
    home = place.home()
    keep(home, FIRST, folder, 1)
    try:
        yield home
    finally:
        home.remove(Volume(home).folder(ID))
        if isinstance(home, JetStreamHome):
            home.files.close()


def keep(home: Home, content: bytes, folder: Path, generation: int) -> None:
    """Store a recording."""
    file = folder / f"source-{os.getpid()}"
    file.unlink(missing_ok=True)  # it may be a copy of the home by now
    file.write_bytes(content)
    Volume(home).keep(ID, NewArtifact(file, "audio", "mp3", 1.0, "audio-1", generation))


def _upload(place: Place, point: int, folder: Path) -> None:
    home = place.home()
    place.arm(point)
    keep(home, SECOND, folder, 2)


def _is_killed(place: Place, point: int, folder: Path) -> bool:
    """Upload in another process; return whether it was killed."""
    place.expect(point)
    process = SERVER.Process(target=_upload, args=(place, point, folder))
    process.start()
    place.begun(process.pid or 0)
    process.join(LIMIT_S)
    if process.exitcode not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"an upload has ended with status {process.exitcode}")
    return process.exitcode != 0


def troubles(home: Home) -> Iterator[str]:
    """Yield what is lost or half: not one manifest, or a file that is not what it should be."""
    volume = Volume(home)
    manifest = volume.manifest(ID, "audio")
    if manifest is None:
        yield "the recording is lost: it has no readable manifest"
    else:
        home.forget_copy(manifest.artifact.path)
        found = volume.find(ID, "audio", "audio-1")
        if found is None or volume.verified(found).read_bytes() not in {FIRST, SECOND}:
            yield "the recording is lost: its file is not what was written"
    for entry in home.list("videos/"):
        if TEMPORARY_PREFIX not in entry.name and not entry.name.endswith((".json", "/")):
            digest = hashlib.sha256(home.read(entry.name, 0, entry.size_bytes)).hexdigest()
            if f"/audio-{digest[:16]}." not in entry.name:
                yield f"{entry.name} is half"


def sweep(home: Home) -> None:
    """Delete what is unfinished, and what is older than the manifest, as `ingest purge` does."""
    Volume(home).discard_older(ID, "audio")
    for entry in list(home.list("videos/")):
        if TEMPORARY_PREFIX in entry.name:
            home.remove(entry.name)


def rests(home: Home) -> Iterator[str]:
    """Yield what is there beside the newer recording, once."""
    volume = Volume(home)
    manifest = volume.manifest(ID, "audio")
    if manifest is None or manifest.generation != 2:
        yield "the newer recording is lost"
        return
    ours = {manifest.artifact.path, f"{volume.folder(ID)}/audio.json"}
    yield from (f"{entry.name} is doubled" for entry in home.list("videos/") if entry.name not in ours)
