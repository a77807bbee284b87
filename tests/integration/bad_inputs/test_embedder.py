"""Rows 46, 47 and 53 to 61 of the bad inputs in the embedder stage: what becomes of a transcript, a model, a database.

Broker, Postgres, volume, model and handler are real. The disk that is full is a small one with Postgres's rows on it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
import zstandard
from psycopg import sql
from pydantic import SecretStr

from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.cli.local.postgres.user import SYSTEM_USER, owner_of
from ingest.cli.runs.submissions import build_request
from ingest.cli.selection import Selection
from ingest.downloader.sources.connector import Recording
from ingest.embedder.handler import Embed, input_file
from ingest.embedder.passages import PassageLimits
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import Ledger
from ingest.embedder.tables.store import Store
from ingest.shared.artifacts.transcript import Segment
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.requests import publish
from ingest.shared.broker.topology import ACCESSIBLE, INPUT_OF, REQUESTED, WORK_STREAM
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import EventKind, Metadata, Stage, TranscriptReady, VideoAccessible, decode
from tests.integration.bad_inputs.conftest import GOOD_ID, VIDEO_ID, mounted
from tests.integration.bad_inputs.indexer import POLITE, SOURCE, Indexer, segment, transcript_of
from tests.integration.bad_inputs.recordings import truncated
from tests.support.disks import full
from tests.support.on_disk import on_disk
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.embedder.text_model.encoder import Encoder, Vector
    from ingest.shared.broker.nats_bus import NatsBus
    from tests.support.stage_line import Line

FILLING = 80  # passages: with their vectors more than the disk has left
LIMITS = PassageLimits(min_chars=400, max_chars=1200, max_gap_s=3.0, max_s=60.0, max_tokens=254)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.text_model.model_files import BUNDLED

    return Encoder(BUNDLED, "cpu", 16)


@pytest.fixture
def batchers() -> Iterator[list[Batcher[str, Vector]]]:
    made: list[Batcher[str, Vector]] = []
    yield made
    for batcher in made:
        batcher.close()


@pytest.fixture
def indexer_on(tmp_path: Path, encoder: Encoder, batchers: list[Batcher[str, Vector]]) -> Callable[[Database], Indexer]:
    """A function that puts an embedder together, as its service does."""
    numbers = itertools.count()

    def make(archive: Database) -> Indexer:
        batchers.append(Batcher(encoder.run, BatchLimits(16)))
        volume, store = Volume(tmp_path / f"volume{next(numbers)}"), Store(archive, encoder.key, encoder.dimensions)
        return Indexer(Embed(volume, store, encoder, batchers[-1], LIMITS), archive)

    return make


@pytest.fixture
def indexer(indexer_on: Callable[[Database], Indexer], database: Database) -> Indexer:
    return indexer_on(database)


# -- a transcript that is not there, or none --------------------------------------------------------------------------


def change_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def leave(_path: Path) -> None:
    """Change nothing: the checksum is right."""


SAID = transcript_of(VIDEO_ID, segment(0.0, 3.0))
UNUSABLE = [
    pytest.param(SAID, Path.unlink, Code.ARTIFACT_MISSING, id="46 transcript missing", marks=pytest.mark.long),
    pytest.param(SAID, change_a_bit, Code.CHECKSUM_MISMATCH, id="47 one bit of a transcript"),
    pytest.param(SAID, truncated, Code.CHECKSUM_MISMATCH, id="47 half a transcript"),
    pytest.param(b"", leave, Code.BAD_TRANSCRIPT, id="nothing in it"),
    pytest.param(b"{}", leave, Code.BAD_TRANSCRIPT, id="not compressed"),
    pytest.param(SAID[:-9], leave, Code.BAD_TRANSCRIPT, id="written only in part"),
    pytest.param(zstandard.compress(b'{"video_id": "'), leave, Code.BAD_TRANSCRIPT, id="not json"),
    pytest.param(zstandard.compress(b'{"text": "\xff"}'), leave, Code.BAD_TRANSCRIPT, id="not utf-8"),
    pytest.param(zstandard.compress(b"[" * 100_000), leave, Code.BAD_TRANSCRIPT, id="json nested too deeply"),
    pytest.param(zstandard.compress(b'{"segments": []}'), leave, Code.BAD_TRANSCRIPT, id="fields missing"),
    pytest.param(transcript_of(VIDEO_ID, version=99), leave, Code.BAD_TRANSCRIPT, id="version of tomorrow"),
]


@pytest.mark.parametrize(("data", "spoil", "code"), UNUSABLE)
def test_a_transcript_that_cannot_be_used_is_made_once_more_and_then_given_up(
    indexer: Indexer,
    line: Line,
    wait_until: Callable[..., None],
    data: bytes,
    spoil: Callable[[Path], object],
    code: Code,
) -> None:
    known = {"generation": 2, "fresh_from": 2, "metadata": Metadata(title="A talk")}
    volume = indexer.handler.volume

    def spoiled(redo: int) -> TranscriptReady:
        message = indexer.put_bytes(VIDEO_ID, data, generation=2).model_copy(update={**known, "redo": redo})
        spoil(on_disk(volume).resolve(message.transcript.path))
        return message

    line.start(Stage.EMBEDDER, indexer.handler, input_file(indexer.handler.volume))
    line.send(spoiled(redo=0), indexer.put(GOOD_ID, segment(0.0, 3.0)))
    wait_until(lambda: len(line.answers()) == 2)
    assert line.answers() == {VIDEO_ID: (EventKind.RETRYING, code), GOOD_ID: (EventKind.INDEXED, None)}
    again = VideoAccessible(video_id=VIDEO_ID, source=SOURCE, redo=1).model_copy(update=known)
    assert [decode(VideoAccessible, sent) for sent in line.queued(ACCESSIBLE)] == [again]
    assert volume.manifest(VIDEO_ID, "transcript") is None
    assert list(on_disk(volume).folder(VIDEO_ID).iterdir()) == []
    line.send(spoiled(redo=1), indexer.put("goodlast099", segment(0.0, 3.0)))
    wait_until(lambda: len(line.ended()) == 3)
    indexed = dict.fromkeys((GOOD_ID, "goodlast099"), (EventKind.INDEXED, None))
    assert line.ended() == {VIDEO_ID: (EventKind.FAILED, code), **indexed}
    (letter,) = line.letters()
    assert (letter.code, letter.attempts["transient"]) == (code, 0)
    assert letter.text.endswith("(made twice)")
    assert len(line.queued(ACCESSIBLE)) == 1
    assert (line.queued(INPUT_OF[Stage.EMBEDDER]), indexer.texts(VIDEO_ID)) == ([], [])


# -- what is put right, and what is refused ---------------------------------------------------------------------------


ODD = [
    pytest.param([segment(5.0, 4.0)], (EventKind.FAILED, Code.BAD_SEGMENT), 0, id="53 ends before it begins"),
    pytest.param([segment(0.0, 9.0), segment(3.0, 8.0)], (EventKind.INDEXED, None), 1, id="53 overlap"),
    pytest.param([], (EventKind.INDEXED, None), 0, id="55 nothing was said"),
    pytest.param([segment(0.0, 1.0, " ")], (EventKind.INDEXED, None), 0, id="55 nothing but a blank"),
    pytest.param([segment(0.0, 50.0, "word " * 900)], (EventKind.INDEXED, None), 4, id="56 longer than the model"),
    pytest.param([segment(0.0, 50.0, "w" * 5000)], (EventKind.INDEXED, None), 8, id="56 one endless word"),
]


@pytest.mark.parametrize(("segments", "answer", "passages"), ODD)
def test_an_odd_transcript_has_its_answer_and_the_next_its_turn(
    indexer: Indexer,
    line: Line,
    wait_until: Callable[..., None],
    segments: list[Segment],
    answer: tuple[EventKind, Code | None],
    passages: int,
) -> None:
    line.start(Stage.EMBEDDER, indexer.handler)
    line.send(indexer.put(VIDEO_ID, *segments), indexer.put(GOOD_ID, segment(0.0, 3.0)))
    wait_until(lambda: len(line.answers()) == 2, 30.0)
    assert line.answers() == {VIDEO_ID: answer, GOOD_ID: (EventKind.INDEXED, None)}
    assert indexer.texts(GOOD_ID) == [POLITE]
    stored = indexer.texts(VIDEO_ID)
    assert len(stored) == passages
    assert max(map(indexer.handler.encoder.count_tokens, stored), default=0) <= LIMITS.max_tokens
    if answer[0] is EventKind.INDEXED:
        said = "".join("".join(one.text.split()) for one in segments)
        assert "".join("".join(text.split()) for text in stored) == said  # nothing is cut off, nothing is doubled


@pytest.mark.parametrize(
    ("said", "stored", "fixed"),
    [
        pytest.param((50.0, 60.0), (50.0, 60.0), 0.0, id="53 to the end of the recording"),
        pytest.param((50.0, 70.0), (50.0, 60.0), 1.0, id="53 ends beyond the recording"),
        pytest.param((70.0, 80.0), (60.0, 60.0), 1.0, id="53 begins beyond the recording"),
    ],
)
def test_times_beyond_the_recording_are_drawn_back_and_counted(
    indexer: Indexer, said: tuple[float, float], stored: tuple[float, float], fixed: float
) -> None:
    done = indexer.handler(
        indexer.put(VIDEO_ID, segment(0.0, 3.0, "The first."), segment(*said, "The last.")), lambda _: None
    )
    assert (done.kind, done.numbers["timestamp_fixed"]) == (EventKind.INDEXED, fixed)
    first, last = Catalog(indexer.archive).passages(VIDEO_ID)
    assert (first.start_s, first.end_s, first.text) == (0.0, 3.0, "The first.")
    assert (last.start_s, last.end_s, last.text) == (*stored, "The last.")


def test_the_vectors_of_sentences_are_stored_where_a_passage_has_several(indexer: Indexer) -> None:
    said = (segment(0.0, 3.0, "The first. The second."), segment(30.0, 33.0, "The last."))
    indexer.handler(indexer.put(VIDEO_ID, *said), lambda _: None)
    with indexer.archive.transaction() as connection:
        stored = connection.execute("SELECT length(sentences) FROM embeddings ORDER BY idx").fetchall()
    assert stored == [(2 * indexer.handler.encoder.dimensions,), (None,)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A NUL \x00 in the middle.", id="54 NUL"),
        pytest.param("Half \ud83d a pair.", id="54 lone surrogate"),
        pytest.param("An escape \x1b[31m sequence.", id="54 control characters"),
    ],
)
def test_text_that_nothing_can_store_is_cleaned(indexer: Indexer, text: str) -> None:
    kept = Segment.model_validate({**segment(0.0, 3.0).model_dump(), "text": text})
    indexer.handler(indexer.put(VIDEO_ID, kept), lambda _: None)
    (stored,) = indexer.texts(VIDEO_ID)
    assert stored == " ".join("".join(char for char in text if char.isprintable()).split())


# -- older runs, other models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", [pytest.param(1, id="58 a newer run is committed meanwhile")])
def test_a_stale_run_is_superseded_and_changes_nothing(
    indexer: Indexer, line: Line, wait_until: Callable[..., None], encoder: Encoder, generation: int
) -> None:
    class OvertakenStore(Store):
        """Stores a newer run between the first look of an older one and its commit."""

        def stored_passages(self, video_id: str, asked: int) -> int | None:
            found = super().stored_passages(video_id, asked)
            if asked == generation:
                indexer.handler(
                    indexer.put(VIDEO_ID, segment(0.0, 3.0, "The newer run."), generation=2), lambda _: None
                )
            return found

    older = indexer.put(VIDEO_ID, segment(0.0, 3.0, "The older run."), generation=generation)
    overtaken = replace(indexer.handler, store=OvertakenStore(indexer.archive, encoder.key, encoder.dimensions))
    line.start(Stage.EMBEDDER, overtaken)
    line.send(older, indexer.put(GOOD_ID, segment(0.0, 3.0), generation=3))
    wait_until(lambda: GOOD_ID in line.answers(), 30.0)
    assert indexer.texts(VIDEO_ID) == ["The newer run."]
    assert line.letters() == []
    assert line.ended()[VIDEO_ID] == (EventKind.FINISHED, Code.SUPERSEDED)


@pytest.mark.parametrize("dimensions", [pytest.param(383, id="59 the archive has another model of this name")])
def test_another_model_of_the_same_name_is_refused_at_the_start(
    database: Database, indexer_on: Callable[[Database], Indexer], encoder: Encoder, dimensions: int
) -> None:
    Store(database, encoder.key, dimensions)
    with pytest.raises(IngestError, match=f"has 384 dimensions, the archive holds {dimensions}") as refused:
        indexer_on(database)
    assert (refused.value.code, refused.value.rule.outcome) == (Code.ENV_MODEL_VERSION, Outcome.POSTPONED)


def without_a_dimension(vectors: Vector) -> Vector:
    return vectors[:, 1:]


def with_nan(vectors: Vector) -> Vector:
    return vectors * np.float32("nan")


def of_zeros(vectors: Vector) -> Vector:
    return vectors * np.float32(0)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        pytest.param(without_a_dimension, "dim 383≠384", id="57 another dimension"),
        pytest.param(with_nan, "not finite", id="57 NaN"),
        pytest.param(of_zeros, "length is not 1", id="57 zeros"),
    ],
)
def test_vectors_that_are_none_are_not_stored_and_charged_to_nobody(
    indexer: Indexer,
    line: Line,
    wait_until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Vector], Vector],
    text: str,
) -> None:
    name = "ingest.embedder.text_model.encoder.SentenceTransformer.encode"
    encode = indexer.handler.encoder._model.encode  # noqa: SLF001 (the library below is what answers nonsense)
    monkeypatch.setattr(name, lambda _, *texts, **options: spoil(encode(*texts, **options)))
    line.start(Stage.EMBEDDER, indexer.handler)
    line.send(indexer.put(VIDEO_ID, segment(0.0, 3.0)))
    wait_until(lambda: VIDEO_ID in line.answers(), 30.0)
    assert line.answers() == {VIDEO_ID: answer_to(Code.BAD_EMBEDDING)}
    assert text in next(event.text for event in line.events() if event.code is Code.BAD_EMBEDDING)
    assert indexer.texts(VIDEO_ID) == []
    monkeypatch.undo()
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 30.0)


# -- a database that is away, or full ---------------------------------------------------------------------------------


def opened(url: str) -> Database:
    return Database(SecretStr(url), password=None, size=4, timeout_s=5.0, name="test").open()


@pytest.mark.parametrize("code", [pytest.param(Code.ENV_DB_UNAVAILABLE, id="60 down", marks=pytest.mark.long)])
def test_a_database_that_is_away_is_waited_for(
    indexer_on: Callable[[Database], Indexer], line: Line, tmp_path: Path, wait_until: Callable[..., None], code: Code
) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        with opened(server.url) as archive:
            migrate(archive)
        with opened(server.url) as archive:
            indexer = indexer_on(archive)
            server.process.kill()
            server.process.wait()
            line.start(Stage.EMBEDDER, indexer.handler)
            line.send(indexer.put(VIDEO_ID, segment(0.0, 3.0)))
            wait_until(lambda: VIDEO_ID in line.answers(), 60.0)
            assert line.answers() == {VIDEO_ID: answer_to(code)}
            server.restart()
            wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 60.0)
            assert {event.attempt for event in line.events()} == {1}
    finally:
        server.stop()


@pytest.fixture
def small_archive(postgres: EmbeddedPostgres) -> Iterator[tuple[Path, Database]]:
    """A database whose tables are on a disk of 32 MB, and that disk; the user of Postgres may enter its folder."""
    admin = psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True)
    with (
        tempfile.TemporaryDirectory() as above,
        mounted(Path(above) / "disk", "32m") as folder,
        contextlib.closing(admin),
    ):
        Path(above).chmod(0o755)
        folder.chmod(0o755)
        rows, owner = folder / "rows", owner_of(SYSTEM_USER if os.geteuid() == 0 else None)
        rows.mkdir()
        os.chown(rows, owner.uid, owner.gid)
        admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(rows))))
        admin.execute("CREATE DATABASE small TEMPLATE ingest TABLESPACE small")
        with opened(postgres.url.replace("/ingest?", "/small?")) as archive:
            yield folder, archive
        admin.execute("DROP DATABASE small WITH (FORCE)")
        admin.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("code", [pytest.param(Code.ENV_DB_FULL, id="60 full", marks=pytest.mark.long)])
def test_a_database_without_room_is_waited_for(
    indexer_on: Callable[[Database], Indexer],
    small_archive: tuple[Path, Database],
    line: Line,
    wait_until: Callable[..., None],
    code: Code,
) -> None:
    folder, archive = small_archive
    indexer = indexer_on(archive)
    said = [segment(float(at), at + 1.0, f"{at} {POLITE * 15}") for at in range(FILLING)]
    with full(folder, spare_bytes=32768):
        line.start(Stage.EMBEDDER, indexer.handler)
        line.send(indexer.put(VIDEO_ID, *said))
        wait_until(lambda: VIDEO_ID in line.answers(), 60.0)
        assert line.answers() == {VIDEO_ID: answer_to(code)}
        assert indexer.texts(VIDEO_ID) == []
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 60.0)
    assert len(indexer.texts(VIDEO_ID)) == FILLING
    assert {event.attempt for event in line.events()} == {1}


# -- the same again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [pytest.param(2, id="61 submitted twice")])
def test_a_video_that_is_submitted_twice_is_one_job(bus: NatsBus, database: Database, times: int) -> None:
    for _ in range(times):
        publish(bus, build_request(Recording(VIDEO_ID, SOURCE, Metadata()), Selection(), 1))
    assert len(list(bus.read(WORK_STREAM, REQUESTED))) == 1
    Ledger(bus, database).catch_up()
    rows = Catalog(database).videos([VIDEO_ID])
    assert (rows[VIDEO_ID].generation, rows[VIDEO_ID].state) == (1, "queued")
