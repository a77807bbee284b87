"""Fingerprints of model folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.demo import VOICE_MODEL, voice_model_sha256
from ingest.shared.artifacts.fingerprint import fingerprint, hub_commit, short_id

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(weights)
    (folder / "config.json").write_text("{}")
    return folder


def test_two_models_with_files_of_equal_sizes_have_different_fingerprints(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a", b"weight1"), model(tmp_path / "b", b"weight2")
    assert fingerprint(first) != fingerprint(second)
    assert short_id(first) != short_id(second)


def test_a_copied_model_keeps_its_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(model(tmp_path / "a")) == fingerprint(model(tmp_path / "elsewhere" / "b"))


def test_a_renamed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    before = fingerprint(folder)
    (folder / "model.bin").rename(folder / "other.bin")
    assert fingerprint(folder) != before


def test_a_file_that_is_replaced_by_one_of_the_same_size_is_read_again(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    before = fingerprint(folder)
    (folder / "new").write_bytes(b"retrain")
    (folder / "new").replace(folder / "model.bin")
    assert fingerprint(folder) != before


def test_the_download_folder_of_the_hub_client_is_left_out(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    before = fingerprint(folder)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "lock").write_text("today")
    assert fingerprint(folder) == before


def test_a_model_below_a_folder_called_cache_is_read(tmp_path: Path) -> None:
    first = model(tmp_path / ".cache" / "a", b"weight1")
    second = model(tmp_path / ".cache" / "b", b"weight2")
    assert fingerprint(first) != fingerprint(second)


def test_a_snapshot_of_the_hub_is_identified_by_its_commit(tmp_path: Path) -> None:
    folder = model(tmp_path / "models--some--model" / "snapshots" / COMMIT)
    assert hub_commit(folder) == COMMIT
    assert short_id(folder) == COMMIT[:12]


def test_another_folder_has_no_commit(tmp_path: Path) -> None:
    folder = model(tmp_path / "snapshots" / "mine")
    assert hub_commit(folder) is None
    assert short_id(folder) == fingerprint(folder)[:12]


def test_the_bundled_voice_model_has_the_fingerprint_that_is_stored_beside_it() -> None:
    assert fingerprint(VOICE_MODEL) == voice_model_sha256()
