"""Rows 53 to 60 of the bad inputs in the embedder stage: what becomes of a transcript, a model, a database.

Broker, Postgres, volume, model and handler are real. The disk that is full is a small one with Postgres's rows on it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from services.cli.embedded import EmbeddedPostgres
from services.cli.requests import Choice, first, publish
from services.downloader.sources import Recording
from services.embedder.catalog import Catalog
from services.embedder.database import Database
from services.embedder.encode import BUNDLED, Encoder
from services.embedder.handler import Embed
from services.embedder.ledger import Ledger
from services.embedder.migrate import migrate
from services.embedder.passages import PassageLimits
from services.embedder.store import Store
from services.shared import packed
from services.shared.batcher import Batcher, BatchLimits
from services.shared.bus import REQUESTED, WORK_STREAM
from services.shared.errors import Code, IngestError, Outcome
from services.shared.messages import EventKind, Metadata, Source, SourceKind, Stage, TranscriptReady
from services.shared.transcript import Segment, Timings, Transcript
from services.shared.volume import Made, Volume
from tests.disks import full
from tests.integration.bad_inputs.conftest import GOOD_ID, VIDEO_ID, mounted
from tests.integration.bad_inputs.line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.embedder.encode import Vector
    from services.shared.nats_bus import NatsBus
    from tests.integration.bad_inputs.line import Line

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
LIMITS = PassageLimits(min_chars=400, max_chars=1200, max_gap_s=3.0, max_s=60.0, max_tokens=254)
DURATION_S = 60.0
POLITE = "Somebody says a sentence here."


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(BUNDLED, "cpu", 16)


@dataclass(frozen=True)
class Room:
    """An embedder on a database; `handler` is its stage."""

    handler: Embed
    archive: Database

    def put(self, video_id: str, *segments: Segment, language: str = "en", generation: int = 1) -> TranscriptReady:
        """Put a transcript on the volume and return the message that says so."""
        said = Transcript(
            video_id=video_id,
            audio_sha256="0" * 64,
            duration_s=DURATION_S,
            speech_s=DURATION_S,
            language=language,
            language_probability=1.0,
            model_key="test",
            segments=segments,
            timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=1),
        )
        file = self.handler.volume.root / f"{video_id}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(packed.pack(said))
        made = Made(file, "transcript", "json.zst", DURATION_S, "test", generation)
        artifact = self.handler.volume.keep(video_id, made)
        return TranscriptReady(video_id=video_id, generation=generation, source=SOURCE, transcript=artifact)

    def texts(self, video_id: str) -> list[str]:
        return [row.text for row in Catalog(self.archive).passages(video_id)]


def segment(start_s: float, end_s: float, text: str = POLITE) -> Segment:
    """Return a segment without word times; what the model would refuse is let through, as another writer might do."""
    figures: dict[str, Any] = {"avg_logprob": -0.2, "compression_ratio": 1.2, "no_speech_prob": 0.0}
    return Segment.model_construct(start_s=start_s, end_s=end_s, text=text, words=(), **figures)


@pytest.fixture
def batchers() -> Iterator[list[Batcher[str, Vector]]]:
    made: list[Batcher[str, Vector]] = []
    yield made
    for batcher in made:
        batcher.close()


@pytest.fixture
def room_on(tmp_path: Path, encoder: Encoder, batchers: list[Batcher[str, Vector]]) -> Callable[[Database], Room]:
    """A function that puts an embedder together, as its service does."""
    numbers = itertools.count()

    def make(archive: Database) -> Room:
        batchers.append(Batcher(encoder.run, BatchLimits(16)))
        volume, store = Volume(tmp_path / f"volume{next(numbers)}"), Store(archive, encoder.key, encoder.dimensions)
        return Room(Embed(volume, store, encoder, batchers[-1], LIMITS), archive)

    return make


@pytest.fixture
def room(room_on: Callable[[Database], Room], database: Database) -> Room:
    return room_on(database)


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
    room: Room,
    line: Line,
    wait_until: Callable[..., None],
    segments: list[Segment],
    answer: tuple[EventKind, Code | None],
    passages: int,
) -> None:
    line.start(Stage.EMBEDDER, TranscriptReady, room.handler)
    line.send(room.put(VIDEO_ID, *segments), room.put(GOOD_ID, segment(0.0, 3.0)))
    wait_until(lambda: len(line.answers()) == 2, 30.0)
    assert line.answers() == {VIDEO_ID: answer, GOOD_ID: (EventKind.INDEXED, None)}
    assert room.texts(GOOD_ID) == [POLITE]
    stored = room.texts(VIDEO_ID)
    assert len(stored) == passages
    assert max(map(room.handler.encoder.count_tokens, stored), default=0) <= LIMITS.max_tokens
    if answer[0] is EventKind.INDEXED:
        said = "".join("".join(one.text.split()) for one in segments)
        assert "".join("".join(text.split()) for text in stored) == said  # nothing is cut off, nothing is doubled


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A NUL \x00 in the middle.", id="54 NUL"),
        pytest.param("Half \ud83d a pair.", id="54 lone surrogate"),
        pytest.param("An escape \x1b[31m sequence.", id="54 control characters"),
    ],
)
def test_text_that_nothing_can_store_is_cleaned(room: Room, text: str) -> None:
    kept = Segment.model_validate({**segment(0.0, 3.0).model_dump(), "text": text})
    room.handler(room.put(VIDEO_ID, kept), lambda _: None)
    (stored,) = room.texts(VIDEO_ID)
    assert stored == " ".join("".join(char for char in text if char.isprintable()).split())


# -- older runs, other models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", [pytest.param(1, id="58 a newer run is committed meanwhile")])
def test_a_stale_run_is_superseded_and_changes_nothing(
    room: Room, line: Line, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch, generation: int
) -> None:
    run = room.handler.store.stored_passages

    def meanwhile(video_id: str, asked: int) -> int | None:
        found = run(video_id, asked)
        if asked == generation:
            room.handler(room.put(VIDEO_ID, segment(0.0, 3.0, "The newer run."), generation=2), lambda _: None)
        return found

    monkeypatch.setattr(room.handler.store, "stored_passages", meanwhile)
    older = room.put(VIDEO_ID, segment(0.0, 3.0, "The older run."), generation=generation)
    line.start(Stage.EMBEDDER, TranscriptReady, room.handler)
    line.send(older, room.put(GOOD_ID, segment(0.0, 3.0), generation=3))
    wait_until(lambda: GOOD_ID in line.answers(), 30.0)
    assert room.texts(VIDEO_ID) == ["The newer run."]
    assert line.letters() == []
    assert line.ended()[VIDEO_ID] == (EventKind.FINISHED, Code.SUPERSEDED)


@pytest.mark.parametrize("dimensions", [pytest.param(383, id="59 the archive knows another model of this name")])
def test_another_model_of_the_same_name_is_refused_at_the_start(
    database: Database, room_on: Callable[[Database], Room], encoder: Encoder, dimensions: int
) -> None:
    Store(database, encoder.key, dimensions)
    with pytest.raises(IngestError, match=f"has 384 dimensions, the archive holds {dimensions}") as refused:
        room_on(database)
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
    room: Room,
    line: Line,
    wait_until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Vector], Vector],
    text: str,
) -> None:
    name = "services.embedder.encode.SentenceTransformer.encode"
    encode = room.handler.encoder._model.encode  # noqa: SLF001 (the library below is what answers nonsense)
    monkeypatch.setattr(name, lambda _, *texts, **options: spoil(encode(*texts, **options)))
    line.start(Stage.EMBEDDER, TranscriptReady, room.handler)
    line.send(room.put(VIDEO_ID, segment(0.0, 3.0)))
    wait_until(lambda: VIDEO_ID in line.answers(), 30.0)
    assert line.answers() == {VIDEO_ID: answer_to(Code.BAD_EMBEDDING)}
    assert text in next(event.text for event in line.events() if event.code is Code.BAD_EMBEDDING)
    assert room.texts(VIDEO_ID) == []
    monkeypatch.undo()
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 30.0)


# -- a database that is away, or full ---------------------------------------------------------------------------------


def opened(url: str) -> Database:
    return Database(SecretStr(url), password=None, size=4, timeout_s=5.0, name="test").open()


@pytest.mark.parametrize("code", [pytest.param(Code.ENV_DB_UNAVAILABLE, id="60 down")])
def test_a_database_that_is_away_is_waited_for(
    room_on: Callable[[Database], Room], line: Line, tmp_path: Path, wait_until: Callable[..., None], code: Code
) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        with opened(server.url) as archive:
            migrate(archive)
        with opened(server.url) as archive:
            room = room_on(archive)
            server.process.kill()
            server.process.wait()
            line.start(Stage.EMBEDDER, TranscriptReady, room.handler)
            line.send(room.put(VIDEO_ID, segment(0.0, 3.0)))
            wait_until(lambda: VIDEO_ID in line.answers(), 60.0)
            assert line.answers() == {VIDEO_ID: answer_to(code)}
            server.restart()
            wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 60.0)
            assert {event.attempt for event in line.events()} == {1}
    finally:
        server.stop()


@pytest.fixture
def small_archive(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[tuple[Path, Database]]:
    """A database whose tables are on a disk of 32 MB, and that disk."""
    admin = psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True)
    with mounted(tmp_path / "disk", "32m") as folder, contextlib.closing(admin):
        for parent in [folder, *folder.parents][:4]:
            parent.chmod(0o755)
        (data,) = admin.execute("SHOW data_directory").fetchone() or ("",)
        rows, owner = folder / "rows", Path(data).stat()
        rows.mkdir()
        os.chown(rows, owner.st_uid, owner.st_gid)
        admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(rows))))
        admin.execute("CREATE DATABASE small TEMPLATE ingest TABLESPACE small")
        with opened(postgres.url.replace("/ingest?", "/small?")) as archive:
            yield folder, archive
        admin.execute("DROP DATABASE small WITH (FORCE)")
        admin.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("code", [pytest.param(Code.ENV_DB_FULL, id="60 full")])
def test_a_database_without_room_is_waited_for(
    room_on: Callable[[Database], Room],
    small_archive: tuple[Path, Database],
    line: Line,
    wait_until: Callable[..., None],
    code: Code,
) -> None:
    folder, archive = small_archive
    room = room_on(archive)
    said = (segment(float(at), at + 1.0, f"{at} {POLITE * 15}") for at in range(200))
    with full(folder, spare_bytes=65536):
        line.start(Stage.EMBEDDER, TranscriptReady, room.handler)
        line.send(room.put(VIDEO_ID, *said))
        wait_until(lambda: VIDEO_ID in line.answers(), 60.0)
        assert line.answers() == {VIDEO_ID: answer_to(code)}
        assert room.texts(VIDEO_ID) == []
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.INDEXED, None)}, 60.0)
    assert len(room.texts(VIDEO_ID)) == 200
    assert {event.attempt for event in line.events()} == {1}


# -- the same again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [pytest.param(2, id="61 submitted twice")])
def test_a_video_that_is_submitted_twice_is_one_job(bus: NatsBus, database: Database, times: int) -> None:
    wanted = Recording(VIDEO_ID, SOURCE, Metadata())
    for _ in range(times):
        publish(bus, first(wanted, Choice(), 1))
    assert len(list(bus.read(WORK_STREAM, REQUESTED))) == 1
    Ledger(bus, database).catch_up()
    rows = Catalog(database).videos([VIDEO_ID])
    assert (rows[VIDEO_ID].generation, rows[VIDEO_ID].state) == (1, "queued")
