"""Relabelling an archive: what is unchanged is neither read nor written, and a kill at any step loses nothing."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli.local.state_folder import Connections, StateFolder
from ingest.cli.settings import AllSettings
from ingest.cli.voices import relabeler
from ingest.cli.voices.relabel import relabel
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.embedder.tables import corrections, labels, speaker_statements
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load
from tests.integration.cli.test_voices import ADA, GRACE, KEY, OTHER, VIDEO, index, keep_voices, speakers
from tests.support import killed_relabel
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.labels import NewNames
    from ingest.embedder.tables.speaker_names import Renamed
    from ingest.shared.broker.nats_bus import NatsBus

NOBODY = ["Unknown 1", "Unknown 2", "Unknown 1"]
ENROLLED = ["Ada", "Unknown 1", "Ada"]
BY_HAND = "Grace"
VERSIONS = """
SELECT array_agg(xmin::text ORDER BY video_id), (SELECT array_agg(xmin::text ORDER BY video_id, idx) FROM segments)
FROM videos
"""


@dataclass(frozen=True)
class TwoRecordings:
    """Two recordings with two voices, of which a person has named the second one in the first recording."""

    archive: Connections
    volume: Volume
    folder: Path

    @property
    def database(self) -> Database:
        return self.archive.database

    @property
    def profiles(self) -> Profiles:
        return Profiles(on_disk(self.volume).root)

    def relabelled(self) -> dict[str, dict[str, int]]:
        done = relabel(self.archive)
        assert [one.trouble for one in done] == ["", ""]
        return {one.video_id: one.changes for one in done}

    def names(self) -> tuple[list[str | None], list[str | None]]:
        return speakers(self.database, VIDEO), speakers(self.database, OTHER)

    def names_in_files(self) -> tuple[list[str], list[str]]:
        """Return the names in the voiceprints, which must be whole."""
        found = []
        for video_id in (VIDEO, OTHER):
            manifest = self.volume.manifest(video_id, "voices")
            assert manifest is not None
            kept = voiceprints.read(self.volume.verified(manifest.artifact, patience_s=0))
            assert (kept.vectors.array() == np.stack([ADA, GRACE, ADA])).all()
            found.append([turn.speaker for turn in kept.turns])
        return found[0], found[1]

    def versions(self) -> tuple[object, ...]:
        """Return what differs after any write of a row or a manifest."""
        with self.database.transaction() as connection:
            rows = connection.execute(VERSIONS).fetchone() or ()
        files = (self.volume.home.version(f"{self.volume.folder(one)}/voices.json") for one in (VIDEO, OTHER))
        return (*rows, *files)

    def enroll(self, voice: Sequence[float] = tuple(ADA)) -> None:
        self.profiles.keep(Profile("Ada", 1, KEY, np.stack([np.array(voice, np.float32)] * 3)))


def say(database: Database, name: str, video_id: str) -> None:
    """Name the speaker of the second turn."""
    said = SpeakerStatement(0, "name", name, ((30.0, 55.0),), ((0.0, 25.0), (60.0, 85.0)))
    speaker_statements.add(database, video_id, said, corrections.author("me"))


@pytest.fixture
def stored(bus: NatsBus, database: Database, tmp_path: Path) -> TwoRecordings:
    settings = load(AllSettings, state_path=tmp_path)
    volume = Volume(settings.volume)
    for video_id in (VIDEO, OTHER):
        index(database, video_id)
        keep_voices(volume, tmp_path, video_id)
    say(database, BY_HAND, VIDEO)
    return TwoRecordings(Connections(settings, bus, database, StateFolder(settings)), volume, tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recordings whose voiceprints are read."""
    found, reading = [], voiceprints.read

    def noted(path: Path) -> voiceprints.Voiceprints:
        made = reading(path)
        found.append(made.video_id)
        return made

    monkeypatch.setattr(voiceprints, "read", noted)
    return found


def test_what_is_unchanged_is_neither_read_nor_written(stored: TwoRecordings, read: list[str]) -> None:
    stored.enroll()
    assert stored.relabelled() == {
        VIDEO: {"Unknown 1 -> Ada": 2, "Unknown 2 -> Grace": 1},
        OTHER: {"Unknown 1 -> Ada": 2, "Unknown 2 -> Unknown 1": 1},
    }
    assert sorted(read) == sorted((VIDEO, OTHER))
    assert stored.names_in_files() == (ENROLLED, ENROLLED)
    before = stored.versions()
    read.clear()
    assert stored.relabelled() == {VIDEO: {}, OTHER: {}}
    assert (read, stored.versions()) == ([], before)


def enroll_another_voice_as_the_same_version(stored: TwoRecordings) -> None:
    stored.profiles.remove("Ada")
    stored.enroll(tuple(GRACE))


def change_rows(stored: TwoRecordings) -> None:
    with stored.database.transaction() as connection:
        connection.execute("UPDATE segments SET speaker = 'Eve' WHERE video_id = %s AND idx = 2", (OTHER,))


def take_back_what_was_said(stored: TwoRecordings) -> None:
    (one,) = speaker_statements.listed(stored.database, VIDEO)
    speaker_statements.remove(stored.database, VIDEO, one.id)


def set_another_threshold(stored: TwoRecordings) -> None:
    vars(stored)["archive"] = Connections(
        stored.archive.settings.model_copy(update={"voice_accept": 1.01}),
        *(stored.archive.bus, stored.database, stored.archive.state_folder),
    )


@pytest.mark.parametrize(
    ("change", "looked_at", "names"),
    [
        (enroll_another_voice_as_the_same_version, {VIDEO, OTHER}, (["Unknown 1", BY_HAND, "Unknown 1"],)),
        (lambda stored: stored.profiles.remove("Ada"), {VIDEO, OTHER}, (["Unknown 1", BY_HAND, "Unknown 1"], NOBODY)),
        (change_rows, {OTHER}, (["Ada", BY_HAND, "Ada"], ENROLLED)),
        (take_back_what_was_said, {VIDEO}, (ENROLLED, ENROLLED)),
        (lambda stored: say(stored.database, "Bo", OTHER), {OTHER}, (["Ada", BY_HAND, "Ada"], ["Ada", "Bo", "Ada"])),
        (lambda stored: keep_voices(stored.volume, stored.folder, OTHER), {OTHER}, (["Ada", BY_HAND, "Ada"], ENROLLED)),
        (set_another_threshold, {VIDEO, OTHER}, (["Unknown 1", BY_HAND, "Unknown 1"], NOBODY)),
    ],
    ids=["voice", "profile", "rows", "taken back", "said", "voiceprints", "threshold"],
)
def test_all_that_names_are_made_from_is_noticed(
    stored: TwoRecordings,
    read: list[str],
    change: Callable[[TwoRecordings], None],
    looked_at: set[str],
    names: tuple[list[str], ...],
) -> None:
    stored.enroll()
    stored.relabelled()
    read.clear()
    change(stored)
    stored.relabelled()
    assert set(read) == looked_at
    assert stored.names()[: len(names)] == names
    read.clear()
    assert stored.relabelled() == {VIDEO: {}, OTHER: {}}
    assert read == []


def test_a_name_that_is_given_meanwhile_is_kept(stored: TwoRecordings, monkeypatch: pytest.MonkeyPatch) -> None:
    storing = labels.store

    def later(database: Database, named: Sequence[NewNames]) -> Mapping[str, Renamed]:
        say(database, "Bo", OTHER)
        return storing(database, named)

    monkeypatch.setattr(labels, "store", later)
    stored.enroll()
    stored.relabelled()
    assert stored.names() == (["Ada", BY_HAND, "Ada"], ["Ada", "Bo", "Ada"])


def test_a_recording_that_a_new_run_is_about_to_replace_stops_no_other(
    stored: TwoRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relabeler, "MOST_TURNS", 1)  # a transaction for each
    stored.enroll()
    keep_voices(stored.volume, stored.folder, OTHER, generation=2)
    trouble = {one.video_id: one.trouble.partition(":")[0] for one in relabel(stored.archive)}
    assert trouble == {VIDEO: "", OTHER: Code.SUPERSEDED}
    assert stored.names() == (["Ada", BY_HAND, "Ada"], NOBODY)


def test_a_recording_that_the_database_refuses_stops_no_other(
    stored: TwoRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing = labels.store

    def refused(database: Database, named: Sequence[NewNames]) -> Mapping[str, Renamed]:
        done = storing(database, named)
        if any(one.video_id == OTHER for one in named):
            raise IngestError(Code.BAD_SEGMENT, "is refused")
        return done

    monkeypatch.setattr(labels, "store", refused)
    stored.enroll()
    assert {one.video_id: one.is_failed for one in relabel(stored.archive)} == {VIDEO: False, OTHER: True}
    assert stored.names()[0] == ["Ada", BY_HAND, "Ada"]


@pytest.mark.long  # the command is killed at each of its steps, in about thirty processes
def test_a_kill_at_any_step_leaves_each_recording_whole_and_the_next_command_finishes(
    stored: TwoRecordings, database_url: str
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([killed_relabel.__name__])
    of = {True: (["Ada", BY_HAND, "Ada"], ENROLLED), False: (["Unknown 1", BY_HAND, "Unknown 1"], NOBODY)}
    in_files = {True: ENROLLED, False: NOBODY}
    stored.relabelled()
    left_half, last = 0, 0
    while True:
        last += 1
        is_known = bool(last % 2)
        if is_known:
            stored.enroll()
        else:
            stored.profiles.remove("Ada")
        process = context.Process(target=killed_relabel.run, args=(database_url, stored.folder, last))
        process.start()
        process.join()
        names, files = stored.names(), stored.names_in_files()
        assert names in of.values()  # the rows of both change in one transaction
        assert {tuple(one) for one in files} <= {tuple(one) for one in in_files.values()}
        if names == of[is_known]:
            assert files == (in_files[is_known],) * 2  # files come first
        left_half += names != of[is_known] and in_files[is_known] in files
        if process.exitcode != -signal.SIGKILL:
            assert (process.exitcode, names) == (0, of[is_known])
            break
        stored.relabelled()
        assert (stored.names(), stored.names_in_files()) == (of[is_known], (in_files[is_known],) * 2)
        assert stored.relabelled() == {VIDEO: {}, OTHER: {}}
    assert last > 20
    assert left_half > 5  # between the first file and the commit
