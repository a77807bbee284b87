"""The views for analysts on a real Postgres: the queries of docs/sql.md, the answers of the API, and no secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.archive.model import Model
from ingest.archive.reading import Reading
from ingest.archive.web import inputs
from ingest.archive.web.library import Library
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.server import VIEWS
from ingest.shared.artifacts.volume import Volume
from ingest.shared.links import link
from tests.support.archive_rows import vectors
from tests.support.archive_server import FAILED, SECRET, TALK, fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.text_model.encoder import Vector

PAGE = (Path(__file__).parents[3] / "docs/sql.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADMIN = [text for kind, name, text in BLOCK.findall(PAGE) if (kind, name) == ("sql", "admin")]
QUERIES = [text for kind, name, text in BLOCK.findall(PAGE) if (kind, name) == ("sql", "")]
COLUMNS = "SELECT column_name, data_type, udt_name FROM information_schema.columns WHERE table_name = %s"
DATABASE = "test_sql_views"


class PlainEncoder:
    """A stand-in for the text model: these tests ask for words and rows, not for meaning."""

    key = "plain"
    dimensions = 8

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        return vectors(len(texts))


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres, volume: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a database with the archive of these tests."""
    with psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE ingest")
    url = postgres.url.replace("/ingest?", f"/{DATABASE}?")
    with _opened(url) as database:
        fill(database, Volume(volume), PlainEncoder(), tmp_path_factory.mktemp("files"))  # type: ignore[arg-type]
    return url


@pytest.fixture(scope="module")
def analyst(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the role that docs/sql.md makes."""
    with psycopg.connect(url, autocommit=True) as owner:
        for statements in ADMIN:
            owner.execute(statements.encode())
        with psycopg.connect(make_conninfo(url, user="analyst"), autocommit=True) as connection:
            yield connection
        owner.execute("DROP OWNED BY analyst")
        owner.execute("DROP ROLE analyst")


def _opened(url: str) -> Database:
    return Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="test").open()


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_each_query_of_the_page_answers(analyst: psycopg.Connection[tuple[Any, ...]], query: str) -> None:
    assert analyst.execute(query.encode()).fetchall()


def test_the_page_has_a_dozen_queries() -> None:
    assert len(QUERIES) >= 12
    assert len(ADMIN) == 1


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_names_each_column_with_its_type(analyst: psycopg.Connection[tuple[Any, ...]], view: str) -> None:
    table = PAGE.partition(f"| `{view}` | type |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [re.fullmatch(r"\| (.*?) \| (.*?) \|.*", row) for row in table]
    named = {name: row[2] for row in rows if row for name in re.findall(r"`(\w+)`", row[1])}
    found = {
        name: udt_name[1:] + "[]" if kind == "ARRAY" else kind
        for name, kind, udt_name in analyst.execute(COLUMNS, (view,)).fetchall()
    }
    assert named == found


def test_the_views_answer_what_the_api_answers(analyst: psycopg.Connection[tuple[Any, ...]], url: str) -> None:
    with _opened(url) as database:
        library = Library(Reading(database), Volume(Path("/nowhere")), Model(PlainEncoder))  # type: ignore[arg-type]
        recordings = library.recordings(inputs.RecordingsInput()).recordings
        passages = library.transcript(TALK, inputs.TranscriptInput()).passages
        speakers = library.speakers().speakers
    rows = _rows(analyst, "SELECT *, recording AS id FROM archive_recordings ORDER BY recording DESC")
    _assert_same(rows, recordings, "id title channel published_at duration_s language state code passages link")
    rows = _rows(analyst, "SELECT * FROM archive_passages ORDER BY index")
    _assert_same(rows, passages, "index start_s end_s text speaker score is_overlap also_speaking")
    _assert_same(_rows(analyst, "SELECT * FROM archive_speakers"), speakers, "speaker recordings passages seconds")
    assert {one.id for one in recordings} == {TALK, FAILED}
    assert speakers


def _assert_same(rows: Sequence[dict[str, Any]], answers: Sequence[object], fields: str) -> None:
    names = fields.split()
    assert [[row[name] for name in names] for row in rows] == [
        [_plain(getattr(one, name)) for name in names] for one in answers
    ]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _rows(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return cursor.execute(query.encode()).fetchall()


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_shows_a_secret(analyst: psycopg.Connection[tuple[Any, ...]], view: str) -> None:
    rows = analyst.execute(f"SELECT v::text FROM {view} AS v".encode()).fetchall()  # noqa: S608 (of a constant)
    assert rows
    assert SECRET not in str(rows)


@pytest.mark.parametrize("table", ["videos", "segments", "events_set_aside"])
def test_a_role_with_the_views_alone_reads_no_table(analyst: psycopg.Connection[tuple[Any, ...]], table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied for table {table}"):
        analyst.execute(f"SELECT * FROM {table}".encode())  # noqa: S608 (of a constant)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("file", "/talks/C# 100%, Why?.mp3"),
        ("file", "/talks/für \U0001f600~_x-y.mp3"),
        ("media", "https://h/a.mp3"),
        ("media", "https://h/a.mp3#t=9"),
        ("media", "https://me:hunter2@h:8443/ü b\x1b.mp3"),
        ("media", "HTTPS://me:p@ss@h/%20.mp3"),
        ("media", "https://h/of/https://me:hunter2@other/a.mp3"),
        ("media", ""),
        ("", "https://me@h/a.mp3"),
    ],
)
def test_a_link_is_that_of_all_other_places(
    analyst: psycopg.Connection[tuple[Any, ...]], kind: str, address: str
) -> None:
    for second in (0.0, 0.2, 61.9, 62.2):
        found = analyst.execute("SELECT archive_link(%s, %s, %s)", (kind, address, second)).fetchone()
        assert found == (link(kind, address, second),)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("media", "https://h/a.mp3?token=hunter2#hunter2"),
        ("media", "https://h/a.mp3?e=1?x=hunter2"),
        ("youtube", "https://me:hunter2@www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ&key=hunter2"),
        ("vimeo", "https://vimeo.com/1?h=hunter2"),
    ],
)
def test_a_link_has_neither_login_nor_query(
    analyst: psycopg.Connection[tuple[Any, ...]], kind: str, address: str
) -> None:
    ((shown,),) = analyst.execute("SELECT archive_link(%s, %s, 1.5)", (kind, address)).fetchall()
    assert "hunter2" not in shown
    assert shown.endswith("***&t=1s" if kind == "youtube" else "***#t=1")


def test_a_recording_without_address_has_no_link(analyst: psycopg.Connection[tuple[Any, ...]]) -> None:
    assert analyst.execute("SELECT archive_link('media', NULL, 1)").fetchone() == (None,)
