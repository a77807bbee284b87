"""The rows of the fault table: the fault, the promise, and the function that plays it."""

from __future__ import annotations

import signal

from ingest.shared.artifacts.volume import LATE_FILE_S
from ingest.shared.errors import Code
from tests.faults import kills
from tests.faults import on_messages as messages
from tests.faults import on_network as network
from tests.faults import on_servers as servers
from tests.faults import on_volume as volume
from tests.faults import on_workers as workers
from tests.faults.needs import Needs
from tests.faults.trials import LOAD_S, LOAD_WORK_S, RECOVERY_S, Row
from tests.support.disks import full, read_only

SAME = "nothing lost, no attempt charged"
LOADED = Needs(LOAD_WORK_S)
PROXIED = Needs(LOAD_WORK_S, proxied=True)
STUCK = Needs(stuck=True)
DRAIN_WORK_S = 3.0  # longer than the grace period of 2 s; two stages work that long after the drain
DRAINED = (RECOVERY_S + 2 * DRAIN_WORK_S, Needs(DRAIN_WORK_S))
CRASHES_S = 60.0
NO_PARTIAL_FILE = "no partial file, no attempt charged"
BURIED = "one dead letter after three; its neighbours are processed"
NAKKED = "status 0; nak'ed, not charged"
DEADLINES = "calls end by their own deadline; no attempt charged"
WRITES = ("download.written", "asr.written", "download.fsync", "asr.fsync", "asr.manifest_written")
NOTES = ("check.note", "asr.note", "embedder.note", "download.count", "asr.count", "embedder.count")
KILLS = tuple(
    Row(f"1.{number}", f"SIGKILL at {', '.join(points)}", "another worker repeats the work", kills.killed_at(points))
    for number, points in enumerate(kills.waves(), 1)
)
ON_WORKERS = (
    Row("3", "all workers SIGKILLed under load", "nothing lost", workers.all_killed, LOAD_S, LOADED),
    Row(
        "4",
        "worker SIGSTOPped beyond ack_wait, then SIGCONT",
        "another worker does it; the late one harms nothing",
        workers.frozen,
    ),
    Row("4b", "the same while a newer run is stored", "the fence refuses the older run", workers.frozen_before_commit),
    Row("5", "native call that never returns", "the watchdog ends the worker", workers.hung, RECOVERY_S + 4, STUCK),
)
ON_SERVERS = (
    Row("6", "broker SIGKILLed under load", SAME, servers.broker_ended(signal.SIGKILL, 0.0), LOAD_S, LOADED),
    Row("7", "broker SIGTERMed under load", SAME, servers.broker_ended(signal.SIGTERM, 0.0), LOAD_S, LOADED),
    Row(
        "8",
        "broker unreachable beyond the workers' limit",
        SAME,
        servers.broker_long_away,
        90.0,
        LOADED,
    ),
    Row("9", "broker SIGSTOPped for 8 s", SAME, servers.broker_frozen, LOAD_S, LOADED),
    Row("9b", "network to the broker stalled for 8 s", SAME, network.broker_stalled, LOAD_S, PROXIED),
    Row(
        "10",
        "broker wiped, all workers killed",
        "`ingest resume` rebuilds the queue",
        servers.broker_wiped,
        60.0,
        LOADED,
    ),
    Row(
        "11",
        "the broker's disk full for 8 s",
        SAME,
        servers.broker_full,
        LOAD_S,
        Needs(LOAD_WORK_S, small_disk="nats"),
    ),
    Row("12", "Postgres SIGKILLed under load", SAME, servers.postgres_ended(signal.SIGKILL), LOAD_S, LOADED),
    Row("13", "Postgres stopped, and started again", SAME, servers.postgres_ended(signal.SIGINT), LOAD_S, LOADED),
    Row("13b", "every connection terminated, five times", SAME, servers.backends_terminated, LOAD_S, LOADED),
    Row("13c", "Postgres read-only", SAME, servers.postgres_read_only, LOAD_S, LOADED),
    Row("14", "Postgres SIGSTOPped", DEADLINES, servers.postgres_frozen, LOAD_S, LOADED),
    Row("14b", "network to Postgres stalled", DEADLINES, network.postgres_stalled, LOAD_S, PROXIED),
    Row(
        "15",
        "Postgres's disk full for 8 s",
        SAME,
        servers.postgres_full,
        LOAD_S,
        Needs(LOAD_WORK_S, small_disk="postgres"),
    ),
    Row(
        "16",
        "connection lost after COMMIT was sent",
        "committed once, no attempt charged",
        network.commit_unknown,
        RECOVERY_S,
        Needs(proxied=True),
    ),
    Row("20b", "network to broker and Postgres slow for 8 s", SAME, network.slow, LOAD_S, PROXIED),
    Row("20c", "connections to both reset, five times", SAME, network.reset, LOAD_S, PROXIED),
)
ON_VOLUME = (
    Row(
        "17",
        "ENOSPC, EDQUOT or EIO at fsync, rename or a note",
        NO_PARTIAL_FILE,
        volume.volume_says(("errno:ENOSPC", "errno:EIO", "errno:EDQUOT"), WRITES + NOTES),
    ),
    Row(
        "17b",
        "volume full",
        NO_PARTIAL_FILE,
        volume.volume_harmed(full, Code.ENV_DISK_FULL),
        LOAD_S,
        Needs(LOAD_WORK_S, small_disk="volume"),
    ),
    Row(
        "18",
        "EROFS or ESTALE on the volume",
        NO_PARTIAL_FILE,
        volume.volume_says(("errno:EROFS", "errno:ESTALE"), ("download.written", "asr.fsync", *NOTES)),
    ),
    Row(
        "18b",
        "volume read-only",
        NO_PARTIAL_FILE,
        volume.volume_harmed(read_only, Code.ENV_VOLUME),
        LOAD_S,
        Needs(LOAD_WORK_S, small_disk="volume"),
    ),
    Row(
        "19",
        "audio or transcript vanished or changed",
        "detected, made once more",
        volume.artifact_harmed,
        RECOVERY_S + LATE_FILE_S,
    ),
)
ON_MESSAGES = (
    Row("22", "message published three times", "processed once", messages.published_twice),
    Row("23", "unreadable and too large messages", "dead letter at once, the rest continues", messages.poison_messages),
    Row("24a", "recording that crashes its worker", BURIED, messages.poison_jobs("segv"), CRASHES_S),
    Row("24b", "recording that takes all memory", BURIED, messages.poison_jobs("bomb"), CRASHES_S),
    Row("24c", "recording that hangs its worker", BURIED, messages.poison_jobs("hang"), CRASHES_S, STUCK),
)
ROWS: tuple[Row, ...] = (
    *KILLS,
    *ON_WORKERS,
    *ON_SERVERS,
    *ON_VOLUME,
    *ON_MESSAGES,
    Row("28", "SIGTERM while work is in progress", NAKKED, workers.drained, *DRAINED),
    Row("28b", "the same while the broker is unreachable", NAKKED, workers.drained_without_broker, *DRAINED),
    Row(
        "30",
        "the workers' clock jumps by an hour and back",
        SAME,
        workers.clock_stepped,
        LOAD_S,
        Needs(LOAD_WORK_S, own_clock=True),
    ),
    Row("31", "fifty clients submit two videos at once, one more later", "processed once", messages.submitted_by_many),
)
