"""Carries out what readers of the archive want changed, one wish after the other.

    page ─ ChangeRequested ─► INGEST_CHANGES ─► carry_out ─► table `changes` ─► page

The page has no right to write; its message is all that it can do. A new kind of wish is a model in `messages` and a
case in `carry_out`. A wish that is delivered twice is done once: its result is stored under its id. `requested_names`
has those about speakers, `requested_words` those about words.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder import requested_names, requested_words
from ingest.embedder.tables import changes, corrections
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.changes import Outcome
from ingest.shared.broker import requests
from ingest.shared.broker.bus import FETCH_WAIT_S, BusError, BusRefusedError
from ingest.shared.broker.topology import CHANGE_STREAM, CHANGES
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.loop_thread import LoopThread
from ingest.shared.messages import (
    ChangeRequested,
    CorrectWords,
    MergeSpeakers,
    NameSpeaker,
    Retry,
    UndoCorrection,
    UndoStatement,
    decode,
)
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.bus import Delivery
    from ingest.shared.broker.nats_bus import NatsBus

TROUBLE_WAIT_S = 2.0
LONGEST_S = 600.0  # of a change
RETRIED = (VideoState.FAILED, VideoState.SKIPPED)

log = get_logger(__name__)


@dataclass(frozen=True)
class Tools:
    """What changes are carried out with. `rebuilder` may wait until the text model is loaded."""

    bus: NatsBus
    database: Database
    rebuilder: Callable[[], Rebuilder]


class Changes:
    """Carries out changes in a thread."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._bus = tools.bus
        self._database = tools.database
        self._thread = LoopThread("changes", self._step)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present change."""
        self._thread.stop()
        self._thread.drain(time.monotonic() + FETCH_WAIT_S * 5)

    def _step(self) -> float:
        try:
            delivery = self._bus.fetch(CHANGES, CHANGE_STREAM, FETCH_WAIT_S)
            if delivery is not None:
                self._answer(delivery)
        except (BusError, IngestError) as error:
            log.warning("changes_wait", error=str(error))
            return TROUBLE_WAIT_S
        except Exception:  # the thread must outlive a fault of ours
            log.exception("changes_failed")
            return TROUBLE_WAIT_S
        return 0.0

    def _answer(self, delivery: Delivery) -> None:
        """Carry out a change, store its result and acknowledge it; an unreadable one is only logged."""
        self._bus.keep_alive(delivery, LONGEST_S)
        try:
            try:
                asked = decode(ChangeRequested, delivery.data)
            except IngestError as error:
                log.warning("change_unreadable", code=error.code, error=error.message)
            else:
                self._settle(asked)
            self._bus.ack(delivery)
        finally:
            self._bus.release(delivery)

    def _settle(self, asked: ChangeRequested) -> None:
        if changes.outcome(self._database, asked.change_id) is not None:
            return
        found = carry_out(self._tools, asked)
        video = video_of(asked)
        changes.store(self._database, asked.change_id, found, video)
        known = {"change_id": asked.change_id, "kind": asked.change.kind, "video_id": video}
        log.info("change", **known, done=found.is_done, result=found.result)


def video_of(asked: ChangeRequested) -> str | None:
    """Return the one video that a wish is about; None for a wish about several."""
    return None if isinstance(asked.change, Retry) else asked.change.video


def carry_out(tools: Tools, asked: ChangeRequested) -> Outcome:
    """Carry out a change. Raise the error when a server is not available: then the change is tried again."""
    try:
        match asked.change:
            case Retry() as change:
                return Outcome(True, _retried(tools.bus, Catalog(tools.database), change))
            case NameSpeaker() | MergeSpeakers() | UndoStatement() as change:
                by = corrections.author(asked.author, f"change {asked.change_id}")
                return requested_names.carry_out(tools.rebuilder(), change, by)
            case CorrectWords() | UndoCorrection() as change:
                by = corrections.author(asked.author, f"change {asked.change_id}")
                return requested_words.carry_out(tools.rebuilder(), change, by)
    except IngestError as error:
        if error.code.startswith("ENV_"):
            raise
        return Outcome(False, shorten(error.message))
    except (ConfigurationError, BusRefusedError) as error:
        return Outcome(False, shorten(str(error)))


def _retried(bus: NatsBus, catalog: Catalog, change: Retry) -> str:
    count = request_again(bus, catalog, videos=change.videos, codes=[change.code] if change.code else None)
    return f"{count} {'recording is' if count == 1 else 'recordings are'} requested again"


def request_again(
    bus: NatsBus, catalog: Catalog, *, codes: list[str] | None, videos: tuple[str, ...] | list[str] | None
) -> int:
    """Request videos again: those named, failed and skipped ones with an error code, or all failed ones.

    Return how many were requested; raise ConfigurationError for a video that is not in the archive.
    """
    if videos:
        rows: Iterable[VideoRow] = catalog.named(videos)
    else:
        rows = catalog.each(states=RETRIED if codes else (VideoState.FAILED,), codes=codes)
    count = 0
    for request in requests.each_request(rows, requests.build_repetition):
        requests.publish(bus, request)
        count += 1
    return count
