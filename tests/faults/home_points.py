"""The named points at which a home that is no folder stores a file: the twins of those of a folder (`points.py`).

`written` comes before the step that makes a file or a manifest known, `renamed` after it. In an object store that step
is the PUT, on JetStream the info, whose chunks are there by then.
"""

from __future__ import annotations

import obstore

from ingest.shared.artifacts.volume import KINDS
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import S3Home
from ingest.shared.worker.notes import COUNTS, FOLDER
from tests.faults.around import around
from tests.faults.points import reach


def install() -> None:
    """Put the points into this process."""
    around(obstore, "put", _before_put, _after_put)
    around(NatsFiles, "replace", _before_info, _after_info)
    for home in (S3Home, JetStreamHome):
        around(home, "remove", after=lambda _, __, name: _removed(name))


def _before_put(_store: object, name: str, *_: object) -> None:
    _stored(name, "written")


def _after_put(_answer: object, _store: object, name: str, *_: object) -> None:
    _stored(name, "renamed")


def _before_info(_files: NatsFiles, name: str, info: object, *_: object) -> None:
    if info is None:
        return
    _stored(name, "written")
    if name.startswith(f"{FOLDER}/") and not name.startswith(f"{FOLDER}/{COUNTS}/"):
        reach("note")


def _after_info(_answer: object, _files: NatsFiles, name: str, info: object, *_: object) -> None:
    if info is not None:
        _stored(name, "renamed")


def _stored(name: str, moment: str) -> None:
    """Reach a moment of a file or a manifest; notes and profiles have none."""
    if name.startswith("videos/"):
        last = name.rpartition("/")[2]
        voices = "voices_" if last.startswith("voices") else ""
        reach(f"{voices}{'manifest_' if last.endswith('.json') else ''}{moment}")


def _removed(name: str) -> None:
    folder, _, last = name.rpartition("/")
    if folder.startswith("videos/") and last in {f"{kind}.json" for kind in KINDS}:
        reach("manifest_discarded")
