"""The files of a volume in a folder, for tests that look at them or harm them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts.folder_home import FolderHome

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.artifacts.volume import Volume


@dataclass(frozen=True)
class Disk:
    """The folder of a volume."""

    volume: Volume
    home: FolderHome

    @property
    def root(self) -> Path:
        """Return the folder."""
        return self.home.root

    def folder(self, video_id: str) -> Path:
        """Return the folder of a video."""
        return self.home.root / self.volume.folder(video_id)

    def resolve(self, name: str) -> Path:
        """Return the path of a file."""
        return self.home.resolve(name)


def on_disk(volume: Volume) -> Disk:
    """Return the files of a volume that is in a folder."""
    assert isinstance(volume.home, FolderHome)
    return Disk(volume, volume.home)
