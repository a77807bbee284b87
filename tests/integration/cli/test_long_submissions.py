"""A submission of many recordings: page by page, so that memory holds a page, and what was requested stays so."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.runs import run, submissions
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.downloader.sources.connector import Recording
from ingest.embedder.tables.catalog import VideoRow
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.broker.topology import REQUESTED, WORK_STREAM
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Source, SourceKind, VideoRequested, decode
from ingest.shared.runs.record import Recordings
from ingest.shared.video_state import VideoRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.cli.runs.run import RunResult
    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

PAGE, MANY = 5, 40
CHANNEL = "https://www.youtube.com/@channel"
DESCRIPTIONS = {Recording, VideoRecord, VideoRow, VideoRequested}


def named(number: int) -> Recording:
    name = f"video{number:06}"
    source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={name}")
    return Recording(name, source, Metadata(title=f"Talk {number}", channel="Channel"))


@pytest.fixture
def ask(
    bus: NatsBus,  # noqa: ARG001 (must exist before a command connects)
    nats_server: EmbeddedNats,
    database: Database,  # noqa: ARG001 (the same)
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., RunResult]:
    """Return a submission of what a listing yields."""
    settings = AllSettings(
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=SecretStr(nats_server.password),
        database_url=SecretStr(database_url),
    )
    monkeypatch.setattr(run, "PAGE", PAGE)

    def submit(listed: Iterator[Recording], run_name: str | None = None) -> RunResult:
        monkeypatch.setattr(submissions, "recordings", lambda *_: listed)
        return run.submit(settings, [CHANNEL], Selection(), wait=False, quiet=True, run_name=run_name)

    return submit


def queued(bus: NatsBus) -> list[str]:
    return [decode(VideoRequested, data).video_id for _, data in bus.read(WORK_STREAM, REQUESTED)]


def in_memory() -> int:
    """Return how many objects there are that describe a recording."""
    return sum(type(one) in DESCRIPTIONS for one in gc.get_objects())


def test_memory_holds_a_page_of_a_listing_however_long_it_is(ask: Callable[..., RunResult], bus: NatsBus) -> None:
    seen = []

    def listed() -> Iterator[Recording]:
        for number in range(MANY):
            if number % (2 * PAGE) == 0 or number == MANY - 1:
                seen.append(in_memory())
            yield named(number)
        yield named(0)

    for requested in (MANY, 0):
        seen.clear()
        result = ask(listed(), "backfill")
        assert (result.request.requested, result.request.known, result.status) == (requested, MANY - requested, 0)
        assert result.request.listing.left_out[submissions.REPEATED].count == 1
        assert max(seen) - seen[0] <= 4 * PAGE, "of the page before listing, row and state, and the page that is listed"
    assert queued(bus) == [named(number).video_id for number in range(MANY)]
    named_ones = Recordings(bus, "backfill")
    named_ones.read()
    assert (len(named_ones.videos), named_ones.is_complete) == (MANY, True)


def test_pages_before_an_interruption_or_an_error_stay_requested(
    ask: Callable[..., RunResult], bus: NatsBus, database: Database
) -> None:
    def interrupted() -> Iterator[Recording]:
        yield from map(named, range(PAGE + 2))
        os.kill(os.getpid(), signal.SIGINT)

    def broken() -> Iterator[Recording]:
        yield from map(named, range(2 * PAGE + 2))
        raise IngestError(Code.SOURCE_UNAVAILABLE, "HTTP 503")

    first = ask(interrupted(), "backfill")
    assert (first.request.requested, first.status) == (PAGE, 130)
    Ledger(bus, database).catch_up()
    second = ask(broken())
    assert (second.request.requested, second.request.known, second.status) == (PAGE, PAGE, 3)
    assert [(one.name, one.error.code) for one in second.request.listing.problems] == [
        (CHANNEL, Code.SOURCE_UNAVAILABLE)
    ]
    assert len(queued(bus)) == 2 * PAGE
    of_the_run = Recordings(bus, "backfill")
    assert not of_the_run.read(), "its submission is not complete"
