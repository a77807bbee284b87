"""Several ledgers write the same table; the result does not depend on their order."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.embedder.tables import ledger
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.about import About, DateSource
from ingest.shared.errors import Code
from ingest.shared.messages import Event, EventKind, Metadata, Policy, Source, SourceKind, Stage
from ingest.shared.video_state import VideoState, fold

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database
    from ingest.shared.video_state import Position, VideoRecord

VIDEO = "abcdefghijk"
TOGETHER_S = 1.0


def event(kind: EventKind, **details: object) -> Event:
    known = {"video_id": VIDEO, "generation": 1, "stage": Stage.CHECK, "kind": kind, "at": datetime.now(UTC)}
    return Event.model_validate(known | details)


@pytest.mark.parametrize("late", [0, 1], ids=["first event late", "last event late"])
def test_the_first_events_of_a_video_may_reach_two_ledgers_at_once(database: Database, late: int) -> None:
    events = [
        event(
            EventKind.SUBMITTED,
            source=Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3"),
            metadata=Metadata(title="A talk"),
            policy=Policy(max_duration_s=60.0),
        ),
        event(EventKind.FAILED, code=Code.NOT_AUDIO),
    ]
    both = threading.Barrier(2)

    def fold_together(known: VideoRecord, one: Event, position: Position) -> VideoRecord:
        with suppress(threading.BrokenBarrierError):
            both.wait(TOGETHER_S)
        return fold(known, one, position)

    threads = [
        threading.Thread(
            target=ledger.write_events, args=(database, [(events[number], (1, number + 1))], fold_together)
        )
        for number in (1 - late, late)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = Catalog(database).videos([VIDEO])[VIDEO]
    assert (row.state, row.error_code, row.event_sequence) == (VideoState.FAILED, Code.NOT_AUDIO, 2)
    assert (row.title, row.policy["max_duration_s"], row.source_kind) == ("A talk", 60.0, "media")


def test_what_a_source_says_for_readers_stays_when_later_events_do_not_repeat_it(database: Database) -> None:
    day, about = datetime(2024, 5, 3, tzinfo=UTC), About(description="Of ships", episode=3)
    said = Metadata(published_at=day, date_source=DateSource.NAME, about=about)
    inside = Metadata(published_at=day.replace(year=2023), date_source=DateSource.FILE)
    ledger.write_events(database, [(event(EventKind.SUBMITTED, metadata=said), (1, 1))])
    ledger.write_events(database, [(event(EventKind.FINISHED, metadata=inside), (1, 2))])
    catalog = Catalog(database)
    row = catalog.videos([VIDEO])[VIDEO]
    assert (row.published_at, row.date_source) == (inside.published_at, "file")
    assert catalog.about(VIDEO) == {"description": "Of ships", "episode": 3}
    assert row.as_record().metadata.date_source is DateSource.FILE
