"""`ingest correct` on a real database, volume and text model: a correction shows everywhere, and outlives every run."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, cast

import pytest

from ingest.archive.export import vtt
from ingest.archive.export.cues import Rules
from ingest.archive.export.document import Document, load
from ingest.archive.reading import Reading
from ingest.cli.app import app
from ingest.cli.transcripts.correct import print_places
from ingest.cli.transcripts.correct_options import CorrectAction
from ingest.embedder.handler import Embed
from ingest.embedder.search import occurrences
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables import corrections, vectors
from ingest.embedder.tables.store import CorrectedMeanwhileError, Rows, Store
from ingest.shared.artifacts import transcript
from ingest.shared.artifacts.transcript import Segment, join
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.messages import Source, SourceKind, TranscriptReady
from tests.support import archive_server
from tests.support.archive_rows import execute, passage
from tests.support.archive_server import LIMITS, TALK
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.corrections import CorrectionRow
    from ingest.embedder.text_model.encoder import Encoder
    from ingest.embedder.text_model.model_keys import TextModel

OLD, NEW = "famous symphony", "infamous string quartet"
LONG_PASSAGES = {"INGEST_PASSAGE_MIN_CHARS": "120", "INGEST_PASSAGE_MAX_CHARS": "600", "INGEST_PASSAGE_MAX_S": "30"}


@pytest.fixture
def volume(tmp_path: Path, database: Database, archive_encoder: TextModel) -> Volume:
    """A volume with the demonstration's conversation, which the database has, too."""
    made = Volume(tmp_path / "volume")
    archive_server.fill(database, made, archive_encoder, tmp_path)
    return made


@pytest.fixture
def correct(volume: Volume, use_servers: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that runs `ingest correct` with these words and returns its output."""
    use_servers(on_disk(volume).root)
    for name, value in LONG_PASSAGES.items():
        monkeypatch.setenv(name, value)

    def typed(*words: str, status: int = 0) -> str:
        done = CommandLine(env={"COLUMNS": "250"}).invoke(app, ["correct", *words])
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.output

    return typed


def document(database: Database, volume: Volume) -> Document:
    reading = Reading(database)
    row = reading.recording(TALK)
    assert row is not None
    return load(reading, volume, row)


def listed(database: Database) -> list[CorrectionRow]:
    return corrections.listed(database, None, None, 100)


def recognise_again(
    database: Database, volume: Volume, encoder: TextModel, change: Callable[[str], str], generation: int
) -> None:
    """Let another run of the recording recognise other words; each stays at its time."""
    manifest = volume.manifest(TALK, "transcript")
    assert manifest is not None
    before = transcript.read(volume.verified(manifest.artifact))

    def segment(one: Segment) -> Segment:
        words = tuple(word.model_copy(update={"text": change(word.text)}) for word in one.words)
        return one.model_copy(update={"words": words, "text": join(words)})

    file = on_disk(volume).root / "file"
    transcript.write(before.model_copy(update={"segments": tuple(map(segment, before.segments))}), file)
    kept = volume.keep(
        TALK, NewArtifact(file, "transcript", transcript.EXTENSION, before.duration_s, "other", generation)
    )
    batcher = Batcher(encoder.run, BatchLimits(16))
    handler = Embed(
        volume,
        Store(database, encoder.key, encoder.dimensions),
        cast("Encoder", encoder),  # this one has all that the handler uses
        batcher,
        LIMITS,
    )
    source = Source(kind=SourceKind.MEDIA, url="https://podcast.example/talk.ogg")
    handler(TranscriptReady(video_id=TALK, generation=generation, source=source, transcript=kept), lambda _: None)
    batcher.close()


def test_a_correction_shows_in_passages_search_words_and_exports(
    correct: Callable[..., str], database: Database, volume: Volume, archive_encoder: TextModel
) -> None:
    before = document(database, volume)
    (change,) = json.loads(
        correct(TALK, "--at", "0:13", OLD, NEW, "--author", "Ada", "--reason", "the score", "--json")
    )
    assert (change["state"], change["trouble"]) == ("placed", "")

    after = document(database, volume)
    changed = [one for one, old in zip(after.passages, before.passages, strict=True) if one != old]
    assert [NEW in one.text for one in changed] == [True]
    assert not after.lacks_words
    words = [word for group in after.words for word in group]
    quartet = next(word for word in words if word.text == "quartet.")
    assert 16.5 < quartet.start_s < quartet.end_s < 18.02
    assert NEW.split(maxsplit=1)[0] in vtt.write(after, Rules())
    (hit,) = Search(database, archive_encoder).ask(Question(f'"{NEW}"', limit=1))
    assert NEW in hit.text
    with database.transaction() as connection:
        counts = connection.execute("SELECT count(*), count(sentences) FROM embeddings").fetchone()
    assert counts is not None
    assert counts[0] == len(after.passages)

    (row,) = listed(database)
    assert (row.expected, row.replacement, row.author, row.reason) == (OLD, NEW, "Ada", "the score")
    assert "the score" in correct("--list", TALK)
    assert json.loads(correct("--undo", str(row.id), "--json"))[0]["state"] == "taken back"
    assert [one.text for one in document(database, volume).passages] == [one.text for one in before.passages]
    assert listed(database) == []


def test_only_changed_passages_are_encoded_and_vectors_of_other_models_stay(
    correct: Callable[..., str], database: Database, volume: Volume
) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO models (model, dimensions) VALUES ('other@1', 2)")
        connection.execute(
            "INSERT INTO embeddings (video_id, idx, model, embedding) "
            "SELECT video_id, idx, 'other@1', '[1,0]' FROM segments"
        )
    total = len(document(database, volume).passages)
    correct(TALK, OLD, NEW)
    missing = {one.model: one.missing for one in vectors.models(database)}
    assert missing.pop("other@1") == 1  # of the changed passage: `ingest embed` computes it
    assert set(missing.values()) == {0}
    assert total > 2


def test_a_correction_outlives_a_run_that_recognises_other_words(
    correct: Callable[..., str], database: Database, volume: Volume, archive_encoder: TextModel
) -> None:
    correct(TALK, OLD, NEW)
    again = {"famous": "fame's", "Every": "Each", "the": "a"}
    recognise_again(database, volume, archive_encoder, lambda text: again.get(text, text), 2)
    text = " ".join(one.text for one in document(database, volume).passages)
    assert f"plays a {NEW}." in text
    assert "Each morning" in text
    assert [one.state for one in listed(database)] == ["placed"]

    recognise_again(
        database, volume, archive_encoder, lambda text: "noise" if text in ("fame's", "symphony.") else text, 3
    )
    text = " ".join(one.text for one in document(database, volume).passages)
    assert NEW not in text
    (row,) = listed(database)
    assert (row.state, "noise noise" in row.found) == ("needs a look", True)
    assert "there is now" in correct("--list", "--look")


def test_a_text_is_corrected_everywhere_after_a_dry_run_and_taken_back_at_once(
    correct: Callable[..., str], database: Database, volume: Volume
) -> None:
    shown = json.loads(correct("--all", "astronaut", "cosmonaut", "--json"))
    assert [(one["text"], one["start_s"]) for one in shown["shown"]] == [("astronaut", 0.651), ("astronaut", 23.936)]
    assert (shown["places"], shown["recordings"], shown["pages"]) == (2, 1, 1)
    assert "[astronaut -> cosmonaut] measures" in correct("--all", "Astronaut", "cosmonaut")
    assert listed(database) == []
    assert "2 corrections in 1 recordings" in correct("--all", "astronaut", "cosmonaut", "--yes")
    assert sum("cosmonaut" in one.text for one in document(database, volume).passages) == 2
    assert json.loads(correct("--all", "astronaut", "cosmonaut", "--json"))["places"] == 0
    assert len(json.loads(correct("--undo", str(listed(database)[0].id), "--all", "--json"))) == 2
    assert sum("astronaut" in one.text for one in document(database, volume).passages) == 2


def test_stop_words_and_replacements_that_contain_the_old_text_are_found_once(correct: Callable[..., str]) -> None:
    assert json.loads(correct("--all", "the", "thee", "--json"))["places"] > 20
    assert len(json.loads(correct("--all", "joyful piano", "very joyful piano", "--yes", "--json"))) == 1
    assert json.loads(correct("--all", "joyful piano", "very joyful piano", "--json"))["places"] == 0


MANY = 1_500  # passages, ten places in each
COLUMNS = (
    "sentence_offsets, sentence_starts_s, avg_logprob, compression_ratio, no_speech_prob, refined, flags, ts_config"
)
COPIES = f"""
INSERT INTO segments (video_id, idx, start_s, end_s, text, {COLUMNS})
SELECT video_id, 1000 + number, number, number + 1, repeat('The rudder is here. ', 10), {COLUMNS}
FROM segments, generate_series(1, {MANY}) AS number WHERE idx = 0
"""  # noqa: S608 (constants only)


def test_a_word_of_very_many_places_is_counted_and_shown_a_page_at_a_time(
    correct: Callable[..., str], database: Database
) -> None:
    execute(database, COPIES)
    tracemalloc.start()
    try:
        found = occurrences.page(database, ("rudder", "helm"), 15, 7)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.places, found.recordings, len(found.shown)) == (10 * MANY, 1, 7)
    assert peak_bytes < 100 * 10 * MANY  # an object for each place would take more
    words = ("--all", "rudder", "helm", "--limit", "7", "--page", "3")
    assert "page 3 of 2143" in correct(*words)
    shown = json.loads(correct(*words, "--json"))
    assert (shown["places"], shown["page"], shown["pages"]) == (10 * MANY, 3, 2143)
    assert [one["start_s"] for one in shown["shown"]] == [one.start_s for one in found.shown]
    assert json.loads(correct("--all", "rudder", "helm", "--page", "9999", "--json"))["shown"] == []


def test_the_count_of_a_stop_word_ends_with_a_recording_and_says_so(
    correct: Callable[..., str],
    database: Database,
    archive_encoder: TextModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = ["The sea is the sea."]
    rows = Rows("zzzzzzzzzzz", 1, "en", [passage(0, *said)], archive_encoder.run(said))
    Store(database, archive_encoder.key, archive_encoder.dimensions).replace(rows)
    texts = ("the", "thee")
    whole = json.loads(correct("--all", *texts, "--json"))
    assert (whole["is_whole"], whole["recordings"]) == (True, 2)
    part = occurrences.page(database, texts, 1, 2, counted=1)
    assert (part.is_whole, part.recordings, part.places) == (False, 1, whole["places"] - 2)
    assert occurrences.page(database, texts, whole["places"] - 2, 2, counted=1).is_whole
    print_places(
        part,
        texts[1],
        CorrectAction(every=True, yes=False, only_list=False, look=False, undo=None, limit=2),
        as_json=False,
    )
    told = " ".join(capsys.readouterr().out.split())
    assert f"{part.places} places in the first 1 recordings, and more that are not counted" in told
    assert "of at least" in told


def test_passages_are_built_anew_with_other_limits_and_keep_their_corrections(
    correct: Callable[..., str], database: Database, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(TALK, OLD, NEW)
    before = [one.text for one in document(database, volume).passages]
    for name, value in {"INGEST_PASSAGE_MIN_CHARS": "20", "INGEST_PASSAGE_MAX_CHARS": "80"}.items():
        monkeypatch.setenv(name, value)
    done = CommandLine().invoke(app, ["embed", "--passages", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["recordings"]) == (0, 1), done.output
    after = [one.text for one in document(database, volume).passages]
    assert len(after) > len(before)
    assert (" ".join(after).count(NEW), " ".join(after).split()) == (1, " ".join(before).split())
    assert all(one.missing == 0 for one in vectors.models(database))


def test_what_an_interrupted_command_has_left_is_finished_by_the_next_one(
    correct: Callable[..., str], database: Database, volume: Volume
) -> None:
    before = [one.text for one in document(database, volume).passages]
    correct(TALK, OLD, NEW)
    (made,) = listed(database)
    corrections.remove(database, TALK, [made.id])  # what `--undo` does first
    assert NEW in " ".join(one.text for one in document(database, volume).passages)
    assert corrections.unfinished(database) == [TALK]
    assert "there is no correction 99" in correct("--undo", "99", status=1)
    assert [one.text for one in document(database, volume).passages] == before
    assert corrections.unfinished(database) == []


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param((TALK, "no such words", "x"), 1, "is not said in", id="not-said"),
        pytest.param((TALK, "--at", "1:10", OLD, NEW), 1, "not said near that time", id="not-there"),
        pytest.param((TALK, "astronaut", "x"), 1, "is said 2 times", id="several"),
        pytest.param((TALK, "--at", "noon", OLD, NEW), 1, "is no time in a recording", id="no-time"),
        pytest.param((TALK, OLD, OLD), 1, "are the same", id="the-same"),
        pytest.param(("--undo", "99"), 1, "there is no correction 99", id="unknown"),
        pytest.param(("--undo", "1", "--list"), 2, "exclude each other", id="exclusive"),
        pytest.param((TALK, OLD), 2, "name a video, the words, and the right ones", id="too-few"),
        pytest.param(("abcdefghijk", OLD, NEW), 1, "has no video abcdefghijk", id="no-video"),
    ],
)
def test_what_cannot_be_corrected_is_refused(
    correct: Callable[..., str], words: tuple[str, ...], status: int, told: str
) -> None:
    assert told in correct(*words, status=status)


def test_rows_without_a_present_correction_are_not_stored(
    correct: Callable[..., str], database: Database, archive_encoder: TextModel
) -> None:
    correct(TALK, OLD, NEW)
    store = Store(database, archive_encoder.key, archive_encoder.dimensions)
    rows = Rows(TALK, 2, "en", [passage(0, "Something.")], archive_encoder.run(["Something."]))
    with pytest.raises(CorrectedMeanwhileError):
        store.replace(rows)
    with database.transaction() as connection:
        assert connection.execute("SELECT indexed_generation FROM videos WHERE video_id = %s", (TALK,)).fetchone() == (
            1,
        )


def test_a_correction_without_its_transcript_is_kept_and_said(
    correct: Callable[..., str], database: Database, volume: Volume
) -> None:
    correct(TALK, OLD, NEW)
    volume.discard(TALK, "transcript")
    told = correct("--undo", str(listed(database)[0].id), status=3)
    assert "left as it was" in told


@pytest.mark.usefixtures("bus")
def test_the_status_counts_the_corrections_that_need_a_look(correct: Callable[..., str], database: Database) -> None:
    correct(TALK, OLD, NEW)
    shown = CommandLine(env={"COLUMNS": "250"}).invoke(app, ["status"])
    assert (shown.exit_code, "a look" in shown.output) == (0, False)
    execute(database, "UPDATE corrections SET state = 'needs a look'")
    shown = CommandLine(env={"COLUMNS": "250"}).invoke(app, ["status"])
    assert "1 correction needs a look: `ingest correct --list --look`" in shown.output
    shown = CommandLine().invoke(app, ["status", "--json"])
    assert json.loads(shown.stdout)["corrections"] == {"needs a look": 1}


@pytest.mark.usefixtures("bus")
def test_corrections_go_with_their_recording(correct: Callable[..., str], database: Database) -> None:
    correct(TALK, OLD, NEW)
    done = CommandLine().invoke(app, ["forget", TALK, "--yes"])
    assert done.exit_code == 0, done.output
    assert listed(database) == []
