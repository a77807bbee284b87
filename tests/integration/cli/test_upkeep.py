"""`ingest resume` and `ingest purge` on a real broker, database and volume."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.cli.upkeep.purge import sweep
from ingest.cli.upkeep.resume import resume
from ingest.cli.upkeep.retention import Limits
from ingest.embedder.requested_changes import request_again
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import Ledger, write_events
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.requests import publish
from ingest.shared.broker.topology import LATER_STREAM, REQUESTED, WORK_STREAM, Topology, later_subject
from ingest.shared.messages import (
    Event,
    EventKind,
    Metadata,
    Policy,
    Source,
    SourceKind,
    Stage,
    VideoRequested,
    decode,
    encode,
)
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
KINDS = {
    "indexed0001": EventKind.INDEXED,
    "failed00001": EventKind.FAILED,
    "skipped0001": EventKind.SKIPPED,
    "queued00001": EventKind.SUBMITTED,
    "running0001": EventKind.STARTED,
    "postponed01": EventKind.POSTPONED,
    "deferred001": EventKind.DEFERRED,
}
KNOWN = Metadata(title="A talk", duration_s=60, min_speakers=2, max_speakers=3, given_language="de")
LIMITS = Policy(max_duration_s=3600, published_after=datetime(2026, 1, 1, tzinfo=UTC))
UNFINISHED = {"queued00001", "running0001", "postponed01", "deferred001"}


@pytest.fixture
def known(database: Database) -> Catalog:
    """A table with a video in each state; each was requested with `force` and limits."""
    asked = Event(
        video_id="x" * 11,
        generation=3,
        stage=Stage.CHECK,
        kind=EventKind.SUBMITTED,
        at=datetime.now(UTC),
        source=SOURCE,
        metadata=KNOWN,
        policy=LIMITS,
        fresh_from=3,
    )
    submitted = [asked.model_copy(update={"video_id": name}) for name in KINDS]
    told = [{"video_id": name, "kind": kind, "policy": None, "fresh_from": None} for name, kind in KINDS.items()]
    events = submitted + [asked.model_copy(update=news) for news in told if news["kind"] is not EventKind.SUBMITTED]
    write_events(database, [(event, (1, number + 1)) for number, event in enumerate(events)])
    return Catalog(database)


def requests(bus: NatsBus) -> list[VideoRequested]:
    return [decode(VideoRequested, data) for _, data in bus.read(WORK_STREAM, REQUESTED)]


def requested(bus: NatsBus) -> dict[str, int]:
    return {message.video_id: message.generation for message in requests(bus)}


def test_all_unfinished_videos_are_requested_again_when_the_broker_is_empty(
    bus: NatsBus, test_topology: Topology, known: Catalog, database: Database
) -> None:
    bus.wipe(test_topology)
    bus.provision(test_topology)
    assert set(resume(bus, known, dry_run=True)) == UNFINISHED
    assert requested(bus) == {}
    assert set(resume(bus, known, dry_run=False)) == UNFINISHED
    assert requested(bus) == dict.fromkeys(UNFINISHED, 4)
    Ledger(bus, database).catch_up()
    assert resume(bus, known, dry_run=False) == []


def test_a_retry_keeps_metadata_and_fresh_files_and_a_resumed_request_also_its_limits(
    bus: NatsBus, test_topology: Topology, known: Catalog, database: Database
) -> None:
    assert request_again(bus, known, codes=None, videos=None) == 1
    Ledger(bus, database).catch_up()
    resume(bus, known, dry_run=False)
    found = {message.video_id: message for message in requests(bus)}
    assert set(found) == {"failed00001", *UNFINISHED}
    assert {(message.generation, message.fresh_from) for message in found.values()} == {(4, 3)}
    assert {message.metadata.model_dump_json() for message in found.values()} == {KNOWN.model_dump_json()}
    assert found.pop("failed00001").policy == Policy()
    assert [message.policy for message in found.values()] == [LIMITS] * len(UNFINISHED)

    Ledger(bus, database).catch_up()
    row = known.videos(["failed00001"])["failed00001"]
    assert (row.state, row.min_speakers, row.max_speakers, row.fresh_from) == ("queued", 2, 3, 3)
    bus.wipe(test_topology)
    bus.provision(test_topology)
    assert set(resume(bus, known, dry_run=False)) == {"failed00001", *UNFINISHED}
    assert {message.video_id: (message.policy, message.fresh_from) for message in requests(bus)} == {
        "failed00001": (Policy(), 3),
        **dict.fromkeys(UNFINISHED, (LIMITS, 3)),
    }


def test_a_video_with_a_message_on_the_broker_is_not_requested_again(
    bus: NatsBus, known: Catalog, database: Database
) -> None:
    publish(bus, VideoRequested(video_id="queued00001", generation=3, source=SOURCE))
    waiting = VideoRequested(video_id="postponed01", generation=3, source=SOURCE)
    bus.publish(later_subject(Stage.CHECK), encode(waiting), "waiting")
    running = VideoRequested(video_id="running0001", generation=3, source=SOURCE)
    bus.publish(REQUESTED, encode(running), "running")
    held = [bus.fetch(Stage.CHECK, WORK_STREAM, 1.0) for _ in range(2)]
    assert None not in held
    Ledger(bus, database).catch_up()
    assert resume(bus, known, dry_run=False) == ["deferred001"]
    assert bus.stored(LATER_STREAM) == 1


def kept(volume: Volume, source: Path, video_id: str) -> Path:
    source.write_bytes(video_id.encode() * 100)
    return on_disk(volume).resolve(volume.keep(video_id, NewArtifact(source, "audio", "mp3", 5.0, "audio-1", 1)).path)


def age(path: Path, hours: float) -> None:
    for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(one, (time.time() - hours * 3600,) * 2)


def test_a_sweep_lists_or_deletes_exactly_the_files_that_are_not_needed(known: Catalog, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    paths = {name: kept(volume, tmp_path / "a", name) for name in KINDS}
    unknown = kept(volume, tmp_path / "a", "unknown0001").parent
    fresh_unknown = kept(volume, tmp_path / "a", "unknown0002").parent
    running = paths["running0001"].parent
    unfinished, young, replaced = running / ".tmp-1", running / ".tmp-2", running / "audio-0000.mp3"
    left = on_disk(volume).root / "scratch" / "download"
    left.mkdir(parents=True)
    for path in (unfinished, young, replaced, left / "half.part"):
        path.write_bytes(b"x")
    for path in (unknown, unfinished, replaced, left, paths["running0001"]):
        age(path, 100)
    rows = {row.video_id: row for row in known.chosen()}
    limits = Limits(timedelta(0), timedelta(hours=50), timedelta(hours=24), 0.0)
    found = {
        (removal.what, removal.reason)
        for removal in sweep(volume, on_disk(volume).root / "scratch", lambda _: rows, limits, delete=False)
    }
    assert found == {
        ("indexed0001", "indexed"),
        (str(unknown.relative_to(on_disk(volume).root)), "unknown"),
        (str(unfinished.relative_to(on_disk(volume).root)), "unfinished"),
        (str(replaced.relative_to(on_disk(volume).root)), "replaced"),
        ("scratch/download", "unfinished"),
    }
    assert paths["indexed0001"].exists()
    sweep(volume, on_disk(volume).root / "scratch", lambda _: rows, limits, delete=True)
    gone = [paths["indexed0001"], unknown, unfinished, replaced, left]
    assert [path for path in gone if path.exists()] == []
    stay = [path for name, path in paths.items() if name != "indexed0001"]
    assert [path for path in (*stay, young, fresh_unknown) if not path.exists()] == []
    assert sweep(volume, on_disk(volume).root / "scratch", lambda _: rows, limits, delete=True) == []
