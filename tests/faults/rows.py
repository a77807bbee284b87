"""The rows of the fault table: what happens, what we promise, and who plays it."""

from __future__ import annotations

import signal

from tests.faults import on_servers as servers
from tests.faults import on_workers as workers
from tests.faults.trials import LOAD_S, LOAD_WORK_S, RECOVERY_S, Row

SAME = "nothing lost, no attempt charged"
LOADED = (LOAD_S, LOAD_WORK_S)
DRAIN_WORK_S = 3.0  # longer than the grace of 2 s; two stages work so long after the drain, as usual
BURIED = "dead letter after three; its neighbours are done"
WRITES = ("download.written", "asr.written", "download.fsync", "asr.fsync", "asr.manifest_written")
KILLS = tuple(
    Row(f"1.{number}", f"SIGKILL at {', '.join(points)}", "done again by another", workers.killed_at(points))
    for number, points in enumerate(workers.waves(), 1)
)
ROWS: tuple[Row, ...] = (
    *KILLS,
    Row("3", "all workers SIGKILLed under load", "nothing lost", workers.all_killed, *LOADED),
    Row(
        "4",
        "worker SIGSTOPped beyond ack_wait, then SIGCONT",
        "another does it; the late one harms nothing",
        workers.frozen,
    ),
    Row("4b", "the same while a newer run is stored", "the fence refuses the older run", workers.frozen_before_commit),
    Row("5", "native call that never returns", "the watchdog ends the worker", workers.hung, RECOVERY_S + 4),
    Row("6", "broker SIGKILLed under load", SAME, servers.broker_ended(signal.SIGKILL, 0.0), *LOADED),
    Row("7", "broker SIGTERMed under load", SAME, servers.broker_ended(signal.SIGTERM, 0.0), *LOADED),
    Row(
        "8",
        "broker away beyond the workers' patience",
        SAME,
        servers.broker_ended(signal.SIGKILL, 35.0),
        90.0,
        LOAD_WORK_S,
    ),
    Row("9", "broker SIGSTOPped for 8 s", SAME, servers.broker_frozen, *LOADED),
    Row(
        "10",
        "broker wiped, all workers killed",
        "`ingest resume` rebuilds the queue",
        servers.broker_wiped,
        60.0,
        LOAD_WORK_S,
    ),
    Row("11", "the broker's disk full for 8 s", SAME, servers.broker_full, *LOADED, small_disk="nats"),
    Row("12", "Postgres SIGKILLed under load", SAME, servers.postgres_ended(signal.SIGKILL), *LOADED),
    Row(
        "13",
        "Postgres stopped fast, and started again",
        SAME,
        servers.postgres_ended(signal.SIGINT),
        LOAD_S,
        LOAD_WORK_S,
    ),
    Row("13b", "every connection terminated, five times", SAME, servers.backends_terminated, *LOADED),
    Row("14", "Postgres SIGSTOPped for 8 s", SAME, servers.postgres_frozen, 40.0, LOAD_WORK_S),
    Row("15", "Postgres's disk full for 8 s", SAME, servers.postgres_full, *LOADED, small_disk="postgres"),
    Row("16", "connection lost after COMMIT was sent", "committed once, no attempt charged", servers.commit_unknown),
    Row(
        *("17", "ENOSPC, EDQUOT or EIO at write, fsync or rename", "no half file, no attempt charged"),
        servers.volume_says(("ENOSPC", "EIO", "EDQUOT"), WRITES),
    ),
    Row(
        *("18", "EROFS or ESTALE on the volume", "no half file, no attempt charged"),
        servers.volume_says(("EROFS", "ESTALE"), ("download.written", "asr.fsync")),
    ),
    Row("19", "file vanished or changed between stages", "made once more", servers.artifact_harmed),
    Row("22", "message published three times", "done once", workers.published_twice),
    Row("23", "unreadable and too large messages", "dead letter at once, the rest goes on", workers.poison_messages),
    Row("24a", "recording that crashes its worker", BURIED, workers.poison_jobs("segv"), 60.0),
    Row("24b", "recording that takes all memory", BURIED, workers.poison_jobs("bomb"), 60.0),
    Row("24c", "recording that hangs its worker", BURIED, workers.poison_jobs("hang"), 60.0),
    Row(
        "28",
        "SIGTERM with work in hand",
        "status 0; handed back, not charged",
        workers.drained,
        RECOVERY_S + 2 * DRAIN_WORK_S,
        DRAIN_WORK_S,
    ),
    Row("30", "the workers' clock jumps by an hour and back", SAME, workers.clock_stepped, *LOADED, own_clock=True),
    Row("31", "fifty submit one video at once", "done once", workers.submitted_by_many),
)
