"""The ledger: folds the events of all stages into the table `videos`, one row for each video.

Runs in the embedder, the only service that connects to the database. Events are fetched in groups, folded by
`ingest.shared.video_state.fold`, written in one transaction and then acknowledged. An event that is delivered twice
changes nothing. An event that cannot be written is set aside (`set_aside`), and the others of its group are written.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingest.embedder.tables import accounts, catalog, set_aside
from ingest.embedder.tables.catalog import VideoRow
from ingest.embedder.tables.set_aside import RefusedEvent
from ingest.shared.broker.bus import FETCH_WAIT_S, BusError, Delivery
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.errors import IngestError, Outcome
from ingest.shared.loop_thread import LoopThread
from ingest.shared.messages import Event, decode
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import Position, VideoRecord, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import ListingAccount

GROUP = 100
TROUBLE_WAIT_S = 2.0
COLUMNS = """video_id, generation, state, stage, attempts, error_code, error_message, retry_at, source_kind, source_url,
    title, channel, published_at, duration_s, min_speakers, max_speakers, given_language, likely_language,
    date_source, about, policy, fresh_from, figures, asked_at, event_epoch, event_sequence, updated_at"""
ENSURE = "INSERT INTO videos (video_id) SELECT unnest(%s::text[]) ON CONFLICT (video_id) DO NOTHING"
READ = f"SELECT {catalog.COLUMNS} FROM videos WHERE video_id = ANY(%s) ORDER BY video_id FOR UPDATE"  # noqa: S608 (constants only)
WRITE = f"""
INSERT INTO videos ({COLUMNS}) VALUES (%(video_id)s, %(generation)s, %(state)s, %(stage)s, %(attempts)s, %(code)s,
    %(message)s, %(retry_at)s, %(source_kind)s, %(source_url)s, %(title)s, %(channel)s, %(published_at)s,
    %(duration_s)s, %(min_speakers)s, %(max_speakers)s, %(given_language)s, %(likely_language)s,
    %(date_source)s, %(about)s, %(policy)s, %(fresh_from)s, %(figures)s, %(asked_at)s, %(epoch)s, %(sequence)s,
    %(updated_at)s)
ON CONFLICT (video_id) DO UPDATE SET generation = EXCLUDED.generation, state = EXCLUDED.state, stage = EXCLUDED.stage,
    attempts = EXCLUDED.attempts, error_code = EXCLUDED.error_code, error_message = EXCLUDED.error_message,
    retry_at = EXCLUDED.retry_at, source_kind = EXCLUDED.source_kind, source_url = EXCLUDED.source_url,
    title = EXCLUDED.title, channel = EXCLUDED.channel, published_at = EXCLUDED.published_at,
    duration_s = EXCLUDED.duration_s, min_speakers = EXCLUDED.min_speakers, max_speakers = EXCLUDED.max_speakers,
    given_language = EXCLUDED.given_language, likely_language = EXCLUDED.likely_language,
    date_source = EXCLUDED.date_source, about = coalesce(EXCLUDED.about, videos.about),
    policy = EXCLUDED.policy, fresh_from = EXCLUDED.fresh_from, figures = EXCLUDED.figures,
    asked_at = EXCLUDED.asked_at, event_epoch = EXCLUDED.event_epoch, event_sequence = EXCLUDED.event_sequence,
    updated_at = EXCLUDED.updated_at
"""  # noqa: S608 (constants only)
REFUSALS = (IngestError, ValueError, TypeError, ArithmeticError)

log = get_logger(__name__)


class Ledger:
    """Folds events in a thread."""

    def __init__(self, bus: NatsBus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._thread = LoopThread("ledger", self._step)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current group."""
        self._thread.stop()
        self._thread.drain(time.monotonic() + FETCH_WAIT_S * 5)

    def catch_up(self, patience_s: float = 0.0) -> None:
        """Fold all pending events in the calling thread (instead of `start`).

        Events that another ledger has taken and not acknowledged are waited for, at most for `patience_s`: it folds
        them, or it has ended and they are pending again after the broker's ack wait.
        """
        deadline = time.monotonic() + patience_s
        while (lag := self._bus.lag(LEDGER, EVENT_STREAM)).waiting or (lag.in_flight and time.monotonic() < deadline):
            self._fold(self._take())

    def _step(self) -> float:
        try:
            self._fold(self._take())
        except (BusError, IngestError) as error:
            log.warning("ledger_waits", error=str(error))
            return TROUBLE_WAIT_S
        except Exception:  # the thread must outlive a fault of ours: no other keeps the table
            log.exception("ledger_failed")
            return TROUBLE_WAIT_S
        return 0.0

    def _fold(self, group: list[Delivery]) -> None:
        if not group:
            return
        epoch, _ = self._bus.position(EVENT_STREAM)
        fold_or_set_aside(self._database, [((epoch, item.sequence), item.data) for item in group])
        self._bus.ack_group(group)

    def _take(self) -> list[Delivery]:
        return self._bus.fetch_group(LEDGER, EVENT_STREAM, GROUP, FETCH_WAIT_S)


def fold_or_set_aside(database: Database, messages: Iterable[tuple[Position, bytes]]) -> None:
    """Fold events into the table; set an event aside that cannot be read, or that the database refuses.

    Raise the error when the database is not available: then no event is to blame.
    """
    readable: list[tuple[Event, Position, bytes]] = []
    counted: list[ListingAccount] = []
    for position, data in messages:
        try:
            readable.append((decode(Event, data), position, data))
        except IngestError as error:
            account = accounts.account_in(data)
            if account is None:
                set_aside.store(database, RefusedEvent(position, str(error), data))
            else:
                counted.append(account)
    try:
        write_events(database, [(event, position) for event, position, _ in readable])
    except REFUSALS as error:
        _raise_unless_refused(error)
        for event, position, data in readable:
            _fold_alone(database, event, position, data)
    accounts.count(counted)  # last: a group comes again when the database is not available


def _fold_alone(database: Database, event: Event, position: Position, data: bytes) -> None:
    try:
        write_events(database, [(event, position)])
    except REFUSALS as error:
        _raise_unless_refused(error)
        set_aside.store(database, RefusedEvent(position, str(error), data, event.video_id))


def fold_again(database: Database, kept: RefusedEvent) -> str | None:
    """Fold an event that was set aside, at its own place in the stream; return the reason when it still cannot be.

    Raise the error when the database is not available.
    """
    try:
        if accounts.account_in(kept.data) is None:  # no event of a video: an older program set it aside
            write_events(database, [(decode(Event, kept.data), kept.position)])
    except REFUSALS as error:
        _raise_unless_refused(error)
        return "it is longer than what is kept of an event" if kept.is_cut else str(error)
    set_aside.mark_folded(database, kept.position)
    return None


def _raise_unless_refused(error: Exception) -> None:
    """Raise an error of the environment, which passes; any other is one of the event or of the row of its video."""
    if isinstance(error, IngestError) and error.rule.outcome is not Outcome.PERMANENT:
        raise error


def write_events(
    database: Database,
    events: Iterable[tuple[Event, Position]],
    fold: Callable[[VideoRecord, Event, Position], VideoRecord] = fold,
) -> None:
    """Fold events into the table, in one transaction.

    Rows are locked in the order of their ids, also new rows, since another ledger may fold events of the same videos.
    """
    events = list(events)
    ids = sorted({event.video_id for event, _ in events})
    with database.transaction() as connection:
        connection.execute(ENSURE, (ids,))
        rows: list[Any] = connection.execute(READ, (ids,)).fetchall()
        states = {row.video_id: _state(row) for row in (VideoRow(*columns) for columns in rows)}
        before = dict(states)
        for event, position in events:
            if event.video_id in states:  # the others were erased, and the table takes no row of them
                states[event.video_id] = fold(states[event.video_id], event, position)
        changed = [_parameters(state) for video_id, state in states.items() if state != before[video_id]]
        with connection.cursor() as cursor:
            cursor.executemany(WRITE, changed)


def _state(row: VideoRow) -> VideoRecord:
    return replace(row.as_record(), figures=row.figures, asked_at=row.asked_at, updated_at=row.updated_at)


def _parameters(state: VideoRecord) -> dict[str, object]:
    return {
        "video_id": state.video_id,
        "generation": state.generation,
        "state": state.state,
        "stage": state.stage,
        "attempts": state.attempts,
        "code": state.code,
        "message": state.message or None,
        "retry_at": state.retry_at,
        "source_kind": state.source.kind if state.source else None,
        "source_url": state.source.url if state.source else None,
        **dict(state.metadata),
        "about": None if state.metadata.about is None else state.metadata.about.model_dump_json(exclude_defaults=True),
        "policy": state.policy.model_dump_json(exclude_none=True),
        "fresh_from": state.fresh_from,
        "figures": json.dumps(state.figures),
        "asked_at": state.asked_at,
        "epoch": state.position[0],
        "sequence": state.position[1],
        "updated_at": state.updated_at,
    }
