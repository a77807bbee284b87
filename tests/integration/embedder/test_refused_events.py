"""An event that cannot be written stops neither those after it nor a command; it is folded when the fault is mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING

import pytest

from ingest.cli.app import app
from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.local.preparation import write_missed_events
from ingest.cli.runs.submissions import publish_account
from ingest.cli.upkeep.aside import Refusal, name, replay
from ingest.downloader.sources.listing import Listing
from ingest.embedder.tables import accounts, set_aside
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import Ledger, fold_or_set_aside
from ingest.embedder.tables.set_aside import RefusedEvent
from ingest.shared.bounds import MOST_REASONS
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER, event_subject
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import Event, EventKind, Metadata, Source, SourceKind, Stage, encode
from ingest.shared.telemetry import metrics
from ingest.shared.video_state import VideoState
from tests.support.archive_rows import execute
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus


def submitted(number: int, title: str = "A talk") -> bytes:
    event = Event(
        video_id=f"video{number:06}",
        generation=1,
        stage=Stage.CHECK,
        kind=EventKind.SUBMITTED,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        source=Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3"),
        metadata=Metadata(title=title),
    )
    return encode(event)


def reasons(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [str(row[0]) for row in connection.execute("SELECT reason FROM events_set_aside ORDER BY sequence")]


@pytest.fixture
def strict(database: Database) -> Database:
    """An archive that refuses one title: what it may refuse in another version is not known."""
    execute(database, "ALTER TABLE videos ADD CONSTRAINT fine CHECK (title <> 'refused')")
    return database


def test_an_event_that_cannot_be_written_is_set_aside_and_its_neighbours_are_written(
    strict: Database, bus: NatsBus
) -> None:
    for number, data in enumerate([submitted(1), submitted(2, "refused"), b"no event", b"{}", submitted(3)]):
        bus.publish(event_subject(Stage.CHECK), data, f"event {number}")
    Ledger(bus, strict).catch_up()
    assert set(Catalog(strict).videos(["video000001", "video000002", "video000003"])) == {"video000001", "video000003"}
    assert [reason.partition(":")[0] for reason in reasons(strict)] == ["BAD_SEGMENT", "BAD_MESSAGE", "BAD_FIELD"]
    assert set_aside.count(strict) == 3
    assert bus.lag(LEDGER, EVENT_STREAM).waiting == bus.lag(LEDGER, EVENT_STREAM).in_flight == 0


def test_the_row_of_another_program_sets_only_its_own_events_aside(database: Database) -> None:
    execute(database, "INSERT INTO videos (video_id, error_code) VALUES ('video000001', 'OF_ANOTHER_VERSION')")
    fold_or_set_aside(database, [((1, number), submitted(number)) for number in (1, 2)])
    assert Catalog(database).videos(["video000002"])["video000002"].title == "A talk"
    assert reasons(database) == ["BAD_FIELD: row of video000001: 'OF_ANOTHER_VERSION' is not a valid Code"]


def test_no_event_is_to_blame_for_a_database_that_is_not_available(database: Database) -> None:
    execute(database, "ALTER TABLE videos RENAME TO being_restored")
    with pytest.raises(IngestError) as waits:
        fold_or_set_aside(database, [((1, 1), submitted(1))])
    assert waits.value.code is Code.ENV_DB_UNAVAILABLE
    assert set_aside.count(database) == 0


def test_missed_events_that_cannot_be_written_bar_no_command(database: Database, bus: NatsBus) -> None:
    bus.publish(event_subject(Stage.CHECK), submitted(1), "event")
    execute(database, "ALTER TABLE videos RENAME TO being_restored")
    write_missed_events(bus, database)
    execute(database, "ALTER TABLE being_restored RENAME TO videos")
    assert Catalog(database).totals() == []


def left_out(database: Database, bus: NatsBus, *listings: Listing) -> dict[str, float]:
    """Return what the metric counts of listings whose accounts the ledger has read."""
    metrics.LEFT_OUT.clear()
    for listing in listings:
        publish_account(bus, listing)
    Ledger(bus, database).catch_up()
    (family,) = metrics.LEFT_OUT.collect()
    return {one.labels["reason"]: one.value for one in family.samples if one.name.endswith("_total")}


def test_what_listings_leave_out_is_counted_by_reason(database: Database, bus: NatsBus) -> None:
    podcast, folder, complete = Listing(), Listing(), Listing()
    podcast.leave_out("published before 2026-01-02", "An episode", 3)
    podcast.leave_out("item of a feed without audio or video")
    podcast.fail("http://example.org/gone.xml", IngestError(Code.SOURCE_UNAVAILABLE, "HTTP 410"))
    folder.leave_out("published before 2025-12-31", "A file")
    assert left_out(database, bus, podcast, folder, complete) == {
        "published before N": 4,
        "item of a feed without audio or video": 1,
        "not read: SOURCE_UNAVAILABLE": 1,
    }
    assert set_aside.count(database) == 0
    assert Catalog(database).totals() == []
    assert bus.stored(EVENT_STREAM) == len((podcast, folder))


def test_the_reasons_of_the_metric_have_a_bound(database: Database, bus: NatsBus) -> None:
    listings = []
    for number in range(3):
        listing = Listing()
        for letters in product("abcdef", repeat=3):
            listing.leave_out(f"{'xyz'[number]}{''.join(letters)}")
        listings.append(listing)
    counted = left_out(database, bus, *listings)
    assert len(counted) <= MOST_REASONS + 1
    assert counted[accounts.OTHER] > 0


@pytest.fixture
def mended(strict: Database, bus: NatsBus) -> Database:
    """An archive whose fault is mended, after which a later event of the same video was written."""
    for number, data in enumerate([submitted(1, "refused"), b"no event", submitted(2, "refused")]):
        bus.publish(event_subject(Stage.CHECK), data, f"event {number}")
    Ledger(bus, strict).catch_up()
    execute(strict, "ALTER TABLE videos DROP CONSTRAINT fine")
    bus.publish(event_subject(Stage.ASR), failed(2), "later")
    Ledger(bus, strict).catch_up()
    return strict


def failed(number: int) -> bytes:
    event = Event(
        video_id=f"video{number:06}",
        generation=1,
        stage=Stage.ASR,
        kind=EventKind.FAILED,
        at=datetime(2026, 1, 3, tzinfo=UTC),
        code=Code.NOT_AUDIO,
    )
    return encode(event)


def aside(database_url: str, nats: EmbeddedNats, *words: str) -> tuple[int, str]:
    servers = {
        "DATABASE_URL": database_url,
        "NATS_URL": nats.url,
        "NATS_USER": NATS_USER,
        "NATS_PASSWORD": nats.password,
    }
    variables = {f"INGEST_{name}": value for name, value in servers.items()}
    done = CommandLine(env={**variables, "COLUMNS": "300"}).invoke(app, ["aside", *words])
    return done.exit_code, done.output


def test_events_are_folded_again_each_at_its_place(mended: Database) -> None:
    done = replay(mended, None)
    assert (len(done.folded), [one.reason.partition(":")[0] for one in done.refused]) == (2, ["BAD_MESSAGE"])
    rows = Catalog(mended).videos(["video000001", "video000002"])
    first, second = rows["video000001"], rows["video000002"]
    assert (first.title, first.state) == ("refused", VideoState.QUEUED)
    assert (second.title, second.state, second.error_code) == ("refused", VideoState.FAILED, Code.NOT_AUDIO)
    assert set_aside.count(mended) == 1
    assert replay(mended, None).folded == []
    assert len(reasons(mended)) == 3  # what was folded stays as evidence


def test_an_event_that_is_not_there_is_named_before_anything_is_folded(mended: Database) -> None:
    (event, *_) = map(name, set_aside.waiting(mended))
    with pytest.raises(ConfigurationError, match="no event 7-1 is set aside"):
        replay(mended, [event, "7-1"])
    assert set_aside.count(mended) == 3
    assert replay(mended, [event]).folded == [event]


def test_no_event_is_folded_while_the_database_is_not_available(mended: Database) -> None:
    execute(mended, "ALTER TABLE videos RENAME TO being_restored")
    with pytest.raises(IngestError) as waits:
        replay(mended, None)
    assert waits.value.code is Code.ENV_DB_UNAVAILABLE
    assert set_aside.count(mended) == 3


def test_a_long_event_of_which_a_part_is_kept_says_so(database: Database) -> None:
    set_aside.store(database, RefusedEvent((7, 2), "BAD_VERSION: got 9", b"[" + b" " * 30_000))
    (refused,) = replay(database, None).refused
    assert refused == Refusal("7-2", "it is longer than what is kept of an event")


def test_the_commands_list_and_fold_events(mended: Database, database_url: str, nats_server: EmbeddedNats) -> None:
    status, listed = aside(database_url, nats_server, "list")
    assert (status, listed.count("BAD_SEGMENT"), listed.count("BAD_MESSAGE")) == (0, 2, 1), listed
    status, listed = aside(database_url, nats_server, "list", "--json")
    found = json.loads(listed)
    assert (status, [one["video_id"] for one in found]) == (0, ["video000001", None, "video000002"])
    assert found[1]["payload"] == "no event"
    status, said = aside(database_url, nats_server, "replay", found[0]["event"])
    assert (status, said.strip()) == (0, "1 folded, 0 still set aside")
    status, said = aside(database_url, nats_server, "replay", "--all", "--json")
    assert (status, json.loads(said)["folded"]) == (3, [found[2]["event"]])
    assert aside(database_url, nats_server, "replay")[0] == 2
    assert set_aside.count(mended) == 1
