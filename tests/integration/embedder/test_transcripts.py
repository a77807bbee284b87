"""`ingest show` and `ingest export` on a real archive, without a broker."""

from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from ingest.cli import console
from ingest.cli.app import app
from ingest.embedder.tables.store import Rows, Store
from tests.support.archive_rows import VIDEO, passage, vectors
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from ingest.embedder.postgres.database import Database

OTHER = "-cxqlIrdiIx"


@pytest.fixture
def _archive(database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for video in (VIDEO, OTHER):
        said = [passage(0, f"Ships sail in {video}.", "Ada Lovelace"), passage(1, "The sea is calm.")]
        Store(database, "test-model", 8).replace(Rows(video, 1, "en", said, vectors(2)))
    address = "https://me:hunter2@h/a.mp3?token=swordfish"
    with database.transaction() as connection:
        connection.execute("UPDATE videos SET title = 'A talk: one/two', channel = 'Talks', source_kind = 'media'")
        connection.execute("UPDATE videos SET source_url = %s", (address,))
    for name, value in (("DATABASE_URL", database_url), ("STATE_PATH", tmp_path / "s"), ("VOLUME_PATH", tmp_path)):
        monkeypatch.setenv(f"INGEST_{name}", str(value))


def ran(*words: str, status: int = console.OK) -> Result:
    done = CommandLine().invoke(app, [*words])
    assert done.exit_code == status, done.output
    assert not any(secret in done.output for secret in ("hunter2", "swordfish"))
    return done


@pytest.mark.usefixtures("_archive")
def test_a_transcript_is_shown_with_times_and_speakers() -> None:
    shown = ran("show", OTHER).stdout
    assert f"\nAda Lovelace\n    0:00  Ships sail in {OTHER}.\n\n?\n    0:30  The sea is calm.\n" in shown
    assert [row["speaker"] for row in json.loads(ran("show", VIDEO, "--json").stdout)["passages"]] == [
        "Ada Lovelace",
        None,
    ]
    assert "the archive has no video aaaaaaaaaaa" in ran("show", "aaaaaaaaaaa", status=console.FAILED).output


@pytest.mark.usefixtures("_archive")
def test_recordings_are_exported_to_standard_output_a_file_and_a_folder(tmp_path: Path) -> None:
    assert ran("export", VIDEO).stdout.startswith("A talk: one/two\n\n[0:00] Ada Lovelace: Ships sail")
    ran("export", OTHER, "--to", str(tmp_path / "talk.vtt"), "--no-speakers")
    assert "Ada" not in (tmp_path / "talk.vtt").read_text()
    ran("export", "--channel", "talks", "--format", "srt", "--to", f"{tmp_path}/out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"A talk one two [{video}].srt" for video in (VIDEO, OTHER)}
    rows = ran("export", "--speaker", "ada lovelace", "--format", "csv").stdout.splitlines()
    assert len(rows) == 1 + 4


@pytest.mark.usefixtures("_archive")
@pytest.mark.parametrize("form", ["srt", "parquet"])
def test_a_pipe_gets_the_export_and_stays_a_pipe(tmp_path: Path, form: str) -> None:
    pipe = tmp_path / f"pipe.{form}"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        ran("export", VIDEO, "--to", str(pipe))
        assert read.result(10.0) == ran("export", VIDEO, "--format", form).stdout_bytes
    assert pipe.is_fifo()


@pytest.mark.usefixtures("_archive")
def test_a_file_is_written_where_its_name_says(tmp_path: Path) -> None:
    ran("export", VIDEO, "--format", "srt", "--to", "/dev/null")
    (tmp_path / "notes").touch()
    ran("export", VIDEO, "--format", "srt", "--to", str(tmp_path / "notes"))
    ran("export", VIDEO, "--to", str(tmp_path / "new" / "folder" / "talk.srt"))
    assert (tmp_path / "notes").read_text() == (tmp_path / "new" / "folder" / "talk.srt").read_text() != ""
    ran("export", VIDEO, "--to", str(tmp_path / "notes"), status=console.FAILED)


@pytest.mark.usefixtures("_archive")
def test_passages_and_their_vectors_are_exported_as_parquet(tmp_path: Path) -> None:
    ran("export", "--all", "--vectors", "--to", str(tmp_path / "all.parquet"))
    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["passage"] for row in rows] == [0, 1, 0, 1]
    assert {row["model"] for row in rows} == {"test-model"}
    assert [row["vector"] for row in rows[:2]] == [pytest.approx(list(one), abs=1e-3) for one in vectors(2)]
    printed = ran("export", VIDEO, "--format", "parquet").stdout_bytes
    assert parquet.read_table(io.BytesIO(printed)).column("id").to_pylist() == [VIDEO, VIDEO]


@pytest.mark.usefixtures("_archive")
def test_what_is_left_out_is_named_and_what_does_not_fit_is_refused() -> None:
    done = ran("export", VIDEO, "aaaaaaaaaaa", status=console.SOME_FAILED)
    assert "left out: aaaaaaaaaaa: the archive has no such video" in done.stderr
    assert "times of its subtitles are estimated" in ran("export", VIDEO, "--format", "vtt").stderr
    assert "--to FOLDER" in ran("export", "--all", "--format", "vtt", status=console.FAILED).output
    ran("export", VIDEO, "--all", status=console.USAGE)
    ran("export", status=console.USAGE)
