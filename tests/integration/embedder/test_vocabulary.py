"""`ingest vocabulary` on a real database, volume and text model: entries reach the recognizer, and respell passages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ingest.archive.citing import Citing
from ingest.archive.reading import Reading
from ingest.cli.app import app
from ingest.embedder.tables.store import CorrectedMeanwhileError, Rows, Store
from ingest.shared.artifacts import transcript, vocabulary
from ingest.shared.artifacts.transcript import Wording
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.messages import Metadata, Source, SourceKind
from tests.support import archive_server
from tests.support.archive_rows import passage
from tests.support.archive_server import TALK
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.model_keys import TextModel

HEARD, RIGHT = "famous symphony", "Famous Sinfonietta"
SOURCE = Source(kind=SourceKind.MEDIA, url="https://reader:secret@podcast.example/talk.ogg")


@pytest.fixture
def volume(tmp_path: Path, database: Database, archive_encoder: TextModel) -> Volume:
    """A volume with the demonstration's conversation, which the database has, too."""
    made = Volume(tmp_path / "volume")
    archive_server.fill(database, made, archive_encoder, tmp_path)
    return made


@pytest.fixture
def typed(volume: Volume, use_servers: Callable[[Path], None]) -> Callable[..., str]:
    """A function that runs a command and returns its output."""
    use_servers(on_disk(volume).root)
    return running()


def running() -> Callable[..., str]:
    """Return a function that runs a command and returns its output."""

    def run(*words: str, status: int = 0) -> str:
        done = CommandLine(env={"COLUMNS": "250"}).invoke(app, list(words))
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.output

    return run


def text_of(database: Database) -> str:
    return " ".join(one.text for one in Reading(database).passages(TALK))


def added(typed: Callable[..., str], *words: str) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(typed("vocabulary", "add", *words, "--json"))


def test_a_misspelling_is_replaced_now_and_in_later_builds_and_comes_back_with_the_entry(
    typed: Callable[..., str], database: Database, volume: Volume
) -> None:
    before = text_of(database)
    (shown,) = json.loads(typed("vocabulary", "add", RIGHT, "--heard", HEARD, "--dry-run", "--json"))
    assert (shown["video_id"], shown["text"]) == (TALK, HEARD)
    assert text_of(database) == before
    done = added(typed, RIGHT, "--heard", HEARD, "--author", "Ada", "--reason", "the score")
    assert done["rebuilt"] == 1
    assert text_of(database) == before.replace(HEARD, RIGHT)
    assert RIGHT in typed("export", TALK)
    (place,) = json.loads(typed("vocabulary", "used", TALK, "--json"))
    assert (place["what"], place["text"], place["instead_of"]) == ("replaced", RIGHT, HEARD + ".")
    assert (place["author"], place["reason"]) == ("Ada", "the score")
    assert place["at_s"] == pytest.approx(16.5, abs=1)

    typed("correct", TALK, "Sinfonietta", "Sinfonia")  # of one recording: beats the vocabulary
    assert "Famous Sinfonia." in text_of(database)
    reading = Reading(database)
    cited = next(one for one in reading.passages(TALK) if "Sinfonia" in one.text)
    origin = Citing(reading, volume).origin(TALK)
    assert origin is not None
    citation = origin.cite(cited)
    assert citation is not None
    assert HEARD in (citation.heard or "")
    typed("correct", "--undo", "1")

    (entry,) = json.loads(typed("vocabulary", "list", "--json"))
    assert (entry["text"], entry["heard_as"], entry["author"]) == (RIGHT, [HEARD], "Ada")
    assert RIGHT in typed("vocabulary", "list")
    typed("vocabulary", "remove", str(entry["id"]))
    assert text_of(database) == before
    assert json.loads(typed("vocabulary", "list", "--json")) == []


@pytest.mark.parametrize(
    ("options", "is_for"),
    [
        pytest.param(("--source", "https://podcast.example/"), True, id="its-source"),
        pytest.param(("--source", "https://other.example/"), False, id="another-source"),
        pytest.param(("--channel", "HARBOR radio"), True, id="its-channel"),
        pytest.param(("--channel", "Others"), False, id="another-channel"),
    ],
)
def test_an_entry_counts_in_its_recordings_alone(
    typed: Callable[..., str], database: Database, volume: Volume, options: tuple[str, ...], *, is_for: bool
) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE videos SET channel = 'Harbor Radio' WHERE video_id = %s", (TALK,))
    added(typed, RIGHT, "--heard", HEARD, *options)
    assert (RIGHT in text_of(database)) == is_for
    found = vocabulary.read(volume.home, SOURCE, Metadata(channel="Harbor Radio"))
    assert found.texts == ((RIGHT,) if is_for else ())
    assert (found.key("base@1") == "base@1") != is_for


def test_entries_come_from_files_are_merged_and_reach_the_volume(
    typed: Callable[..., str], volume: Volume, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("Ada Lovelace\n\n  Babbage \n", encoding="utf-8")
    assert len(added(typed, "Turing", "--from", str(tmp_path / "names.txt"))["entries"]) == 3
    before = vocabulary.read(volume.home, SOURCE, Metadata())
    assert before.texts == ("Ada Lovelace", "Babbage", "Turing")
    again = added(typed, "TURING", "--heard", "Touring")
    assert again["rebuilt"] == 0
    entries = {one["text"]: one["heard_as"] for one in json.loads(typed("vocabulary", "list", "--json"))}
    assert entries == {"Ada Lovelace": [], "Babbage": [], "TURING": ["Touring"]}
    assert vocabulary.read(volume.home, SOURCE, Metadata()).key("x") != before.key("x")


def test_what_the_recognizer_made_of_the_vocabulary_is_shown(
    typed: Callable[..., str], volume: Volume, tmp_path: Path
) -> None:
    added(typed, "Astronomer", "--author", "Ada")
    manifest = volume.manifest(TALK, "transcript")
    assert manifest is not None
    content = transcript.read(volume.verified(manifest.artifact))
    assert b'"vocabulary"' not in content.model_dump_json().encode()  # as earlier versions read it
    wordings = (
        Wording(start_s=1, end_s=2, text="Astronomer", instead_of="a strong omer", is_taken=True),
        Wording(start_s=3, end_s=4, text="Astronomer", instead_of="", is_taken=False),
    )
    transcript.write(content.model_copy(update={"vocabulary": wordings}), tmp_path / "file")
    volume.keep(TALK, NewArtifact(tmp_path / "file", "transcript", transcript.EXTENSION, 60.0, "other", 2))
    found = json.loads(typed("vocabulary", "used", TALK, "--json"))
    assert [(one["what"], one["instead_of"], one["author"]) for one in found] == [
        ("taken", "a strong omer", "Ada"),
        ("refused", "", "Ada"),
    ]
    assert "nothing" in typed("vocabulary", "used", TALK)


def test_rows_that_were_built_with_another_vocabulary_are_not_stored(
    typed: Callable[..., str], database: Database, archive_encoder: TextModel
) -> None:
    added(typed, RIGHT, "--heard", HEARD)
    store = Store(database, archive_encoder.key, archive_encoder.dimensions)
    rows = Rows(TALK, 2, "en", [passage(0, "Something.")], archive_encoder.run(["Something."]))
    with pytest.raises(CorrectedMeanwhileError):
        store.replace(rows)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param(("add",), 1, "an entry has letters", id="nothing"),
        pytest.param(("add", "?!"), 1, "an entry has letters", id="no-letters"),
        pytest.param(("add", "x" * 101), 1, "at most 100", id="too-long"),
        pytest.param(("add", "a", "b", "--heard", "c"), 1, "need one text", id="two-texts"),
        pytest.param(("add", "Ada", "--heard", "Ada"), 1, "are the same", id="the-same"),
        pytest.param(("add", "a", "--channel", "x", "--source", "y"), 2, "exclude each other", id="two-scopes"),
        pytest.param(("add", "--from", "no-such-file"), 1, "No such file", id="no-file"),
        pytest.param(("remove", "99"), 1, "there is no entry 99", id="unknown"),
        pytest.param(("used", "abcdefghijk"), 1, "has no video abcdefghijk", id="no-video"),
    ],
)
@pytest.mark.usefixtures("database")
def test_what_is_no_entry_is_refused(
    use_servers: Callable[[Path], None], tmp_path: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    use_servers(tmp_path)
    assert told in running()("vocabulary", *words, status=status)
