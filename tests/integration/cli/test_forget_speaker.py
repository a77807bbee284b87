"""`ingest forget --speaker` on a real broker, database and volume: nothing of the person is left, the words stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from psycopg import sql

from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli.app import app
from ingest.embedder.tables import changes
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import Ledger, write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.about import About
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.artifacts import voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Turn
from ingest.shared.artifacts.vocabulary import FILE
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.topology import (
    CHANGE_REQUESTED,
    CHANGE_STREAM,
    EVENT_STREAM,
    INPUT_OF,
    WORK_STREAM,
    dead_subject,
    event_subject,
    later_subject,
)
from ingest.shared.errors import Code
from ingest.shared.messages import (
    ChangeRequested,
    DeadLetter,
    EventKind,
    Metadata,
    NameSpeaker,
    Source,
    SourceKind,
    Stage,
    VideoRequested,
    encode,
)
from tests.integration.cli.test_forget import NOW, event, request
from tests.support.archive_rows import passage
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

NAME = "Žofie Xylander"
TALK, OTHER = "abcdefghijk", "ABCDEFGHIJK"
HERS, HIS = np.eye(2, dtype=np.float32)


def turn(number: int, speaker: str, second_best: str | None) -> Turn:
    start_s = number * 30.0
    return Turn(
        start_s=start_s,
        end_s=start_s + 25,
        cluster="S1" if speaker == NAME else "S2",
        speaker=speaker,
        second_best=second_best,
        margin=0.1,
        vector=number,
    )


def segment(number: int, speaker: str) -> Segment:
    return Segment(
        start_s=number * 30.0,
        end_s=number * 30.0 + 25,
        text=f"words {number}",
        words=(),
        avg_logprob=-0.1,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        speaker=speaker,
        speaker_score=0.8,
    )


def keep(volume: Volume, folder: Path, video_id: str, speakers: tuple[str, ...], second_best: str | None) -> None:
    """Keep voiceprints and transcript of a recording, as the asr stage does."""
    turns = tuple(turn(number, speaker, second_best) for number, speaker in enumerate(speakers))
    vectors = zstd_json.vectors(np.stack([HERS if speaker == NAME else HIS for speaker in speakers]))
    prints = Voiceprints(video_id=video_id, model_key="m", outcome="full", turns=turns, vectors=vectors)
    words = Transcript(
        video_id=video_id,
        audio_sha256="0" * 64,
        duration_s=85.0,
        speech_s=75.0,
        language="en",
        language_probability=1,
        model_key="test",
        segments=tuple(segment(number, speaker) for number, speaker in enumerate(speakers)),
        turns=turns,
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
    )
    voiceprints.write(prints, folder / "voices")
    transcript_file.write(words, folder / "transcript")
    volume.keep(video_id, NewArtifact(folder / "voices", "voices", voiceprints.EXTENSION, 85.0, "test", 1))
    volume.keep(video_id, NewArtifact(folder / "transcript", "transcript", transcript_file.EXTENSION, 85.0, "test", 1))


@pytest.fixture
def volume(bus: NatsBus, database: Database, tmp_path: Path, use_servers: Callable[[Path], None]) -> Volume:
    """Two indexed recordings: in one the person speaks, in the other one her profile is the second best."""
    assert bus
    volume = Volume(tmp_path / "volume")
    use_servers(on_disk(volume).root)
    for number, (video_id, speakers, second_best) in enumerate(
        ((TALK, (NAME, "Bob", NAME), None), (OTHER, ("Bob", "Bob", "Bob"), NAME)), start=1
    ):
        said = About(description="a talk", persons=("Bob", f"zofie@example.org ({NAME})"))
        told = event(video_id, "a talk").model_copy(update={"metadata": Metadata(title="a talk", about=said)})
        subject = event_subject(told.stage)
        bus.publish(subject, encode(told), f"{subject}:{number}")
        Ledger(bus, database).catch_up()
        passages = [passage(index, f"words {index}", speaker) for index, speaker in enumerate(speakers)]
        Store(database, "test", 2).replace(Rows(video_id, 1, "en", passages, [HIS] * 3))
        keep(volume, tmp_path, video_id, (NAME, *speakers[1:]), second_best)  # an earlier version of the files
        keep(volume, tmp_path, video_id, speakers, second_best)
    for name, voice in ((NAME, HERS), ("Bob", HIS)):
        Profiles(on_disk(volume).root).keep(Profile(name, 1, "m", np.stack([voice] * 3)))
    return volume


def forget(*words: str, status: int = 0) -> str:
    done = CommandLine(env={"COLUMNS": "200"}).invoke(app, ["forget", "--speaker", *words])
    assert done.exit_code == status, done.output
    return done.output


def stored(volume: Volume, database_url: str) -> str:
    """Return the content of all rows, and of all files with their compressed content."""
    found = [str(path) for path in on_disk(volume).root.rglob("*")]
    found += [zstd_json._unpack(path.read_bytes()).decode() for path in on_disk(volume).root.rglob("*.zst")]  # noqa: SLF001
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = user").fetchall()
        for names in tables:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*names))
            found += [str(row[0]) for row in connection.execute(query).fetchall()]
    return "\n".join(found)


def sent(bus: NatsBus) -> str:
    """Return the content of all events, and of the wishes that wait."""
    return "\n".join(data.decode() for stream in (EVENT_STREAM, CHANGE_STREAM) for _, data in bus.read(stream, ">"))


def speakers(database: Database, video_id: str) -> list[str | None]:
    return [row.speaker for row in Catalog(database).passages(video_id)]


def kept(volume: Volume, video_id: str) -> Voiceprints:
    manifest = volume.manifest(video_id, "voices")
    assert manifest is not None
    return voiceprints.read(volume.verified(manifest.artifact))


def test_nothing_of_a_person_is_left_but_the_words(
    volume: Volume, database: Database, database_url: str, bus: NatsBus
) -> None:
    done = CommandLine().invoke(app, ["vocabulary", "add", NAME, "Another"])
    assert done.exit_code == 0, done.output
    assert NAME in (on_disk(volume).root / FILE).read_text()
    assert stored(volume, database_url).count(NAME) > 5
    for number, name in enumerate((NAME, "Bob"), start=1):
        wish = ChangeRequested(
            change_id=f"{number:011}", at=NOW, change=NameSpeaker(video=TALK, speaker="S", name=name)
        )
        bus.publish(CHANGE_REQUESTED, encode(wish), wish.change_id)
        changes.store(database, f"done{number:07}", changes.Outcome(True, f"Unknown 1 is {name} now"), TALK)
    assert sent(bus).count(NAME) == 3
    volume.keep_before(TALK, "of another model")
    receipt = json.loads(forget(NAME.upper(), "--yes", "--json"))
    assert (receipt["profile_versions"], receipt["vocabulary"], receipt["statements"]) == (1, 1, 1)
    assert [text for text in (NAME, "Another") if text in (on_disk(volume).root / FILE).read_text()] == ["Another"]
    columns = ("video_id", "passages", "voice_embeddings", "persons")
    assert [tuple(one[name] for name in columns) for one in receipt["videos"]] == [(OTHER, 0, 0, 1), (TALK, 2, 2, 1)]
    assert volume.manifest(TALK, "before") is None
    after = stored(volume, database_url)
    assert NAME not in after
    assert NAME not in sent(bus)
    assert "Unknown 1 is Bob now" in after
    assert len(list(bus.read(CHANGE_STREAM, ">"))) == 1
    assert Catalog(database).about(TALK) == {"description": "a talk", "persons": ["Bob"]}
    assert after.count("words 0") >= 4
    assert speakers(database, TALK) == ["Unknown 1", "Bob", "Unknown 1"]
    assert speakers(database, OTHER) == ["Bob"] * 3
    assert kept(volume, TALK).vectors.array().tolist() == [HIS.tolist()]
    assert [profile.name for profile in Profiles(on_disk(volume).root).all()] == ["Bob"]
    assert "no voice is enrolled as" in forget(NAME, "--yes", status=1)


def test_a_dry_run_changes_nothing(volume: Volume, database_url: str) -> None:
    before = stored(volume, database_url)
    assert "Would be erased" in forget(NAME)
    assert stored(volume, database_url) == before


def test_what_an_interrupted_command_has_left_is_erased_by_the_next(
    volume: Volume, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ingest.embedder.tables.speaker_names.SpeakerNames.change", stop)
        forget(NAME, "--yes", status=130)
    forget(NAME, "--yes")
    assert NAME not in stored(volume, database_url)
    assert speakers(database, TALK) == ["Unknown 1", "Bob", "Unknown 1"]


def test_recordings_in_work_are_left_and_named(volume: Volume, bus: NatsBus, database: Database) -> None:
    assert volume
    write_events(database, [(event("running0001", "busy", EventKind.STARTED), (1, 9))])
    bus.publish(INPUT_OF[Stage.ASR], encode(request("running0001", "busy")), "running0001:asr")
    delivery = bus.fetch(Stage.ASR, WORK_STREAM, 5)
    assert delivery is not None
    assert "running0001 was left" in forget(NAME, "--yes", status=3)
    bus.ack(delivery)
    write_events(database, [(event("running0001", "busy", EventKind.FAILED), (1, 10))])


@pytest.mark.parametrize("place", ["waiting", "put off", "dead"])
def test_a_request_that_names_the_person_is_kept_and_named(volume: Volume, bus: NatsBus, place: str) -> None:
    assert volume
    asked = VideoRequested(
        video_id=TALK,
        source=Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3"),
        metadata=Metadata(about=About(persons=(NAME,))),
    )
    if place == "dead":
        letter = DeadLetter(
            stage=Stage.CHECK,
            subject=INPUT_OF[Stage.CHECK],
            payload=encode(asked).decode(),
            code=Code.UNEXPECTED,
            text="",
            attempts={},
            at=NOW,
            video_id=TALK,
        )
        bus.publish(dead_subject(Stage.CHECK), encode(letter), f"{TALK}:dead")
    else:
        subject = later_subject(Stage.CHECK) if place == "put off" else INPUT_OF[Stage.CHECK]
        bus.publish(subject, encode(asked), f"{TALK}:{place}")
    shown = forget(NAME, "--yes", status=3)
    assert f"{TALK} was left: {'a dead letter names' if place == 'dead' else 'its request waits and names'}" in shown


@pytest.mark.parametrize("words", [("Unknown 1",), ("",), ("Nobody Here",), (NAME, "--channel", "x"), (NAME, TALK)])
def test_what_is_no_person_of_the_archive_is_refused(volume: Volume, words: tuple[str, ...]) -> None:
    assert volume
    assert forget(*words, status=2 if len(words) > 1 or not words[0] else 1)
