"""Who asks for what somebody else has asked for already: one job, one end, and nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.runs.run import Outcome, submit
from ingest.cli.runs.submissions import Choice, publish
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep.dead import letters, replay_letters
from ingest.embedder.catalog import Catalog
from ingest.embedder.ledger import Ledger
from ingest.shared.broker.topology import EVENT_STREAM, REQUESTED, WORK_STREAM, dead_subject, event_subject
from ingest.shared.errors import Code
from ingest.shared.messages import (
    DeadLetter,
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
from ingest.shared.video_state import FAILED, QUEUED, SKIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.embedder.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
ASKED = VideoRequested(
    video_id="abcdefghijk",
    generation=2,
    source=SOURCE,
    metadata=Metadata(max_speakers=2),
    fresh_from=2,
    policy=Policy(max_duration_s=60.0),
)


def end(bus: NatsBus, kind: EventKind, code: Code) -> VideoRequested:
    """Be the stage that takes the next request, and ends it."""
    delivery = bus.fetch(Stage.CHECK, WORK_STREAM, 5.0)
    assert delivery is not None
    message = decode(VideoRequested, delivery.data)
    event = Event(
        video_id=message.video_id,
        generation=message.generation,
        stage=Stage.CHECK,
        kind=kind,
        at=datetime.now(UTC),
        code=code,
    )
    bus.publish(event_subject(Stage.CHECK), encode(event), f"{message.job}:{kind}")
    bus.ack(delivery)
    return message


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "talk.wav"
    file.write_bytes(b"RIFF")
    return file


@pytest.fixture
def settings(bus: NatsBus, nats_server: EmbeddedNats, database: Database, database_url: str) -> AllSettings:  # noqa: ARG001 (there before anybody connects)
    """A command line that is told of servers elsewhere."""
    return AllSettings(
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=SecretStr(nats_server.password),
        database_url=SecretStr(database_url),
    )


def ask(settings: AllSettings, recording: Path, *, wait: bool = False, force: bool = False) -> Outcome:
    return submit(settings, [str(recording)], Choice(force=force), wait=wait, quiet=True)


def test_a_second_request_that_comes_when_the_first_has_ended_changes_nothing(bus: NatsBus, database: Database) -> None:
    publish(bus, ASKED)
    end(bus, EventKind.SKIPPED, Code.TOO_LONG)
    publish(bus, ASKED)
    Ledger(bus, database).catch_up()
    assert Catalog(database).videos([ASKED.video_id])[ASKED.video_id].state == SKIPPED
    assert bus.stored(WORK_STREAM) == 0


def test_what_the_table_has_not_heard_of_yet_is_known_from_the_events(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    assert ask(settings, recording).asked_for == 1
    assert ask(settings, recording).asked_for == 0
    end(bus, EventKind.SKIPPED, Code.NOT_AUDIO)
    again = ask(settings, recording, wait=True)
    assert (again.asked_for, [video.state for video in again.videos]) == (0, [SKIPPED])
    assert ask(settings, recording, force=True).asked_for == 1
    forced = decode(VideoRequested, next(data for _, data in bus.read(WORK_STREAM, REQUESTED)))
    assert (forced.generation, forced.fresh_from) == (2, 2)


def test_a_dead_letter_that_is_replayed_is_on_its_way_again_as_it_was_asked_for(
    bus: NatsBus, database: Database
) -> None:
    publish(bus, ASKED)
    end(bus, EventKind.FAILED, Code.NOT_AUDIO)
    letter = DeadLetter(
        stage=Stage.CHECK,
        subject=REQUESTED,
        payload=encode(ASKED).decode(),
        code=Code.NOT_AUDIO,
        text="html",
        attempts={},
        at=datetime.now(UTC),
        video_id=ASKED.video_id,
        generation=ASKED.generation,
    )
    bus.publish(dead_subject(Stage.CHECK), encode(letter), "letter")
    Ledger(bus, database).catch_up()
    before = Catalog(database).videos([ASKED.video_id])[ASKED.video_id]
    assert before.state == FAILED

    assert replay_letters(bus, None) == 1
    assert list(letters(bus)) == []
    assert [decode(VideoRequested, data) for _, data in bus.read(WORK_STREAM, REQUESTED)] == [ASKED]
    Ledger(bus, database).catch_up()
    row = Catalog(database).videos([ASKED.video_id])[ASKED.video_id]
    assert (row.state, row.generation, row.error_code) == (QUEUED, 2, None)
    assert (row.fresh_from, row.policy, row.max_speakers) == (2, before.policy, 2)
    assert bus.lag("ledger", EVENT_STREAM).waiting == 0
