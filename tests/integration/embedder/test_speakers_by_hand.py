"""`ingest voices name`, `merge`, `move`, `refuse`: through relabel, new runs and erasure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.archive.export.document import load
from ingest.archive.reading import Reading
from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli.app import app
from ingest.embedder.rebuild import passages_of
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.artifacts import transcript, voiceprints, zstd_json
from ingest.shared.artifacts.attribution import attribute
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Turn, Word
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from tests.integration.cli.test_forget import event
from tests.support.archive_server import LIMITS
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.broker.nats_bus import NatsBus

TALK, OTHER = "abcdefghijk", "ABCDEFGHIJK"
VOICES = np.eye(3, dtype=np.float32)
TURN_S = 20.0
SPEAKERS = ("Unknown 1", "Unknown 2", "Unknown 1", "Unknown 3")  # of four turns


def turns(speakers: Sequence[str] = SPEAKERS) -> tuple[Turn, ...]:
    return tuple(
        Turn(
            start_s=number * TURN_S,
            end_s=(number + 1) * TURN_S,
            cluster=f"S{speaker[-1]}",
            speaker=speaker,
            vector=number,
        )
        for number, speaker in enumerate(speakers)
    )


def spoken(spoken_turns: Sequence[Turn], video_id: str = TALK) -> Transcript:
    """Return a transcript with a word each second, and a sentence of ten."""
    duration_s = spoken_turns[-1].end_s
    words = [
        Word(
            start_s=second,
            end_s=second + 0.9,
            text=f"Word{second}" if second % 10 == 0 else f"word{second}{'.' if second % 10 == 9 else ''}",
            probability=0.9,
        )
        for second in range(int(duration_s))
    ]
    whole = [
        Segment(
            start_s=part[0].start_s,
            end_s=part[-1].end_s,
            text=" ".join(word.text for word in part),
            words=tuple(part),
            avg_logprob=-0.1,
            compression_ratio=1.0,
            no_speech_prob=0.0,
        )
        for part in (words[start : start + 10] for start in range(0, len(words), 10))
    ]
    return Transcript(
        video_id=video_id,
        audio_sha256="0" * 64,
        duration_s=duration_s,
        speech_s=duration_s,
        language="en",
        language_probability=1,
        model_key="test",
        segments=tuple(attribute(whole, spoken_turns)),
        turns=tuple(spoken_turns),
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
    )


@pytest.fixture
def volume(
    database: Database, archive_encoder: TextModel, tmp_path: Path, use_servers: Callable[[Path], None]
) -> Volume:
    """Two recordings of the same four turns."""
    volume = Volume(tmp_path / "volume")
    use_servers(on_disk(volume).root)
    for number, video_id in enumerate((TALK, OTHER), start=1):
        write_events(database, [(event(video_id, "a talk"), (1, number))])
        index(database, volume, archive_encoder, spoken(turns(), video_id), 1)
    return volume


def index(database: Database, volume: Volume, encoder: TextModel, content: Transcript, generation: int) -> None:
    """Store a run of a recording, as the asr stage and the embedder do."""
    store = Store(database, encoder.key, encoder.dimensions)
    own = content.turns or ()
    vectors = zstd_json.vectors(VOICES[[(int(turn.cluster[1:]) - 1) % len(VOICES) for turn in own]])
    prints = Voiceprints(video_id=content.video_id, model_key="m", outcome="full", turns=own, vectors=vectors)
    file = on_disk(volume).root / "file"
    file.parent.mkdir(exist_ok=True)
    voiceprints.write(prints, file)
    volume.keep(
        content.video_id,
        NewArtifact(file, "voices", voiceprints.EXTENSION, content.duration_s, "test", generation),
    )
    transcript.write(content, file)
    volume.keep(
        content.video_id,
        NewArtifact(file, "transcript", transcript.EXTENSION, content.duration_s, "test", generation),
    )
    built = passages_of(content, own, store.overlay(content.video_id), LIMITS, lambda text: len(text.split()))
    rows = Rows(
        content.video_id,
        generation,
        "en",
        built.passages,
        encoder.run([one.text for one in built.passages]),
        outcomes=built.words,
        speaker_outcomes=built.speakers,
    )
    store.replace(rows)


def voices(*words: str, status: int = 0) -> str:
    done = CommandLine(env={"COLUMNS": "200"}).invoke(app, ["voices", *words])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.output


def speakers(database: Database, video_id: str = TALK) -> list[str | None]:
    """Return the speakers of the passages, without repetitions."""
    found = [row.speaker for row in Catalog(database).passages(video_id)]
    return [name for number, name in enumerate(found) if number == 0 or name != found[number - 1]]


def test_a_name_by_hand_is_shown_with_its_author_and_beats_the_voice_models(volume: Volume, database: Database) -> None:
    voices("name", TALK, "Unknown 1", "Ada Lovelace", "--author", "me", "--reason", "her talk")
    named = ["Ada Lovelace", "Unknown 2", "Ada Lovelace", "Unknown 3"]
    assert speakers(database) == named
    assert speakers(database, OTHER) == list(SPEAKERS)
    assert {row.speaker: row.named_by for row in Catalog(database).speakers(TALK)} == {
        "Ada Lovelace": "me",
        "Unknown 2": None,
        "Unknown 3": None,
    }
    reading = Reading(database)
    row = reading.recording(TALK)
    assert row is not None
    document = load(reading, volume, row)
    assert [turn.speaker for turn in document.turns] == named
    assert not document.lacks_words
    assert "her talk" in voices("named", TALK)

    Profiles(volume.home).keep(Profile("Grace", 1, "m", np.stack([VOICES[0]] * 3)))
    voices("relabel", "--all")
    assert speakers(database) == ["Ada Lovelace", "Unknown 1", "Ada Lovelace", "Unknown 2"]
    assert speakers(database, OTHER) == ["Grace", "Unknown 1", "Grace", "Unknown 2"]
    voices("undo", str(speaker_statements.listed(database, None)[0].id))
    assert speakers(database) == ["Grace", "Unknown 1", "Grace", "Unknown 2"]


def test_a_name_by_hand_outlives_a_run_with_other_speakers(
    volume: Volume, database: Database, archive_encoder: TextModel
) -> None:
    voices("name", TALK, "Unknown 1", "Ada")
    again = tuple(
        turn.model_copy(update={"cluster": cluster, "speaker": f"Unknown {cluster[1:]}", "start_s": turn.start_s + 0.4})
        for turn, cluster in zip(turns(), ("S2", "S1", "S3", "S1"), strict=True)
    )
    index(database, volume, archive_encoder, spoken(again), 2)
    assert speakers(database) == ["Ada", "Unknown 1", "Ada", "Unknown 1"]
    assert [row.state for row in speaker_statements.listed(database, TALK)] == ["placed"]

    silent = (turns()[1], turns()[3].model_copy(update={"vector": 0}))
    silent = (silent[0].model_copy(update={"vector": 1}), silent[1])
    index(database, volume, archive_encoder, spoken(silent), 3)
    assert "Ada" not in speakers(database)
    assert [row.state for row in speaker_statements.listed(database, TALK)] == ["needs a look"]
    assert "needs a look" in voices("named", TALK)


def test_speakers_are_merged_and_turns_are_moved(volume: Volume, database: Database) -> None:
    assert volume
    voices("merge", TALK, "Unknown 3", "Unknown 1")
    assert speakers(database) == ["Unknown 1", "Unknown 2", "Unknown 1"]
    for _ in range(2):  # said twice, it is one statement
        voices("move", TALK, "--at", "0:25", "Grace")
    assert len(speaker_statements.listed(database, TALK)) == 2
    assert speakers(database) == ["Unknown 1", "Grace", "Unknown 1"]
    voices("move", TALK, "--at", "0:50", "--until", "1:00", "Grace")
    found = [(row.start_s, row.speaker) for row in Catalog(database).passages(TALK)]
    assert (50.0, "Grace") in found
    assert (60.0, "Unknown 1") in found
    assert "is not a speaker of" in voices("move", TALK, "--at", "0:25", "Unknown 9", status=1)
    assert "has no turn at that time" in voices("move", TALK, "--at", "9:00", "Grace", status=1)


def test_a_refused_name_stays_away(volume: Volume, database: Database) -> None:
    Profiles(volume.home).keep(Profile("Ada", 1, "m", np.stack([VOICES[0]] * 3)))
    voices("relabel", "--all")
    assert speakers(database)[0] == "Ada"
    voices("refuse", TALK, "Ada")
    assert speakers(database)[0] == "Unknown 3"
    voices("relabel", "--all")
    assert "Ada" not in speakers(database)
    assert speakers(database, OTHER)[0] == "Ada"


def test_a_named_voice_can_be_enrolled_and_unknown_ones_that_sound_alike_are_suggested(
    volume: Volume, database: Database, archive_encoder: TextModel
) -> None:
    (group, *others) = json.loads(voices("suggest", "--json"))
    assert {(one["video_id"], one["speaker"]) for one in group} == {(TALK, "Unknown 1"), (OTHER, "Unknown 1")}
    assert len(others) == 2
    assert "2 unknown voices of 2 recordings sound alike" in voices("suggest")
    told = voices("name", TALK, "Unknown 1", "Ada", "--enroll", status=1)
    assert "at least 3 vectors" in told  # too little of it
    assert speakers(database)[0] == "Unknown 1"
    voices("name", TALK, "Unknown 1", "Ada")
    assert len(json.loads(voices("suggest", "--json"))) == 2
    index(database, volume, archive_encoder, spoken(turns(("Unknown 1", "Unknown 2", "Unknown 1", "Unknown 1"))), 2)
    voices("move", TALK, "--at", "1:05", "Ada")
    voices("move", TALK, "--at", "0:45", "--until", "0:50", "Bob")
    told = voices("enroll", "Ada", "--from-turns", f"{TALK}:Ada", status=1)
    assert "2 vectors over 40 s" in told  # the turn that is Bob's in part is not hers alone
    voices("undo", str(speaker_statements.listed(database, TALK)[0].id))
    ada = f"{TALK}:ada"
    enrolled = json.loads(voices("enroll", "Ada", "--from-turns", ada, "--from-turns", ada, "--json"))
    assert (enrolled["vectors"], enrolled["speech_s"]) == (3, 60.0)
    told = CommandLine().invoke(app, ["voices", "enroll", "Ada", "--from-turns", ada]).output
    assert f"{ada}: 3 of 3 voice embeddings are in the profile already" in told
    assert "Ada, version 1: 3 vectors over 60 s" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("name", TALK, "Unknown 7", "Ada"), "its speakers: Unknown 1, Unknown 2, Unknown 3"),
        (("name", TALK, "Unknown 1", "Unknown 5"), "is no name of a person"),
        (("merge", TALK, "Unknown 1", "Unknown 1"), "name two speakers"),
        (("undo", "77"), "there is no statement 77"),
        (("name", "aaaaaaaaaaa", "Unknown 1", "Ada"), "has no video aaaaaaaaaaa"),
        (("refuse", TALK, "Unknown 1"), "has no name that could be refused"),
        (("refuse", TALK, "Ada"), "Ada is not a speaker of"),
        (("move", TALK, "--at", "9:00", "--until", "9:10", "Ada"), "the nearest is from 60.0 to 80.0 s"),
        (("move", TALK, "--at", "0:20", "--until", "0:10", "Ada"), "ends before it begins"),
        (("named", "aaaaaaaaaaa"), "has no video aaaaaaaaaaa"),
        (("enroll", "Ada", "--from-turns", "aaaaaaaaaaa:Unknown 1"), "has no video aaaaaaaaaaa"),
        (("relabel", "--channel", "Nowhere"), "no indexed video of a channel 'Nowhere'"),
        (("enroll", "Ada", "--from-turns", f"{TALK}:Ada"), "its speakers: Unknown 1, Unknown 2, Unknown 3"),
    ],
)
@pytest.mark.usefixtures("volume")
def test_what_cannot_be_said_is_refused(words: tuple[str, ...], told: str) -> None:
    assert told in voices(*words, status=1)


@pytest.mark.usefixtures("volume")
def test_a_name_of_an_interrupted_undo_goes_with_the_next_command(database: Database) -> None:
    voices("name", TALK, "Unknown 1", "Ada")
    (one,) = speaker_statements.listed(database, TALK)
    speaker_statements.remove(database, TALK, one.id)  # what `undo` does first
    catalog = Catalog(database)
    assert "Ada" in {row.speaker for row in catalog.speakers(TALK)}
    voices("name", OTHER, "Unknown 2", "Bo")
    assert {row.speaker for row in catalog.speakers(TALK)} == {"Unknown 1", "Unknown 2", "Unknown 3"}


def test_the_erasure_of_a_person_takes_names_by_hand_and_their_voices(
    volume: Volume, database: Database, bus: NatsBus
) -> None:
    assert bus
    voices("name", TALK, "Unknown 1", "Žofie Xylander")
    done = CommandLine().invoke(app, ["forget", "--speaker", "žofie xylander", "--yes", "--json"])
    assert done.exit_code == 0, done.output
    receipt = json.loads(done.stdout)
    assert (receipt["statements"], receipt["videos"][0]["voice_embeddings"]) == (1, 2)
    assert speaker_statements.listed(database, None) == []
    assert speakers(database) == ["Unknown 1", "Unknown 2", "Unknown 1", "Unknown 3"]
    manifest = volume.manifest(TALK, "voices")
    assert manifest is not None
    kept = voiceprints.read(volume.verified(manifest.artifact))
    assert len(kept.vectors.array()) == 2
    voices("relabel", "--all")
    assert "Žofie Xylander" not in speakers(database)


def test_names_go_with_their_recording(volume: Volume, database: Database, bus: NatsBus) -> None:
    assert volume
    assert bus
    voices("name", TALK, "Unknown 1", "Ada")
    assert CommandLine().invoke(app, ["forget", TALK, "--yes"]).exit_code == 0
    assert speaker_statements.listed(database, None) == []


def test_those_who_speak_at_the_same_time_are_shown_renamed_and_erased(
    volume: Volume, database: Database, archive_encoder: TextModel, bus: NatsBus
) -> None:
    assert bus
    first, second, *_ = turns()
    both = (first, second.model_copy(update={"start_s": 12.0, "end_s": 15.0}))
    index(database, volume, archive_encoder, spoken(both), 2)

    def found() -> list[tuple[str | None, tuple[str, ...]]]:
        return [(row.speaker, tuple(row.also_speaking)) for row in Reading(database).passages(TALK)]

    assert found() == [("Unknown 1", ("Unknown 2",))]
    assert "(Unknown 2 speaks, too)" in CommandLine().invoke(app, ["show", TALK]).stdout
    assert "(Unknown 2 speaks, too)" in CommandLine().invoke(app, ["search", "word12"]).stdout
    voices("name", TALK, "Unknown 2", "Grace Hopper")
    assert found() == [("Unknown 1", ("Grace Hopper",))]
    done = CommandLine().invoke(app, ["forget", "--speaker", "grace hopper", "--yes", "--json"])
    assert json.loads(done.stdout)["videos"][0]["passages"] == 1
    assert found() == [("Unknown 1", ())]
    voices("relabel", "--all")
    assert found() == [("Unknown 1", ("Unknown 2",))]
