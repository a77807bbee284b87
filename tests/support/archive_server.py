"""The read side for tests: a small archive with audio and words, and a real server on a port of its own."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from pydantic import SecretStr

from ingest.archive.service import Server, served
from ingest.archive.settings import ArchiveSettings
from ingest.demo import conversation
from ingest.embedder import passages
from ingest.embedder.passages import PassageLimits
from ingest.embedder.postgres.database import Database
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.about import About, Chapter, DateSource
from ingest.shared.artifacts import transcript
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Word
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code
from ingest.shared.messages import Event, EventKind, Metadata, Source, SourceKind, Stage
from ingest.shared.settings import load
from tests.support.archive_rows import passage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.text_model.model_keys import TextModel

TALK = "talk_000001"
FAILED = "fail_000001"
WATCHED = "film_000001"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SECRET = "c0ffee-archive"  # noqa: S105 (in addresses, as a private feed has them)
ABOUT = About(
    description=f"Of <b>ships</b>.\nMore at https://podcast.example/extra.mp3?token={SECRET}",
    chapters=(
        Chapter(start_s=5.0, title="Sails & ropes"),
        Chapter(start_s=9.0, title=f"https://me:{SECRET}@sea.example"),
    ),
    persons=("Ada Lovelace",),
    episode=7,
    thumbnail=f"https://podcast.example/cover.jpg?token={SECRET}",
)
LIMITS = PassageLimits(min_chars=120, max_chars=600, max_gap_s=3, max_s=30, max_tokens=200)


@dataclass(frozen=True)
class Answer:
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (JSON)
        """Return its content."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """Return the name of its type of problem; empty: it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:ingest:problem:")


@dataclass(frozen=True)
class Client:
    """Asks a server."""

    port: int

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer for a path; a header `accept_encoding` is sent as Accept-Encoding."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()


def stored(postgres: EmbeddedPostgres, name: str, volume: Path, encoder: TextModel, folder: Path) -> str:
    """Return the address of a new database with the archive of `fill`; one of that name is dropped.

    A worker that takes tests from another may come to a file twice.
    """
    with psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE ingest").format(sql.Identifier(name)))
    url = postgres.url.replace("/ingest?", f"/{name}?")
    with Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="test").open() as database:
        fill(database, Volume(volume), encoder, folder)
    return url


def fill(database: Database, volume: Volume, encoder: TextModel, folder: Path) -> None:
    """Store the demonstration's conversation with audio and words, and a recording that failed."""
    talk = conversation()
    spoken = _transcript(TALK)
    built = passages.build(spoken.segments, "en", LIMITS, lambda text: len(text.split()))
    address = f"https://reader:{SECRET}@podcast.example/talk.ogg"
    said = {"title": talk.title, "channel": "Harbor Talks", "duration_s": talk.duration_s, "about": ABOUT}
    _tell(database, 1, _event(TALK, address, date_source=DateSource.SITE, **said))
    failed = _event(FAILED, f"https://x:{SECRET}@podcast.example/b.ogg", title="<script>alert(1)</script>")
    text = f"https://x:{SECRET}@podcast.example/b.ogg: no audio"
    _tell(database, 2, failed)
    _tell(database, 3, failed.model_copy(update={"kind": EventKind.FAILED, "code": Code.NOT_AUDIO, "text": text}))
    vectors = encoder.run([passage.text for passage in built])
    Store(database, encoder.key, encoder.dimensions).replace(Rows(TALK, 1, "en", built, vectors))
    file = folder / "transcript"
    transcript.write(spoken, file)
    volume.keep(TALK, NewArtifact(file, "transcript", transcript.EXTENSION, talk.duration_s, "test", 1))
    volume.keep(TALK, NewArtifact(talk.path, "audio", "ogg", talk.duration_s, "test", 1))


def add_from_youtube(database: Database, encoder: TextModel) -> None:
    """Store a recording of YouTube with two passages, whose audio is not kept."""
    source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={WATCHED}")
    _tell(database, 4, _event(WATCHED, source.url, title="A film").model_copy(update={"source": source}))
    built = [
        passage(0, "The bakery opens at four. The oven is hot."),
        passage(1, "The rye has to rest."),
    ]
    vectors = encoder.run([one.text for one in built])
    Store(database, encoder.key, encoder.dimensions).replace(Rows(WATCHED, 1, "en", built, vectors))


@contextmanager
def running(server: Server) -> Iterator[Client]:
    """Answer requests in a thread."""
    thread = threading.Thread(target=server.run, name="archive-server")
    thread.start()
    try:
        yield Client(int(server.url.rpartition(":")[2]))
    finally:
        server.stop()
        thread.join()


@contextmanager
def archive(database_url: str, volume: Path, encoder: TextModel, **settings: object) -> Iterator[Client]:
    """Give a client of a server of this archive."""
    chosen = load(ArchiveSettings, database_url=database_url, volume_path=volume, archive_port=0, **settings)
    with served(chosen, lambda: encoder) as server, running(server) as client:
        yield client


def _event(video_id: str, address: str, **metadata: object) -> Event:
    return Event(
        video_id=video_id,
        generation=1,
        stage=Stage.CHECK,
        kind=EventKind.SUBMITTED,
        at=NOW,
        source=Source(kind=SourceKind.MEDIA, url=address),
        metadata=Metadata(published_at=NOW - timedelta(days=1), **metadata),
    )


def _tell(database: Database, number: int, event: Event) -> None:
    write_events(database, [(event, (1, number))])


def _transcript(video_id: str) -> Transcript:
    """Return the transcript of the conversation as a perfect recognizer would write it."""
    segments = []
    for sentence in conversation().sentences:
        texts = sentence.text.split()
        share_s = (sentence.end_s - sentence.start_s) / len(texts)
        starts_s = [round(sentence.start_s + share_s * number, 3) for number in range(len(texts))]
        words = tuple(
            Word(start_s=start_s, end_s=start_s + share_s, text=text, probability=0.9)
            for text, start_s in zip(texts, starts_s, strict=True)
        )
        segments.append(
            Segment(
                start_s=sentence.start_s,
                end_s=sentence.end_s,
                text=sentence.text,
                words=words,
                avg_logprob=-0.1,
                compression_ratio=1.2,
                no_speech_prob=0.0,
                speaker=sentence.speaker or None,
                speaker_score=0.9,
            )
        )
    duration_s = conversation().duration_s
    return Transcript(
        video_id=video_id,
        audio_sha256="0" * 64,
        duration_s=duration_s,
        speech_s=duration_s,
        language="en",
        language_probability=1,
        model_key="test",
        segments=tuple(segments),
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
    )
