"""Who may read, prepare or replace a state folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.private_folder import make_private
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 12345  # a user that does not exist
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def older(state: Path) -> Path:
    """Make a folder as earlier versions made it."""
    state.mkdir(mode=0o755)
    for name in ("nats", "postgres", "volume", "logs"):
        (state / name).mkdir(mode=0o755)
    for name in ("lock", "servers.json"):
        (state / name).touch(mode=0o644)
    return state


def test_a_new_folder_is_closed_and_the_folders_above_stay_as_they_are(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o750)
    make_private(above / "state")
    assert (mode(above), mode(above / "state")) == ("750", "700")


def test_an_older_folder_is_closed_with_everything_in_it(tmp_path: Path) -> None:
    state = older(tmp_path / "state")
    make_private(state)
    assert {mode(path) for path in (state, *state.iterdir()) if path.is_dir()} == {"700"}
    assert {mode(path) for path in state.iterdir() if path.is_file()} == {"600"}


def test_a_folder_that_holds_other_files_keeps_its_permissions(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "volume").mkdir(mode=0o755, parents=True)
    (project / "README").touch()
    project.chmod(0o755)
    make_private(project)
    assert (mode(project), mode(project / "volume")) == ("755", "700")


def test_a_folder_with_other_files_to_which_every_user_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "file").touch()
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"every user can write to .*--state"):
        make_private(tmp_path / "shared")


@needs_root
@pytest.mark.parametrize("what", [".", "lock", "servers.json", "nats", "postgres", "volume", "logs"])
def test_what_another_user_has_prepared_is_refused(tmp_path: Path, what: str) -> None:
    state = older(tmp_path / "state")
    os.chown(state / what, OTHER, OTHER)
    with pytest.raises(ConfigurationError, match=rf"belongs to the user with the number {OTHER}: name a folder"):
        make_private(state)


@needs_root
def test_a_link_that_another_user_has_prepared_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "servers.json").symlink_to("/etc/passwd")
    os.chown(state / "servers.json", OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(ConfigurationError, match="belongs to"):
        make_private(state)


def test_a_link_of_the_user_to_another_disk_is_kept_and_its_target_untouched(tmp_path: Path) -> None:
    state, disk = older(tmp_path / "state"), tmp_path / "disk"
    disk.mkdir(mode=0o755)
    (state / "volume").rmdir()
    (state / "volume").symlink_to(disk)
    make_private(state)
    assert mode(disk) == "755"


def test_a_file_in_the_place_of_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ConfigurationError, match=r"^state folder .*: File exists$"):
        make_private(tmp_path / "state")
