"""`ingest purge` as a command, on a real broker, database and volume."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.cli.app import app
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep.purge import longest_job
from ingest.embedder.tables.ledger import write_events
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.messages import Event, EventKind, Metadata, Source, SourceKind, Stage
from ingest.shared.settings import load
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.shared.artifacts.volume import Kind
    from ingest.shared.broker.nats_bus import NatsBus

    Purge = Callable[..., str]

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
SIZE_BYTES = 100_000
AGES_DAYS = {"indexed0001": 1, "indexed0002": 2, "indexed0003": 3, "indexed0030": 30}
TITLE = "A talk"


@pytest.fixture
def volume(tmp_path: Path, database: Database) -> Volume:
    """A volume with audio and transcript of four indexed videos, and of one that is running; all are in the table."""
    made = Volume(tmp_path / "volume")
    asked = Event(
        video_id="running0001",
        generation=1,
        stage=Stage.EMBEDDER,
        kind=EventKind.STARTED,
        at=datetime.now(UTC) - timedelta(days=90),
        source=SOURCE,
        metadata=Metadata(title=TITLE),
    )
    ended = [
        asked.model_copy(
            update={"video_id": name, "kind": EventKind.INDEXED, "at": datetime.now(UTC) - timedelta(days=days)}
        )
        for name, days in AGES_DAYS.items()
    ]
    write_events(database, [(event, (1, number)) for number, event in enumerate([asked, *ended], start=1)])
    kinds: tuple[Kind, ...] = ("audio", "transcript")
    for event in (asked, *ended):
        for kind in kinds:
            file = tmp_path / "file"
            file.write_bytes(event.video_id.encode()[:10] * (SIZE_BYTES // 10 if kind == "audio" else 1))
            made.keep(event.video_id, NewArtifact(file, kind, "bin", 5.0, kind, 1))
    return made


@pytest.fixture
def purge(bus: NatsBus, volume: Volume, use_servers: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> Purge:
    """A function that runs `ingest purge` with these words and returns its output."""
    assert bus.is_connected
    use_servers(on_disk(volume).root)

    def typed(*words: str, **settings: int) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(f"INGEST_{name.upper()}", str(value))
        done = CommandLine(env={"COLUMNS": "200"}).invoke(app, ["purge", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    return typed


def files(volume: Volume) -> set[Path]:
    return {path for path in on_disk(volume).root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--yes", "--dry-run")])
def test_without_yes_the_files_are_only_listed(purge: Purge, volume: Volume, words: tuple[str, ...]) -> None:
    before = files(volume)
    lines = purge(*words).splitlines()
    assert [line.split() for line in lines if "0030" in line] == [
        ["indexed0030", "indexed", str(SIZE_BYTES), *TITLE.split()]
    ]
    assert lines[-1] == "1 files, 0.1 MB can be deleted (with --yes)"
    listed = json.loads(purge(*words, "--json"))
    assert listed == {
        "deleted": False,
        "files": [{"what": "indexed0030", "reason": "indexed", "size_bytes": SIZE_BYTES, "title": TITLE}],
        "bytes": SIZE_BYTES,
    }
    assert files(volume) == before


def test_with_yes_only_the_listed_files_are_deleted(purge: Purge, volume: Volume) -> None:
    before = files(volume)
    (audio,) = on_disk(volume).folder("indexed0030").glob("audio-*")
    assert purge("--yes").splitlines()[-1] == "1 files, 0.1 MB deleted"
    assert before - files(volume) == {audio, audio.with_name("audio.json")}
    assert json.loads(purge("--yes", "--json")) == {"deleted": True, "files": [], "bytes": 0}


def test_the_age_of_deleted_audio_is_an_option(purge: Purge) -> None:
    listed = json.loads(purge("--older-than-days", "2", "--json"))
    assert [file["what"] for file in listed["files"]] == ["indexed0030", "indexed0003", "indexed0002"]


@pytest.mark.parametrize(
    ("budget_bytes", "gone"),
    [
        pytest.param(800_000, [], id="below 70 %"),
        pytest.param(700_000, ["indexed0030"], id="above it by less than one"),
        pytest.param(500_000, ["indexed0030", "indexed0003"], id="by less than two"),
        pytest.param(1, ["indexed0030", "indexed0003", "indexed0002", "indexed0001"], id="by more than there are"),
    ],
)
def test_above_the_budget_the_oldest_audio_is_deleted(purge: Purge, budget_bytes: int, gone: list[str]) -> None:
    listed = json.loads(purge("--older-than-days", "90", "--json", disk_budget_bytes=budget_bytes))
    assert [(file["what"], file["reason"]) for file in listed["files"]] == [(name, "budget") for name in gone]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        pytest.param({}, 2 * (900 + 3 * 43_200), id="defaults: twelve hours of audio at a third of its speed"),
        pytest.param({"max_audio_s": 3600.0, "asr_deadline_s": 60.0}, 2 * (60 + 3 * 3600), id="shorter audio"),
        pytest.param({"download_deadline_s": 100_000.0}, 2 * 2 * 100_000, id="a slow download, and reading it"),
        pytest.param({"embed_deadline_s": 500_000.0}, 2 * 500_000, id="slow embedding"),
    ],
)
def test_the_longest_job_is_twice_the_longest_deadline(settings: dict[str, float], seconds: int) -> None:
    assert longest_job(load(AllSettings, **settings)) == timedelta(seconds=seconds)


def test_the_transcript_before_the_last_run_is_kept_as_long_as_audio(
    purge: Purge, volume: Volume, tmp_path: Path
) -> None:
    video_id = "indexed0001"
    volume.keep_before(video_id, "another")
    (tmp_path / "file").write_bytes(b"another transcript")
    volume.keep(video_id, NewArtifact(tmp_path / "file", "transcript", "bin", 5.0, "another", 2))
    before = volume.manifest(video_id, "before")
    assert before is not None
    folder = on_disk(volume).folder(video_id)

    def removed() -> list[str]:
        printed = json.loads(purge("--older-than-days", "7", "--json"))
        return [one["reason"] for one in printed["files"] if one["what"] == before.artifact.path]

    for path in (on_disk(volume).resolve(before.artifact.path), folder / "before.json"):
        os.utime(path, (time.time() - 6 * 86_400,) * 2)
    assert removed() == []
    os.utime(folder / "before.json", (time.time() - 8 * 86_400,) * 2)
    assert removed() == ["earlier"]
