"""The rows of the fault table on the homes of the volume that are no folder, and those that cannot exist on a home."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.shared.errors import Code
from tests.faults import on_store as store
from tests.faults import on_volume as volume
from tests.faults import on_workers as workers
from tests.faults.homes import HomeName
from tests.faults.needs import Needs
from tests.faults.on_state_folder import STATE_ROWS
from tests.faults.rows import LOADED, NO_PARTIAL_FILE, PROXIED, ROWS, SAME
from tests.faults.trials import LOAD_S, LOAD_WORK_S, RECOVERY_S, BareRow, Row
from tests.faults.upload_places import in_folder, in_store, on_nats
from tests.faults.uploads import uploads_killed
from tests.support.disks import full, read_only

if TYPE_CHECKING:
    from collections.abc import Mapping

S3, JETSTREAM = HomeName.S3, HomeName.JETSTREAM
ASKED_AGAIN_S = 60.0  # for so long a client of a store asks again before it gives up
MESSAGES = tuple(f"{stage}.{moment}" for stage in ("download", "asr") for moment in ("written", "manifest_written"))
MESSAGES += tuple(f"{stage}.note" for stage in ("check", "download", "asr", "embedder"))
UPLOADS_S = 180.0  # twenty-five processes, one after the other
OWN_DISK = Needs(LOAD_WORK_S, small_disk="volume")
LOST_FILES = "`ingest resume` rebuilds the queue, the files are made again"
UPLOADS = BareRow(
    "1b",
    "SIGKILL before and after each of the six steps of an upload and its manifest",
    "0 of 12 uploads lost, doubled or half",
    uploads_killed(in_folder),
    UPLOADS_S,
)


def _row(number: str) -> Row:
    return next(row for row in ROWS if row.number == number)


BESIDE: tuple[Row, ...] = (  # what a folder has not: a server, and a disk of each worker
    Row("36", "S3 server SIGKILLed under load", SAME, store.store_killed, LOAD_S + ASKED_AGAIN_S, LOADED),
    Row("36b", "network to the S3 server stalled for 8 s", SAME, store.store_stalled, LOAD_S, PROXIED),
    Row(
        "37",
        "the bucket is gone for a while",
        SAME,
        store.store_refuses(store.says(404, "NoSuchBucket"), Code.ENV_VOLUME, "PUT", "GET", "HEAD", "DELETE"),
        LOAD_S,
        LOADED,
    ),
    Row(
        "38",
        "disks of the workers full: scratch and local copies",
        NO_PARTIAL_FILE,
        volume.volume_harmed(full, Code.ENV_DISK_FULL),
        LOAD_S,
        OWN_DISK,
    ),
    Row(
        "38b",
        "disks of the workers read-only",
        NO_PARTIAL_FILE,
        volume.volume_harmed(read_only, Code.ENV_VOLUME),
        LOAD_S,
        OWN_DISK,
    ),
)
ALL: tuple[Row | BareRow, ...] = (*ROWS, UPLOADS, *BESIDE, *STATE_ROWS)
TWINS: Mapping[HomeName, Mapping[str, Row | BareRow]] = {
    HomeName.FOLDER: {},
    S3: {
        "1b": replace(UPLOADS, play=uploads_killed(in_store)),
        "17": Row(
            "17",
            "a PUT answered by 503, 500 or 507, or stored without an answer",
            NO_PARTIAL_FILE,
            store.store_says(store.BUSY),
            RECOVERY_S + ASKED_AGAIN_S,
        ),
        "17b": Row(
            "17b",
            "the store full (507)",
            NO_PARTIAL_FILE,
            store.store_refuses(store.says(507, "InsufficientStorage"), Code.ENV_DISK_FULL, "PUT"),
            LOAD_S,
            LOADED,
        ),
        "18": Row(
            "18",
            "a PUT refused: credentials expired, clock skewed, access denied",
            NO_PARTIAL_FILE,
            store.store_says(store.DENIED),
        ),
        "18b": Row(
            "18b",
            "the store takes no writes (403)",
            NO_PARTIAL_FILE,
            store.store_refuses(store.says(403, "AccessDenied"), Code.ENV_VOLUME, "PUT"),
            LOAD_S,
            LOADED,
        ),
        "30": replace(
            _row("30"),
            promise="work waits for the clock, no attempt charged",
            play=workers.clock_stepped_before_a_store,
        ),
    },
    JETSTREAM: {
        "1b": replace(UPLOADS, play=uploads_killed(on_nats)),
        "10": replace(_row("10"), promise=LOST_FILES),
        "17": Row(
            "17",
            "a message that makes a file, a manifest or a note refused: no room",
            NO_PARTIAL_FILE,
            volume.volume_says(("bus:full",), MESSAGES),
        ),
        "17b": Row("17b", "the bucket full", NO_PARTIAL_FILE, store.bucket_full, LOAD_S, LOADED),
        "18": Row(
            "18",
            "the same refused: no right",
            NO_PARTIAL_FILE,
            volume.volume_says(("bus:denied",), MESSAGES),
        ),
    },
}
NO_STORE = "has no server of its own"
NO_VOLUME = "uses no volume"
ABSENT: Mapping[HomeName, Mapping[str, str]] = {
    HomeName.FOLDER: {
        "36": NO_STORE,
        "36b": NO_STORE,
        "37": "the folder is there as long as the disk is",
        "38": "copies are not made; row 17b fills the disk",
        "38b": "copies are not made; row 18b has that disk",
    },
    S3: {row.number: NO_VOLUME for row in STATE_ROWS},
    JETSTREAM: {
        "18b": "a bucket has no such state; a user without the right to write is one of row 18",
        "36": "its server is the broker (6)",
        "36b": "its server is the broker (9b)",
        "37": "with the bucket the files are gone (10)",
        **{row.number: NO_VOLUME for row in STATE_ROWS},
    },
}


def on_home(home: HomeName, row: Row | BareRow) -> Row | BareRow | str:
    """Return a row as it is played on a home, or the reason why it cannot exist there."""
    absent = ABSENT[home].get(row.number)
    if absent is not None:
        return absent
    return TWINS[home].get(row.number, row)
