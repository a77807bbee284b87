"""`ingest search` asks the `ingest serve` of its state folder, and answers by itself where there is none."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingest.archive.service import served
from ingest.archive.settings import ArchiveSettings
from ingest.cli.app import app
from ingest.cli.find import running_server
from ingest.cli.settings import AllSettings
from ingest.embedder.postgres import database
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load
from tests.support.archive_server import TALK, running
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.embedder.text_model.model_keys import TextModel

TOKEN = "s3cret"  # noqa: S105 (of this test)
DAY = datetime(2026, 10, 31, tzinfo=UTC)  # of the recording
QUESTION = Question("boats on the water", limit=2)


@pytest.fixture
def settings(tmp_path: Path) -> AllSettings:
    """The settings of a command on a state folder, whose path is longer than the address of a socket may be."""
    return load(AllSettings, state_path=tmp_path / ("state" * 30), archive_token=TOKEN)


@pytest.fixture(scope="module")
def serving(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AllSettings]:
    """The settings of a command on a state folder, on which a server of a filled archive runs."""
    settings = load(AllSettings, state_path=tmp_path_factory.mktemp("state"), archive_token=TOKEN)
    with _serving(settings, archive_url, archive_volume, archive_encoder):
        yield settings


@contextmanager
def _serving(settings: AllSettings, url: str, volume: Path, encoder: TextModel) -> Iterator[None]:
    chosen = load(ArchiveSettings, database_url=url, volume_path=volume, archive_port=0, archive_token=TOKEN)
    with (
        running_server.offered(settings) as also,
        served(chosen, lambda: encoder, also) as server,
        running(server) as ask,
    ):
        assert ask("/healthz").status == 200  # it serves the other socket, too
        yield


def sockets(settings: AllSettings) -> list[Path]:
    return list((settings.state_path / "locks").glob("*.socket"))


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        replace(QUESTION, channel="harbor talks", language="en", since=DAY, until=DAY + timedelta(days=1)),
        replace(QUESTION, until=DAY),
        replace(QUESTION, text="ship -boats", limit=50),
        replace(QUESTION, text='"the calm" Größe & 100% +?#'),
    ],
    ids=["words", "filters", "before its day", "most results", "letters of addresses"],
)
def test_the_server_gives_the_answers_that_the_command_computes(
    serving: AllSettings, archive_url: str, archive_encoder: TextModel, question: Question
) -> None:
    with database.connect(load(AllSettings, database_url=archive_url), size=1, name="test") as archive:
        found = running_server.ask(serving, question)
        assert found is not None
        assert found.hits == Search(archive, archive_encoder).ask(question)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["lines", "JSON"])
def test_the_command_prints_the_same_with_a_server_and_without(
    serving: AllSettings, archive_url: str, archive_volume: Path, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    monkeypatch.setenv("INGEST_ARCHIVE_TOKEN", TOKEN)
    monkeypatch.setenv("INGEST_VOLUME_PATH", str(archive_volume))
    command = ("search", "--channel", "Harbor Talks", "--until", "2026-10-31", *form, "boats", "on", "the", "water")
    asked = CommandLine().invoke(app, (*command, "--state", str(serving.state_path)))
    assert not (serving.state_path / "postgres").exists()  # it started no servers
    monkeypatch.setenv("INGEST_DATABASE_URL", archive_url)
    computed = CommandLine().invoke(app, command)
    assert asked.stdout == computed.stdout
    assert TALK in asked.stdout or "talk.ogg" in asked.stdout


def test_only_the_owner_opens_the_socket(serving: AllSettings) -> None:
    (place,) = sockets(serving)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"archive_token": None}, id="no token"),
        pytest.param({"embedding_model": "another"}, id="another text model"),
        pytest.param({"embedding_revision": "another"}, id="another revision of it"),
        pytest.param({"embedding_dimensions": 64}, id="shorter vectors"),
        pytest.param({"database_schema": "another"}, id="another archive"),
        pytest.param({"database_url": "postgresql://elsewhere/x"}, id="another database"),
    ],
)
def test_a_server_of_something_else_is_not_asked(serving: AllSettings, changes: dict[str, Any]) -> None:
    assert running_server.ask(serving.model_copy(update=changes), QUESTION) is None


@pytest.mark.parametrize(
    "question",
    [
        replace(QUESTION, limit=100),
        replace(QUESTION, speaker=""),
        replace(QUESTION, language="english"),
        replace(QUESTION, text="x" * 600),
    ],
    ids=["more results than it gives", "an empty name", "no code of a language", "a longer question than it takes"],
)
def test_a_question_that_the_server_refuses_is_left_to_the_command(serving: AllSettings, question: Question) -> None:
    assert running_server.ask(serving, question) is None


def test_a_server_is_asked_from_its_start_to_its_end(
    settings: AllSettings, archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    assert running_server.ask(settings, QUESTION) is None
    for _ in range(2):
        with _serving(settings, archive_url, archive_volume, archive_encoder):
            with running_server.offered(settings) as second:
                assert second is None
            assert running_server.ask(settings, QUESTION)
        assert sockets(settings) == []
        assert running_server.ask(settings, QUESTION) is None


def test_the_socket_of_a_server_that_was_killed_is_ignored_and_replaced(settings: AllSettings) -> None:
    with running_server.offered(settings):
        (place,) = sockets(settings)
        left = place.with_name("left")
        place.rename(left)
    left.rename(place)
    assert running_server.ask(settings, QUESTION) is None
    with running_server.offered(settings) as again:
        assert again is not None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n[]", id="other JSON"),
        pytest.param(b'HTTP/1.1 200 OK\r\n\r\n{"results": [{"start_s": 1}]}', id="results of another version"),
        pytest.param(b'HTTP/1.1 200 OK\r\n\r\n{"results": [', id="half an answer"),
    ],
)
def test_an_answer_that_cannot_be_read_is_left_to_the_command(settings: AllSettings, answer: bytes) -> None:
    with running_server.offered(settings) as listening:
        assert listening is not None
        listening.listen()
        thread = threading.Thread(target=_answer_once, args=(listening, answer))
        thread.start()
        assert running_server.ask(settings, QUESTION) is None
        thread.join()


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    with listening.accept()[0] as connection:
        connection.recv(10_000)
        connection.sendall(answer)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_socket_of_another_user_is_refused(settings: AllSettings) -> None:
    with running_server.offered(settings):
        os.chown(settings.state_path / "locks", 65534, 65534)
        with pytest.raises(ConfigurationError, match="belongs to"):
            running_server.ask(settings, QUESTION)
