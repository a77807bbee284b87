"""Who may say and hear what on NATS: the users of a broker that several services share. No NATS in here.

`python -m services.shared.permissions` prints the users as the server's configuration wants them; the chart's copy
(`charts/files/nats-permissions.json`) is kept equal by a test.

A service takes from its own consumers and puts into the next stage's queue, tells events, buries letters and postpones;
it may ask how things stand, but neither make nor change a stream. That is left to the command line's user, whom the
migrations use as well.
"""

from __future__ import annotations

import json
import sys

from services.shared.bus import (
    ACCESSIBLE,
    AUDIO,
    DEAD_STREAM,
    EVENT_STREAM,
    GOVERNOR_BUCKET,
    INPUT_OF,
    LATER_STREAM,
    LEDGER,
    TRANSCRIPT,
    WORK_STREAM,
    dead_subject,
    event_subject,
    later_consumer,
    later_subject,
)
from services.shared.messages import Stage

Permissions = dict[str, dict[str, list[str]]]

API = "$JS.API"
STAGES = {"downloader": (Stage.CHECK, Stage.DOWNLOAD), "asr": (Stage.ASR,), "embedder": (Stage.EMBEDDER,)}
OUTPUT_OF = {Stage.CHECK: ACCESSIBLE, Stage.DOWNLOAD: AUDIO, Stage.ASR: TRANSCRIPT}


def users() -> dict[str, Permissions]:
    """Return what each user may publish and subscribe to."""
    services = {room: _permissions(room, _subjects(room, stages)) for room, stages in STAGES.items()}
    return {**services, "cli": _permissions("cli", [f"{API}.>", "$KV.>", "ingest.>"])}


def _permissions(user: str, subjects: list[str]) -> Permissions:
    """Let a user publish to subjects, and hear nothing but the answers to its own questions."""
    return {"publish": {"allow": subjects}, "subscribe": {"allow": [f"_INBOX_{user}.>"]}}


def _subjects(room: str, stages: tuple[Stage, ...]) -> list[str]:
    subjects = [f"{API}.INFO", f"{API}.STREAM.INFO.*", f"{API}.CONSUMER.INFO.*.*"]
    subjects += [f"{API}.STREAM.MSG.GET.{WORK_STREAM}"]  # how old the oldest message is
    for stage in stages:
        subjects += _of_consumer(WORK_STREAM, stage) + _of_consumer(LATER_STREAM, later_consumer(stage))
        subjects += [INPUT_OF[stage], event_subject(stage), dead_subject(stage), later_subject(stage)]
        subjects += [OUTPUT_OF[stage]] if stage in OUTPUT_OF else []
    if room == "downloader":
        bucket = f"KV_{GOVERNOR_BUCKET}"
        subjects += [f"$KV.{GOVERNOR_BUCKET}.>", f"{API}.STREAM.MSG.GET.{bucket}", f"{API}.DIRECT.GET.{bucket}.>"]
    if room == "embedder":
        subjects += [*_of_consumer(EVENT_STREAM, LEDGER), f"{API}.STREAM.MSG.GET.{EVENT_STREAM}"]
        subjects += [f"{API}.STREAM.MSG.GET.{DEAD_STREAM}"]
    return sorted(set(subjects))


def _of_consumer(stream: str, consumer: str) -> list[str]:
    """Return how one takes messages from a consumer and answers for them."""
    return [f"{API}.CONSUMER.MSG.NEXT.{stream}.{consumer}", f"$JS.ACK.{stream}.{consumer}.>"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(users(), indent=1) + "\n")
