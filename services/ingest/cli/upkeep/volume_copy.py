"""`ingest volume copy`: copies a volume to another home."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.shared import outgoing
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes import moving
from ingest.shared.homes.chosen import home_of

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings
    from ingest.shared.artifacts.home import Home
    from ingest.shared.homes.moving import CopyReport


def copy(settings: AllSettings, source: str, target: str) -> CopyReport:
    """Copy a volume; raise ConfigurationError for a place that cannot be one."""
    with tempfile.TemporaryDirectory(prefix="ingest-copy-") as folder:
        before, after = (_home(settings, place, Path(folder)) for place in (source, target))
        if isinstance(before, FolderHome) and not before.root.is_dir():
            raise ConfigurationError(f"{outgoing.line(source)}: no such folder")
        return moving.copy(before, after)


def _home(settings: AllSettings, place: str, copies: Path) -> Home:
    """Return the home at a place; local copies are temporary."""
    if "://" not in place:
        try:
            return FolderHome(Path(place).expanduser())
        except RuntimeError as error:  # the home folder of an unknown user
            raise ConfigurationError(f"{outgoing.line(place)}: {str(error).rstrip('.')}") from error
    return home_of(settings.model_copy(update={"volume_url": place, "volume_path": copies}))


def print_report(report: CopyReport, *, as_json: bool) -> None:
    """Print what was copied."""
    if as_json:
        console.print_json(asdict(report))
        return
    for name in report.refused:
        console.err.print(f"{outgoing.line(name)} is not what was written: left out", markup=False)
    size = f"{report.copied_bytes / 1e6:.1f} MB"
    console.out.print(f"{report.copied} files copied ({size}), {report.present} were there", markup=False)
