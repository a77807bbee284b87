"""Two commands that request the same recording: one job, one final state, and both commands end."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.runs.again import Reason
from ingest.cli.runs.run import RunResult, submit
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep.dead import Replay, letters, replay
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.broker.requests import publish
from ingest.shared.broker.topology import EVENT_STREAM, REQUESTED, WORK_STREAM, dead_subject, event_subject
from ingest.shared.errors import Code, IngestError
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
from ingest.shared.runs.record import Recordings
from ingest.shared.video_state import VideoState
from tests.support.http_servers import serving

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.embedder.postgres.database import Database
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
    """Act as the stage: fetch the next request, publish its final event, acknowledge it."""
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
def settings(bus: NatsBus, nats_server: EmbeddedNats, database: Database, database_url: str) -> AllSettings:  # noqa: ARG001 (must exist before a command connects)
    """Settings of a command line with configured servers."""
    return AllSettings(
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=SecretStr(nats_server.password),
        database_url=SecretStr(database_url),
    )


def ask(settings: AllSettings, recording: Path, *, wait: bool = False, force: bool = False) -> RunResult:
    return submit(settings, [str(recording)], Selection(force=force), wait=wait, quiet=True)


def test_a_second_request_after_the_end_of_the_first_changes_nothing(bus: NatsBus, database: Database) -> None:
    publish(bus, ASKED)
    end(bus, EventKind.SKIPPED, Code.TOO_LONG)
    publish(bus, ASKED)
    Ledger(bus, database).catch_up()
    assert Catalog(database).videos([ASKED.video_id])[ASKED.video_id].state == VideoState.SKIPPED
    assert bus.stored(WORK_STREAM) == 0


def test_events_that_are_not_in_the_table_yet_are_read_from_the_stream(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    assert ask(settings, recording).requested == 1
    assert ask(settings, recording).requested == 0
    end(bus, EventKind.SKIPPED, Code.NOT_AUDIO)
    again = ask(settings, recording, wait=True)
    assert (again.requested, [video.state for video in again.videos]) == (0, [VideoState.SKIPPED])
    assert ask(settings, recording, force=True).requested == 1
    forced = decode(VideoRequested, next(data for _, data in bus.read(WORK_STREAM, REQUESTED)))
    assert (forced.generation, forced.fresh_from) == (2, 2)


def asked_for(bus: NatsBus) -> VideoRequested:
    return decode(VideoRequested, next(data for _, data in bus.read(WORK_STREAM, REQUESTED)))


def test_a_source_that_cannot_be_read_does_not_stop_its_neighbours(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    nowhere = str(recording.with_name("nope.ogg"))
    result = submit(settings, [nowhere, str(recording)], Selection(), wait=False, quiet=True)
    assert (result.requested, result.status) == (1, 3)
    assert [(one.name, one.error.code) for one in result.request.listing.problems] == [(nowhere, Code.BAD_URL)]
    assert asked_for(bus).source.url == str(recording)
    with pytest.raises(IngestError, match=r"nope\.ogg"):
        submit(settings, [nowhere], Selection(), wait=False, quiet=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_sources_are_listed_ends_at_once_and_requests_nothing(
    settings: AllSettings, bus: NatsBus, recording: Path, how: signal.Signals
) -> None:
    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            os.kill(os.getpid(), how)
            hung_up.wait(60)

        def log_message(self, *_args: object) -> None:
            pass

    hung_up = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    with serving(server):
        local = settings.model_copy(update={"allowed_hosts": "127.0.0.1"})
        feed = f"http://127.0.0.1:{server.server_port}/feed.xml"
        began = time.monotonic()
        result = submit(local, [str(recording), feed], Selection(), wait=False, quiet=True)
        assert time.monotonic() - began < 30
        hung_up.set()
    assert (result.status, result.requested, result.tally.total) == (130, 0, 0)
    assert bus.stored(WORK_STREAM) == 0


def test_a_recording_that_ended_unindexed_is_requested_at_its_new_address(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    ask(settings, recording)
    end(bus, EventKind.FAILED, Code.URL_NOT_ALLOWED)
    assert ask(settings, recording).requested == 0
    renamed = recording.rename(recording.with_name("talk, renamed.wav"))
    again = ask(settings, renamed)
    assert (again.requested, list(again.request.again)) == (1, [Reason.NEW_ADDRESS])
    assert (asked_for(bus).generation, asked_for(bus).source.url) == (2, str(renamed))
    end(bus, EventKind.INDEXED, Code.DIARIZATION_FAILED)
    assert ask(settings, renamed.rename(recording)).requested == 0


def test_what_failed_for_a_reason_that_may_pass_is_requested_again_by_the_next_listing(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    ask(settings, recording)
    end(bus, EventKind.FAILED, Code.NETWORK_ERROR)
    assert ask(settings, recording).requested == 1
    end(bus, EventKind.FAILED, Code.NETWORK_ERROR)
    waits = ask(settings, recording)
    assert (waits.requested, list(waits.request.again)) == (0, [Reason.WAITS])


def test_a_replayed_dead_letter_queues_the_video_as_it_was_requested(bus: NatsBus, database: Database) -> None:
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
    assert before.state == VideoState.FAILED

    assert replay(bus, None) == Replay([1], [])
    assert letters(bus) == {}
    assert [decode(VideoRequested, data) for _, data in bus.read(WORK_STREAM, REQUESTED)] == [ASKED]
    Ledger(bus, database).catch_up()
    row = Catalog(database).videos([ASKED.video_id])[ASKED.video_id]
    assert (row.state, row.generation, row.error_code) == (VideoState.QUEUED, 2, None)
    assert (row.fresh_from, row.policy, row.max_speakers) == (2, before.policy, 2)
    assert bus.lag("ledger", EVENT_STREAM).waiting == 0


def test_two_runs_that_name_one_recording_wait_for_the_same_generation(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    for name in ("first", "second"):
        submit(settings, [str(recording)], Selection(), wait=False, quiet=True, run_name=name)
    first, second = Recordings(bus, "first"), Recordings(bus, "second")
    assert first.read()
    assert second.read()
    assert first.videos == second.videos
    assert list(first.videos.values()) == [1]
    assert first.is_complete
    forced = submit(settings, [str(recording)], Selection(force=True), wait=False, quiet=True, run_name="third")
    assert forced.requested == 0, "it is queued"


def test_a_run_waits_for_the_generation_that_it_has_requested(
    settings: AllSettings, bus: NatsBus, recording: Path
) -> None:
    ask(settings, recording)
    end(bus, EventKind.SKIPPED, Code.TOO_LONG)
    submit(settings, [str(recording)], Selection(force=True), wait=False, quiet=True, run_name="again")
    recordings = Recordings(bus, "again")
    recordings.read()
    assert list(recordings.videos.values()) == [2]
