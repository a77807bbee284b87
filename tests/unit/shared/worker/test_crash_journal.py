"""Evidence of crashes: who is charged, and who is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.shared.errors import Code, IngestError
from ingest.shared.worker.crash_journal import CrashJournal, forgive
from ingest.shared.worker.notes import FolderNotes

JOB = "asr.abcdefghijk.1.0"
OTHER = "asr.bbbbbbbbbbb.1.0"


def died_with(folder: Path, *jobs: str, worker: str = "asr-a") -> None:
    """Be a worker that dies with jobs in flight."""
    journal = CrashJournal(folder, worker)
    for job in jobs:
        journal.begin(job)


def test_a_worker_that_starts_again_charges_the_jobs_it_died_with(tmp_path: Path) -> None:
    died_with(tmp_path, JOB, OTHER)
    died_with(tmp_path, JOB)
    journal = CrashJournal(tmp_path, "asr-a")
    assert (journal.crashes(JOB), journal.crashes(OTHER)) == (2, 1)


def test_every_worker_knows_the_crashes_of_a_job(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    CrashJournal(tmp_path, "asr-a")
    assert CrashJournal(tmp_path, "asr-b").crashes(JOB) == 1


def test_another_worker_charges_nothing(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    assert CrashJournal(tmp_path, "asr-b").crashes(JOB) == 0


def test_a_job_that_has_ended_is_not_charged(tmp_path: Path) -> None:
    journal = CrashJournal(tmp_path, "asr-a")
    journal.begin(JOB)
    journal.begin(OTHER)
    journal.end(JOB)
    again = CrashJournal(tmp_path, "asr-a")
    assert (again.crashes(JOB), again.crashes(OTHER)) == (0, 1)


def test_a_crash_is_charged_once_however_often_the_worker_starts(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    for _ in range(3):
        journal = CrashJournal(tmp_path, "asr-a")
    assert journal.crashes(JOB) == 1


def test_a_worker_that_dies_while_it_charges_charges_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died_with(tmp_path, JOB)
    replace = Path.replace

    def replace_and_die(path: Path, target: Path) -> Path:
        replace(path, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", replace_and_die)
        with pytest.raises(KeyboardInterrupt):
            CrashJournal(tmp_path, "asr-a")
    assert CrashJournal(tmp_path, "asr-a").crashes(JOB) == 1


def test_a_job_that_has_come_to_an_end_has_a_clean_record(tmp_path: Path) -> None:
    died_with(tmp_path, JOB, OTHER)
    journal = CrashJournal(tmp_path, "asr-a")
    journal.clear(JOB)
    journal.clear(JOB)
    assert (journal.crashes(JOB), journal.crashes(OTHER)) == (0, 1)


def test_workers_that_were_killed_with_everything_else_charge_nothing_and_keep_old_crashes(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    CrashJournal(tmp_path, "asr-a").begin(JOB)
    died_with(tmp_path, OTHER, worker="asr-b")
    forgive(tmp_path)
    journals = [CrashJournal(tmp_path, name) for name in ("asr-a", "asr-b")]
    assert (journals[0].crashes(JOB), journals[1].crashes(OTHER)) == (1, 0)


@pytest.mark.parametrize("note", ["", "{", "\0\0\0"])
def test_an_unreadable_note_charges_nobody_and_stops_no_worker(tmp_path: Path, note: str) -> None:
    (tmp_path / "asr-a.json").write_text(note)
    journal = CrashJournal(tmp_path, "asr-a")
    journal.begin(JOB)
    assert CrashJournal(tmp_path, "asr-a").crashes(JOB) == 1


def test_an_unreadable_count_is_none(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    journal = CrashJournal(tmp_path, "asr-a")
    (count,) = (tmp_path / "crashes").iterdir()
    count.write_text("")
    assert journal.crashes(JOB) == 0


def test_the_name_of_a_job_leads_nowhere_else(tmp_path: Path) -> None:
    died_with(tmp_path / "workers", "../../asr")
    assert CrashJournal(tmp_path / "workers", "asr-a").crashes("../../asr") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["workers"]


def test_a_worker_name_with_dots_is_a_name_like_any_other(tmp_path: Path) -> None:
    died_with(tmp_path, JOB, worker="asr-host.example.org")
    assert CrashJournal(tmp_path, "asr-host.example.com").crashes(JOB) == 0
    assert CrashJournal(tmp_path, "asr-host.example.org").crashes(JOB) == 1


def test_a_worker_that_ends_for_a_reason_of_its_own_charges_nobody(tmp_path: Path) -> None:
    journal = CrashJournal(tmp_path, "asr-a")
    journal.begin(JOB)
    journal.abandon()
    assert CrashJournal(tmp_path, "asr-a").crashes(JOB) == 0


def test_nothing_is_noted_any_more_once_the_end_is_near(tmp_path: Path) -> None:
    journal = CrashJournal(tmp_path, "asr-a")
    journal.begin(JOB)
    journal.begin(OTHER)
    journal.abandon()
    journal.end(JOB)
    journal.begin(JOB)
    again = CrashJournal(tmp_path, "asr-a")
    assert (again.crashes(JOB), again.crashes(OTHER)) == (0, 0)


def test_where_the_count_of_crashes_cannot_be_read_the_volume_is_to_blame(tmp_path: Path) -> None:
    died_with(tmp_path, JOB)
    journal = CrashJournal(tmp_path, "asr-a")
    (count,) = (tmp_path / "crashes").iterdir()
    count.unlink()
    count.mkdir()
    with pytest.raises(IngestError) as caught:
        journal.crashes(JOB)
    assert caught.value.code is Code.ENV_VOLUME


def test_a_volume_that_fails_ends_no_thread(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    journal = CrashJournal(folder, "asr-a")
    journal.begin(JOB)
    folder.rename(tmp_path / "away")
    folder.touch()
    journal.end(JOB)
    journal.clear(JOB)
    journal.abandon()


def test_a_job_does_not_begin_where_its_note_cannot_be_written(tmp_path: Path) -> None:
    journal = CrashJournal(tmp_path, "asr-a")
    journal.begin(JOB)
    (tmp_path / "asr-a.json.tmp").mkdir()
    with pytest.raises(IngestError) as caught:
        journal.begin(OTHER)
    assert caught.value.code is Code.ENV_VOLUME
    journal.end(JOB)


def test_a_link_in_the_place_of_a_file_writes_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "workers"
    journal = CrashJournal(folder, "asr-a")
    for name in ("asr-a.json", "asr-a.json.tmp"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside)
    journal.begin(JOB)
    assert outside.read_text() == "kept"
    assert CrashJournal(folder, "asr-a").crashes(JOB) == 1


class AwayNotes(FolderNotes):
    """Notes in a store that may be away."""

    is_away = False

    def remove(self, name: str) -> None:
        """Delete a note, where the store answers."""
        if self.is_away:
            raise IngestError(Code.ENV_VOLUME, "no answer")
        super().remove(name)


def test_a_worker_that_ends_while_its_store_is_away_charges_no_job(tmp_path: Path) -> None:
    notes, own = AwayNotes(tmp_path / "workers"), tmp_path / "own"
    journal = CrashJournal(notes, "asr-a", own)
    journal.begin(JOB)
    notes.is_away = True
    journal.abandon()
    notes.is_away = False
    again = CrashJournal(notes, "asr-a", own)
    assert again.crashes(JOB) == 0
    again.begin(JOB)
    assert CrashJournal(notes, "asr-a", own).crashes(JOB) == 1
