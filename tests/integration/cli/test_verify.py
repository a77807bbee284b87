"""`ingest verify`: true citations pass; one that is altered in anything is caught, although its checksums are right."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ingest.archive import citation
from ingest.archive.citing import Citing
from ingest.archive.reading import Reading
from ingest.asr.recognition.transcriber import Transcription
from ingest.asr.speakers.matching import Thresholds
from ingest.asr.speakers.profiles import Profiles
from ingest.cli.app import app
from ingest.cli.quotes.models import Models
from ingest.cli.quotes.verify import Verifier
from ingest.cli.settings import AllSettings
from ingest.demo import conversation
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.artifacts import transcript, voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.settings import load
from tests.support import archive_server
from tests.support.archive_server import FAILED, TALK
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.archive.citation import Citation
    from ingest.asr.sound import Sound
    from ingest.asr.spans import Span
    from ingest.asr.speakers.excerpts import Excerpt
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.quotes.verdicts import Verdict
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.artifacts.transcript import Segment, Transcript

RATE = 16_000
KEY = "words@1/int8/beam5"
OTHER = "Unknown 1"


@dataclass
class Speech:
    """A recognizer and a voice model that know who says what in the recording, wherever it is heard."""

    content: Transcript
    turns: Sequence[Turn]
    key: str = "voice@1"
    old_key: str = "voice@0"
    loads: int = 0
    recognizer: Any = field(default_factory=lambda: SimpleNamespace(key=KEY))

    def transcribe(self, sound: Sound, *_rest: object) -> Transcription:
        """Return the words within the speech."""
        speech = list(sound.speech())
        segments = tuple(found for one in self.content.segments if (found := _within(one, speech)) is not None)
        return Transcription(segments, 0.0, "en", 1.0, 0, 0, 0, ())

    def embed(self, _waveform: object, selected: Sequence[Excerpt]) -> FloatArray:
        """Return the axis of the speaker at the middle of each excerpt."""
        names = sorted({turn.speaker for turn in self.turns})
        vectors = np.zeros((len(selected), 8), dtype=np.float32)
        for row, one in enumerate(selected):
            at_s = (one.start + one.count / 2) / RATE
            turn = min(self.turns, key=lambda turn: max(turn.start_s - at_s, at_s - turn.end_s))
            vectors[row, names.index(turn.speaker)] = 1.0
        return vectors


def _within(one: Segment, speech: Sequence[Span]) -> Segment | None:
    words = tuple(
        word
        for word in one.words
        if any(span.start_s <= (word.start_s + word.end_s) / 2 <= span.end_s for span in speech)
    )
    return one.model_copy(update={"words": words}) if words else None


@dataclass(frozen=True)
class Desk:
    """An archive, its citations, and a verifier."""

    verifier: Verifier
    speech: Speech
    volume: Volume
    citations: list[Citation]

    def verdict(self, one: Citation) -> Verdict:
        """Return the verdict on a citation."""
        (found,) = self.verifier.verify([one])
        return found

    def longest(self) -> Citation:
        """Return the longest citation of a known speaker."""
        return max((one for one in self.citations if one.speaker), key=lambda one: one.to_s - one.from_s)


@pytest.fixture
def desk(tmp_path: Path, database: Database, archive_encoder: TextModel) -> Desk:
    """The demonstration's conversation, as a perfect recognizer and voice model would store it."""
    volume = Volume(tmp_path / "volume")
    archive_server.fill(database, volume, archive_encoder, tmp_path)
    manifest, audio = volume.manifest(TALK, "transcript"), volume.manifest(TALK, "audio")
    assert manifest is not None
    assert audio is not None
    spoken = transcript.read(volume.verified(manifest.artifact))
    names = sorted({one.speaker or OTHER for one in spoken.segments})
    turns = tuple(
        Turn(
            start_s=one.start_s,
            end_s=one.end_s,
            cluster=one.speaker or OTHER,
            speaker=one.speaker or OTHER,
            rule="cluster",
            score=0.9,
            vector=names.index(one.speaker or OTHER),
        )
        for one in spoken.segments
    )
    content = spoken.model_copy(update={"turns": turns, "model_key": KEY, "audio_sha256": audio.artifact.sha256})
    _keep(volume, content, turns, np.eye(8, dtype=np.float32)[: len(names)], tmp_path)
    speech = Speech(content, turns)
    settings = load(AllSettings, volume_path=on_disk(volume).root, scratch_path=tmp_path / "scratch")
    reading = Reading(database)

    def models() -> Models:
        speech.loads += 1
        return Models(cast("Any", speech), cast("Any", speech), Profiles(volume.home), Thresholds())

    citing = Citing(reading, volume)
    origin = citing.origin(TALK)
    assert origin is not None
    citations = [found for row in reading.passages(TALK) if (found := origin.cite(row)) is not None]
    return Desk(Verifier(settings, Catalog(database), volume, citing, models), speech, volume, citations)


def _keep(volume: Volume, content: Transcript, turns: tuple[Turn, ...], vectors: FloatArray, folder: Path) -> None:
    file = folder / "file"
    transcript.write(content, file)
    volume.keep(TALK, NewArtifact(file, "transcript", transcript.EXTENSION, content.duration_s, "test", 1))
    prints = Voiceprints(
        video_id=TALK, model_key="voice@1", outcome="full", turns=turns, vectors=zstd_json.vectors(vectors)
    )
    voiceprints.write(prints, file)
    volume.keep(TALK, NewArtifact(file, "voices", voiceprints.EXTENSION, content.duration_s, "test", 1))


def test_true_citations_pass_and_say_why_it_is_this_person(desk: Desk) -> None:
    assert len(desk.citations) > 2
    assert all(citation.parse(one.token()) == one for one in desk.citations)
    assert [one.result for one in desk.verifier.verify(desk.citations)] == ["same"] * len(desk.citations)
    why = desk.longest().attribution
    assert why is not None
    assert (why.rule, why.score, why.voice_model) == ("cluster", 0.9, "voice@1")


def test_a_citation_with_another_word_is_caught(desk: Desk) -> None:
    true = desk.longest()
    words = true.text.split()
    ways = ([*words[:2], "not", *words[2:]], [*words[:2], *words[3:]], [*words[:2], "xylophone", *words[3:]])
    for altered in (*ways, words[1:], words[:-1]):
        found = desk.verdict(true.model_copy(update={"text": " ".join(altered)}))
        assert (found.result, 1 <= len(found.edits) <= 2) == ("words differ", True)
    found = desk.verdict(true.model_copy(update={"text": "Something else.", "heard": true.text}))
    assert (found.result, found.reason) == ("words differ", "the words were not heard, but corrected")


@pytest.mark.parametrize("later_s", [-4.0, 3.0, 500.0])
def test_a_citation_of_another_second_is_caught(desk: Desk, later_s: float) -> None:
    true = desk.longest()
    altered = {"from_s": max(0.0, true.from_s + later_s), "to_s": true.to_s + later_s}
    assert desk.verdict(true.model_copy(update=altered)).result == "another time"


def test_a_citation_of_another_speaker_is_caught(desk: Desk) -> None:
    true = desk.longest()
    found = desk.verdict(true.model_copy(update={"speaker": OTHER}))
    assert found.result == "another voice"
    assert found.voice is not None
    assert found.voice.nearest == (true.speaker or "").casefold()
    found = desk.verdict(true.model_copy(update={"speaker": "Nobody"}))
    assert (found.result, found.reason) == ("another voice", "no voice of Nobody is known")


def test_another_file_is_caught_by_its_checksum_and_by_its_words(desk: Desk, tmp_path: Path) -> None:
    true = desk.longest()
    assert desk.verdict(true.model_copy(update={"audio_sha256": "0" * 64})).result == "another file"
    desk.speech.content = desk.speech.content.model_copy(update={"segments": ()})  # what the other file says: nothing
    (tmp_path / "other.ogg").write_bytes(conversation().path.read_bytes() + b"\0")
    kept = desk.volume.keep(TALK, NewArtifact(tmp_path / "other.ogg", "audio", "ogg", 60.0, "test", 1))
    assert desk.verdict(true).result == "another file"
    found = desk.verdict(true.model_copy(update={"audio_sha256": kept.sha256}))
    assert (found.result, found.reason) == ("words differ", "no words are heard there")


def test_what_is_not_there_any_more_is_gone(desk: Desk) -> None:
    one = desk.longest()
    for recording, told in ((FAILED, "not kept"), ("abcdefghijk", "no such recording")):
        found = desk.verdict(one.model_copy(update={"recording": recording}))
        assert (found.result, told in found.reason) == ("gone", True)
    assert desk.speech.loads == 0  # no model is loaded for these


def test_what_could_not_be_compared_is_noted(desk: Desk) -> None:
    one = desk.longest().model_copy(update={"model": "other@1", "transcript_sha256": "0" * 64})
    known = desk.verifier.models()
    silent = replace(desk.verifier, models=lambda: replace(known, voice=None))
    (found,) = silent.verify([one])
    assert found.result == "same"
    assert [note.split(":")[0].split(",")[0] for note in found.notes] == [
        f"heard with {KEY}",
        "the archive has another transcript now (generation 1)",
        "the voice was not compared",
    ]


def test_the_command_reads_tokens_files_and_standard_input(
    desk: Desk, use_servers: Callable[[Path], None], tmp_path: Path
) -> None:
    use_servers(on_disk(desk.volume).root)
    gone = [one.model_copy(update={"recording": FAILED}).token() for one in desk.citations[:2]]
    (tmp_path / "quotes").write_text("\n".join(gone))
    done = CommandLine().invoke(app, ["verify", gone[0], str(tmp_path / "quotes"), "-", "--json"], input="ingest1.x\n")
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert [one["result"] for one in found] == ["gone", "gone", "gone", "no citation"]
    assert "0 of 1 citations" in CommandLine().invoke(app, ["verify", gone[0]]).stdout
    assert CommandLine().invoke(app, ["verify", "no such file"]).exit_code == 1
    (tmp_path / "quotes").write_text(f"looking\nfor recordings\n{json.dumps([{'citation': gone[0]}], indent=2)}")
    done = CommandLine().invoke(app, ["verify", str(tmp_path / "quotes"), "--json"])
    found = [(one["result"], one["text"]) for one in json.loads(done.stdout)]
    assert found == [("no citation", "the first of 2 lines: looking"), ("gone", desk.citations[0].text)]
    done = CommandLine().invoke(app, ["verify", "-"], input="[]")
    assert (done.exit_code, "there is no citation" in done.output) == (1, True)


def test_results_exports_and_the_api_have_citations(
    desk: Desk, use_servers: Callable[[Path], None], database_url: str, archive_encoder: TextModel
) -> None:
    use_servers(on_disk(desk.volume).root)
    tokens = [one.token() for one in desk.citations]
    done = CommandLine().invoke(app, ["search", "astronaut", "--limit", "3", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {one["citation"] for one in found} <= set(tokens)
    done = CommandLine().invoke(app, ["export", TALK, "--format", "json"])
    assert [one["citation"] for one in json.loads(done.stdout)["passages"]] == tokens
    with archive_server.archive(database_url, on_disk(desk.volume).root, archive_encoder) as ask:
        hits = ask("/api/v1/search?q=astronaut&citations=true").json["results"]
        assert hits[0]["citation"] in tokens
        assert ask("/api/v1/search?q=astronaut").json["results"][0]["citation"] is None
        passages = ask(f"/api/v1/recordings/{TALK}/transcript?citations=true").json["passages"]
        assert [one["citation"] for one in passages] == tokens
