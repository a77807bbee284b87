"""`ingest compare` and `ingest rerun` on a real broker, database, volume and recognizer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ingest.archive.reading import Reading
from ingest.asr.recognition import whisper
from ingest.asr.recognition.build import recognizer_options
from ingest.asr.settings import AsrSettings
from ingest.cli.app import app
from ingest.cli.readings.rerun import Choice, rerun
from ingest.cli.settings import AllSettings
from ingest.demo import ASR_MODEL, conversation
from ingest.shared.artifacts import captions, transcript
from ingest.shared.artifacts.captions import Captions, Cue
from ingest.shared.artifacts.transcript import join
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.topology import REQUESTED, WORK_STREAM
from ingest.shared.errors import IngestError
from ingest.shared.messages import VideoRequested, decode
from ingest.shared.settings import load
from tests.support import archive_server
from tests.support.archive_server import FAILED, TALK
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.artifacts.transcript import Segment
    from ingest.shared.broker.nats_bus import NatsBus

RIGHT, WRONG = "symphony.", "cymbals."  # the recognizer reads the first


@pytest.fixture
def volume(tmp_path: Path, database: Database, archive_encoder: TextModel) -> Volume:
    """A volume with the demonstration's conversation, which the database has, too; a word of it is misread twice."""
    made = Volume(tmp_path / "volume")
    archive_server.fill(database, made, archive_encoder, tmp_path)
    read_as(made, "another", RIGHT, WRONG)
    return made


def read_as(volume: Volume, origin: str, before: str, after: str) -> None:
    """Let another run have another word, and keep the reading before it."""
    manifest = volume.manifest(TALK, "transcript")
    assert manifest is not None
    content = transcript.read(volume.verified(manifest.artifact))

    def segment(one: Segment) -> Segment:
        words = tuple(word.model_copy(update={"text": word.text.replace(before, after)}) for word in one.words)
        return one.model_copy(update={"words": words, "text": join(words)})

    changed = content.model_copy(
        update={"segments": tuple(map(segment, content.segments)), "model_key": f"model of {origin}"}
    )
    file = on_disk(volume).root / "file"
    transcript.write(changed, file)
    volume.keep_before(TALK, origin)
    volume.keep(TALK, NewArtifact(file, "transcript", transcript.EXTENSION, content.duration_s, origin, 1))


@pytest.fixture
def typed(bus: NatsBus, volume: Volume, use_servers: Callable[[Path], None]) -> Callable[..., str]:
    """A function that runs a command and returns its output."""
    assert bus.is_connected
    use_servers(on_disk(volume).root)
    return running()


def running() -> Callable[..., str]:
    """Return a function that runs a command and returns its output."""

    def run(*words: str, status: int = 0) -> str:
        done = CliRunner(env={"COLUMNS": "250", "INGEST_ASR_DEVICE": "cpu"}).invoke(app, list(words))
        assert done.exit_code == status, done.output
        return done.output

    return run


def printed(output: str) -> Any:  # noqa: ANN401 (JSON)
    """Return the JSON of an output, which has lines about progress before it."""
    return json.loads(output[output.index("\n{") if not output.startswith("{") else 0 :])


def text_of(database: Database) -> str:
    return " ".join(one.text for one in Reading(database).passages(TALK))


def said() -> Captions:
    """Return captions of all that is said."""
    cues = [Cue(start_s=one.start_s, end_s=one.end_s, text=one.text) for one in conversation().sentences]
    return Captions(video_id=TALK, kind="manual", origin="import", sha256="0" * 64, cues=tuple(cues))


@pytest.mark.long
def test_another_recognizer_is_compared_on_the_recordings_of_the_archive(
    typed: Callable[..., str], volume: Volume
) -> None:
    typed("correct", TALK, "--at", "0:18", WRONG, RIGHT)
    typed("vocabulary", "add", "restaurant", "zeppelin")
    captions.write(said(), on_disk(volume).root / "file")
    volume.keep(TALK, NewArtifact(on_disk(volume).root / "file", "captions", captions.EXTENSION, 75.0, "import", 1))
    found = printed(typed("compare", "--model", str(ASR_MODEL), "--json"))
    (one,) = found["recordings"]
    assert (one["video_id"], one["trouble"], one["corrections"]) == (TALK, "", 1)
    present, other = one["present"], one["other"]
    assert (present["corrected_right"], other["corrected_right"]) == (0, 1)
    assert (present["expected_words"], other["expected_words"]) == (1, 1)
    assert one["captions_words"] == present["words"]
    assert (present["captions_wrong"], other["captions_wrong"] > 2) == (2, True)
    assert present["key"] == "model of another"
    assert other["key"].startswith(f"{ASR_MODEL.name}@")
    assert 0 < one["share"] < 0.1
    assert [span["present"] == span["other"] for span in one["spans"]] == [False] * 5
    assert one["with_speaker"] == 0  # the archive has no turns
    assert 0 < one["off_median_s"] < 0.5
    assert found["hours_for_all"] == pytest.approx(found["archive_s"] * other["took_s"] / one["seconds"] / 3600)
    assert found["hours_for_all"] > 0
    shown = typed("compare", "--model", str(ASR_MODEL), TALK, "--minutes", "0.5")
    assert "corrections that it has right" in shown
    assert re.search(r"present: .+ \| other: .+", shown)


def test_a_recording_without_audio_is_named(typed: Callable[..., str], volume: Volume) -> None:
    volume.discard(TALK, "audio")
    assert "no recording has both" in typed("compare", "--model", str(ASR_MODEL), status=1)
    assert "the audio is not kept any more" in typed("compare", "--model", str(ASR_MODEL), TALK, status=3)


def test_the_reading_before_the_last_run_is_compared_and_comes_back(
    typed: Callable[..., str], database: Database, volume: Volume
) -> None:
    (one,) = printed(typed("compare", TALK, "--json"))["recordings"]
    assert [(span["present"], span["other"]) for span in one["spans"]] == [(WRONG, RIGHT)] * 2
    assert (one["differing"], one["present"]["key"]) == (2, "model of another")

    (back,) = json.loads(typed("rerun", "--back", TALK, TALK, "--json"))  # twice would be there and back
    assert (back["trouble"], back["model"]) == ("", one["other"]["key"])
    assert (RIGHT in text_of(database), WRONG in text_of(database)) == (True, False)
    assert "as it was read by model of another" in typed("rerun", "--back", TALK)
    assert (RIGHT in text_of(database), WRONG in text_of(database)) == (False, True)
    assert volume.manifest(TALK, "before") is not None
    volume.forget_before(TALK)
    volume.discard_older(TALK, "transcript")
    assert "no earlier reading is kept" in typed("rerun", "--back", TALK, status=3)
    assert "no earlier reading is kept" in typed("compare", TALK, status=3)


def test_chosen_recordings_are_requested_again_as_their_next_generation(
    typed: Callable[..., str], bus: NatsBus
) -> None:
    foreseen = json.loads(typed("rerun", "--all", "--dry-run", "--json"))
    assert (foreseen["videos"], foreseen["downloads"]) == ([TALK], 0)
    assert foreseen["audio_s"] > 10
    assert bus.lag("check", WORK_STREAM).waiting == 0
    assert json.loads(typed("rerun", TALK, FAILED, "--json"))["requested"] == 2
    sent = [decode(VideoRequested, data) for _, data in bus.read(WORK_STREAM, REQUESTED)]
    messages = {one.video_id: one for one in sent}
    assert messages.keys() == {TALK, FAILED}
    assert (messages[TALK].generation, messages[TALK].fresh_from) == (2, 0)


def test_only_what_another_recognizer_or_vocabulary_has_read_is_changed(
    typed: Callable[..., str], volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_ASR_MODEL", str(ASR_MODEL))

    def changed() -> list[str]:
        return list(json.loads(typed("rerun", "--changed", "--dry-run", "--json"))["videos"])

    assert changed() == [TALK]
    key = whisper.key_of(recognizer_options(load(AsrSettings), "cpu"))
    read_as(volume, f"{'a' * 64}:{key}:en", "x", "x")
    assert changed() == []
    assert "0 recordings" in typed("rerun", "--changed", "--channel", "Other Talks", "--dry-run")
    typed("vocabulary", "add", "Ada Lovelace", "--channel", "Harbor Talks")
    assert changed() == [TALK]
    monkeypatch.setenv("INGEST_ASR_BEAM", "1")
    typed("vocabulary", "remove", "1")
    assert changed() == [TALK]


def test_a_model_that_cannot_be_had_is_refused_before_a_recording_is_requested(tmp_path: Path) -> None:
    settings = load(AllSettings, state_path=tmp_path / "state", asr_model=str(tmp_path / "no" / "model"))
    with pytest.raises(IngestError, match="no such folder"):
        rerun(settings, Choice((TALK,)), quiet=True)
    assert not settings.state_path.exists()


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param(("compare",), 2, "--model", id="no-model"),
        pytest.param(("compare", TALK, "--channel", "x"), 2, "name no videos beside it", id="two-choices"),
        pytest.param(("compare", "abcdefghijk"), 1, "has no video abcdefghijk", id="unknown"),
        pytest.param(("compare", "--model", "x"), 1, "no recording has both", id="empty"),
        pytest.param(("rerun",), 2, "name videos", id="nothing"),
        pytest.param(("rerun", "--all", "--changed"), 2, "name videos", id="both"),
        pytest.param(("rerun", "--back", "--all"), 2, "--back needs videos", id="all-back"),
        pytest.param(("rerun", "abcdefghijk"), 1, "has no video abcdefghijk", id="unknown-again"),
        pytest.param(("rerun", "--back", "abcdefghijk"), 1, "has no video abcdefghijk", id="unknown-back"),
        pytest.param(("rerun", "--back", "abcdefghijk", "--dry-run"), 2, "--dry-run", id="foreseen-back"),
        pytest.param(("rerun", "--back", "abcdefghijk", "--model", "x"), 2, "--model", id="back-with-model"),
        pytest.param(("rerun", "--all", "--model", "x"), 2, "INGEST_ASR_MODEL", id="not-local"),
    ],
)
@pytest.mark.usefixtures("database", "bus")
def test_what_cannot_be_compared_or_repeated_is_refused(
    use_servers: Callable[[Path], None], tmp_path: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    use_servers(tmp_path)
    assert told in running()(*words, status=status)
