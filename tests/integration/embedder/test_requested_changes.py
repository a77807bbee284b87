"""What readers of the archive want changed: carried out once, with a result that the page can read."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.embedder.requested_changes import Changes, Tools
from ingest.embedder.tables import changes
from ingest.embedder.tables.ledger import write_events
from ingest.shared.broker.topology import CHANGE_REQUESTED, CHANGE_STREAM, CHANGES, WORK_STREAM
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import ChangeRequested, EventKind, Retry, VideoRequested, decode, encode
from tests.support.archive_rows import VIDEO, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

WISH = "wish_000001"
LIMIT_S = 20.0


@pytest.fixture
def ask(bus: NatsBus, database: Database) -> Iterator[Callable[..., changes.Outcome]]:
    """A function that asks for a change and waits for its result, beside the service that carries changes out."""
    write_events(database, [(event(EventKind.SUBMITTED), (1, 1))])
    write_events(database, [(event(EventKind.FAILED, code=Code.NETWORK_TIMEOUT), (1, 2))])
    service = Changes(Tools(bus, database, lambda: pytest.fail("no text model is needed")))
    service.start()

    def wait(change: Retry, change_id: str = WISH) -> changes.Outcome:
        asked = ChangeRequested(change_id=change_id, at=datetime.now(UTC), change=change)
        bus.publish(CHANGE_REQUESTED, encode(asked), f"{change_id}:{time.monotonic_ns()}")
        deadline = time.monotonic() + LIMIT_S
        while (found := changes.outcome(database, change_id)) is None or bus.lag(CHANGES, CHANGE_STREAM).in_flight:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found

    yield wait
    service.stop()


def requested(bus: NatsBus) -> list[VideoRequested]:
    return [decode(VideoRequested, data) for _, data in bus.read(WORK_STREAM, "ingest.>")]


@pytest.mark.parametrize(
    ("change", "result", "generations"),
    [
        pytest.param(Retry(code=Code.NETWORK_TIMEOUT), "1 recording is requested again", [2], id="by reason"),
        pytest.param(Retry(videos=(VIDEO,)), "1 recording is requested again", [2], id="by id"),
        pytest.param(Retry(code=Code.NOT_AUDIO), "0 recordings are requested again", [], id="none has this reason"),
    ],
)
def test_failures_are_requested_again(
    ask: Callable[..., changes.Outcome], bus: NatsBus, change: Retry, result: str, generations: list[int]
) -> None:
    found = ask(change)
    assert (found.is_done, found.result) == (True, result)
    assert [message.generation for message in requested(bus)] == generations


def test_a_change_that_cannot_be_made_is_refused_with_the_reason(ask: Callable[..., changes.Outcome]) -> None:
    found = ask(Retry(videos=("unknown_001",)))
    assert (found.is_done, found.result) == (False, "the archive has no video unknown_001")


def test_a_wish_that_is_delivered_twice_is_done_once(ask: Callable[..., changes.Outcome], bus: NatsBus) -> None:
    first = ask(Retry(videos=(VIDEO,)))
    assert ask(Retry(videos=("unknown_001",))) == first
    assert len(requested(bus)) == 1


def test_an_unreadable_wish_stops_none_behind_it(ask: Callable[..., changes.Outcome], bus: NatsBus) -> None:
    bus.publish(CHANGE_REQUESTED, b'{"change_id": 1}', "unreadable")
    assert ask(Retry(videos=(VIDEO,))).is_done


@pytest.mark.parametrize("fields", [{}, {"videos": [VIDEO], "code": "NOT_AUDIO"}, {"videos": ["../x"]}, {"code": "X"}])
def test_a_wish_names_either_recordings_or_a_reason(fields: dict[str, object]) -> None:
    asked = {"change_id": WISH, "at": "2026-11-01T12:00:00Z", "change": {"kind": "retry", **fields}}
    with pytest.raises(IngestError) as refused:
        decode(ChangeRequested, str(asked).replace("'", '"').encode())
    assert refused.value.code is Code.BAD_FIELD
