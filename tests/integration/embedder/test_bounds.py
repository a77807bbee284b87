"""No text, time or number of a source can stop an archive: neither one of today nor one that is stored already."""

from __future__ import annotations

import hashlib
import json
import random
import string
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from ingest.cli.runs.submissions import build_request
from ingest.cli.selection import Selection
from ingest.downloader.sources.feed import episodes
from ingest.downloader.sources.feeds.reader import parsed
from ingest.downloader.sources.feeds.transfer import Page
from ingest.downloader.sources.listing import Listing
from ingest.downloader.sources.ytdlp import announced_in
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import RECORD, TABLE, migrate, migrations
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import fold_or_set_aside
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.broker.requests import build_repetition, each_request
from ingest.shared.errors import IngestError
from ingest.shared.messages import Event, EventKind, Metadata, Stage, encode
from tests.support.archive_rows import execute, passage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.text_model.encoder import Vector

NOW = datetime.now(UTC)
OLD = "0007"  # the last migration before texts and times were bounded
NOISE = "".join(random.Random(1).choices(string.ascii_letters, k=4000))  # noqa: S311 (text that does not compress)
NEXT = "nextvideo01"


class TinyEncoder:
    """A text model of eight numbers: what is searched for here is found by words."""

    key, content_id, dimensions = "tiny", "0" * 40, 8

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: list[str]) -> list[Vector]:
        """Return the same vector for every text."""
        return [np.full(8, 8**-0.5, dtype=np.float32) for _ in texts]


def search(database: Database) -> Search:
    return Search(database, TinyEncoder())  # type: ignore[arg-type] # the part of an encoder that a search needs


def assert_that_the_archive_works(database: Database) -> None:
    """Do what `status`, `search`, `retry` and a run of the next source do with the rows."""
    catalog = Catalog(database)
    catalog.totals()
    catalog.device_seconds()
    rows = catalog.chosen()
    assert {(row.published_at or NOW).tzinfo for row in rows} | {row.updated_at.tzinfo for row in rows} <= {UTC}
    for request in each_request(rows, build_repetition):
        encode(request)
    for question in (Question("ship"), Question("ship", channel=NOISE), Question("ship", speaker=NOISE)):
        search(database).ask(question)
    known = catalog.videos([NEXT]).get(NEXT)
    generation = known.generation + 1 if known else 1
    told = {"video_id": NEXT, "generation": generation, "stage": "check", "kind": "submitted", "at": f"{NOW}"}
    fold_or_set_aside(database, [((2**40, generation), json.dumps(told).encode())])
    assert catalog.videos([NEXT])[NEXT].generation == generation
    store = Store(database, "tiny", 8)
    store.replace(Rows(NEXT, generation, "en", [passage(0, "The captain steers the ship.")], TinyEncoder().run([""])))
    assert NEXT in {hit.video_id for hit in search(database).ask(Question("ship"))}


# -- archives of earlier versions -------------------------------------------------------------------------------------


@pytest.fixture
def old_archive(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """An empty archive with the schema of an earlier version, in a database whose zone is that of New York."""
    with psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS old_archive")
        connection.execute("CREATE DATABASE old_archive")
        connection.execute("ALTER DATABASE old_archive SET timezone = 'America/New_York'")
    url = postgres.url.replace("/ingest?", "/old_archive?")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.encode())
        for name, text in migrations():
            if name[:4] <= OLD:
                connection.execute(text.encode())
                connection.execute(RECORD.encode(), (name, hashlib.sha256(text.encode()).hexdigest()))
    with Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="old").open() as database:
        yield database


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("published_at", "0001-01-01 00:00Z", id=".NET's empty date"),
        pytest.param("published_at", "0001-12-31 10:00Z BC", id="a date before the calendar"),
        pytest.param("published_at", "infinity", id="no date"),
        pytest.param("updated_at", "-infinity", id="changed at no time"),
        pytest.param("asked_at", "20000-01-01 00:00Z", id="asked for after the calendar"),
        pytest.param("retry_at", "294276-12-31 00:00Z", id="waits for ever"),
        pytest.param("duration_s", "1e308", id="longer than time"),
        pytest.param("duration_s", "NaN", id="a length that is no number"),
        pytest.param("generation", str(2**63 - 1), id="the last generation of the database"),
        pytest.param("title", NOISE * 100, id="endless title"),
        pytest.param("channel", "x" * 4000, id="endless channel"),
        pytest.param("source_url", "http://h/\\x1b[2J", id="escape sequence in the address"),
        pytest.param("figures", '{"asr.gpu_busy_s": 1e308, "asr.took_s": 2.5}', id="endless figure"),
        pytest.param("figures", '{"check.x": "no number"}', id="a figure that is text"),
    ],
)
def test_an_archive_that_was_stuck_opens_again(old_archive: Database, column: str, value: str) -> None:
    with old_archive.transaction() as connection:
        for video_id in ("stuck000001", "stuck000002"):
            query = f"INSERT INTO videos (video_id, source_kind, {column}) VALUES (%s, 'media', %s)"  # noqa: S608 (a constant)
            connection.execute(query.encode(), (video_id, value))
        connection.execute("UPDATE videos SET source_url = coalesce(source_url, 'http://h/a.mp3')")
    assert migrate(old_archive) != []
    assert_that_the_archive_works(old_archive)


def test_ordinary_rows_are_left_as_they_are(old_archive: Database) -> None:
    execute(
        old_archive,
        """INSERT INTO videos (video_id, title, channel, published_at, duration_s, figures, updated_at) VALUES
        ('fine0000001', 'A talk', 'Talks', '2026-01-02Z', 60, '{"asr.took_s": 12.345678901234567}', '2026-01-02Z')""",
    )
    before = "SELECT ctid, title, channel, published_at, duration_s, figures::text FROM videos"
    with old_archive.transaction() as connection:
        rows = connection.execute(before).fetchall()
    migrate(old_archive)
    with old_archive.transaction() as connection:
        assert connection.execute(before).fetchall() == rows


# -- what comes in today ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filtered", "index"),
    [(Question("x", channel="Talks"), "videos_channel"), (Question("x", speaker="Ann"), "segments_speaker")],
)
def test_the_filters_of_a_search_use_their_indexes(
    database: Database, database_url: str, wait_until: Callable[..., None], filtered: Question, index: str
) -> None:
    execute(
        database, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$"
    )
    with Database(SecretStr(database_url), password=None, size=1, timeout_s=20.0, name="other").open() as other:
        search(other).ask(filtered)

    def is_used() -> bool:
        with database.transaction() as connection:
            counted = "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = %s"
            return connection.execute(counted, (index,)).fetchone() == (True,)

    wait_until(is_used)


def test_a_time_that_python_cannot_hold_is_read_as_the_nearest(database: Database) -> None:
    execute(
        database,
        "INSERT INTO videos (video_id, published_at, updated_at) VALUES ('a0000000000', '-infinity', 'infinity')",
    )
    row = Catalog(database).videos(["a0000000000"])["a0000000000"]
    assert (row.published_at, row.updated_at.year) == (datetime(1, 1, 1, tzinfo=UTC), 9999)
    assert row.as_record().metadata == Metadata()


texts = st.text(st.characters(categories=None), max_size=30) | st.sampled_from(
    [NOISE, NOISE * 50, "\\x1b[2J", "\\0", "\\ud800"]
)
times = st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", -1e20, 2**70]) | texts
numbers = st.floats() | st.integers() | st.sampled_from([2**53, 2**63, 10**400, 1e308, -1e308])
anything = st.none() | st.booleans() | numbers | texts | times | st.lists(numbers, max_size=2)
FINE: dict[str, Any] = {
    "video_id": "hostile0001",
    "generation": 1,
    "stage": "check",
    "kind": "submitted",
    "at": "2026-01-02T00:00:00Z",
    "attempt": 1,
    "worker": "",
    "code": None,
    "text": "",
    "retry_at": None,
    "fresh_from": 0,
    "source": {"kind": "media", "url": "http://example.org/a.mp3"},
    "metadata": {
        "title": "t",
        "channel": "c",
        "published_at": "2026-01-02T00:00:00Z",
        "duration_s": 1.0,
        "min_speakers": 1,
        "given_language": "de",
        "likely_language": "de",
    },
    "policy": {"min_duration_s": 1.0, "max_duration_s": 2.0, "published_after": "2026-01-02T00:00:00Z"},
    "numbers": {"took_s": 1.0, "gpu_busy_s": 1.0},
}
FIELDS = [(name,) for name in FINE] + [
    (name, inner) for name, value in FINE.items() if isinstance(value, dict) for inner in value
]
cheap = settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink an example takes minutes here
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@cheap
@given(data=st.data())
def test_an_archive_outlives_whatever_an_event_says(database: Database, data: st.DataObject) -> None:
    said: dict[str, Any] = json.loads(json.dumps(FINE))
    for path in data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4)):
        inner = said if len(path) == 1 else said[path[0]]
        if isinstance(inner, dict):
            inner[path[-1]] = data.draw(anything)
    fold_or_set_aside(database, [((1, data.draw(st.integers(1, 10**6))), json.dumps(said).encode())])
    assert_that_the_archive_works(database)


@cheap
@given(
    title=texts,
    channel=texts,
    guid=texts,
    date=texts | st.sampled_from(["Mon, 01 Jan 0001 00:00:00 GMT"]),
    url=texts,
    length=texts,
)
def test_an_archive_outlives_whatever_a_feed_says(database: Database, **said: str) -> None:
    item = (
        "<title>{title}</title><guid>{guid}</guid><pubDate>{date}</pubDate><itunes:duration>{length}</itunes:duration>"
    )
    feed = (
        "<rss><channel><title>{channel}</title><item>"
        + item
        + '<enclosure url="http://h/{url}"/></item></channel></rss>'
    )
    escaped = {
        name: text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") for name, text in said.items()
    }
    try:
        page = Page("http://h/feed.xml", feed.format(**escaped).encode(errors="surrogatepass"))
        found = list(episodes(page.address, parsed(page), Listing()))
    except IngestError:
        return
    for number, recording in enumerate(found):
        submit(database, number, build_request(recording, Selection(), 1))
    assert_that_the_archive_works(database)


@cheap
@given(
    info=st.dictionaries(
        st.sampled_from(["title", "channel", "uploader", "timestamp", "upload_date", "duration"]), anything
    )
)
def test_an_archive_outlives_whatever_a_site_says(database: Database, info: dict[str, Any]) -> None:
    event = Event.model_validate(FINE | {"metadata": announced_in(info).metadata})
    fold_or_set_aside(database, [((1, 1), encode(event))])
    assert_that_the_archive_works(database)


def submit(database: Database, number: int, message: Any) -> None:  # noqa: ANN401 (any request)
    event = Event(
        video_id=message.video_id,
        generation=1,
        stage=Stage.CHECK,
        kind=EventKind.SUBMITTED,
        at=datetime.now(UTC),
        source=message.source,
        metadata=message.metadata,
    )
    fold_or_set_aside(database, [((1, number + 1), encode(event))])
    assert message.video_id in Catalog(database).videos([message.video_id])
