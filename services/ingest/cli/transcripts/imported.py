"""`ingest import`: gives a recording captions of a person, or removes them, and requests it again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.downloader.captions import keep
from ingest.downloader.captions.found import CaptionFile
from ingest.shared.broker import requests
from ingest.shared.captions import CaptionUse, CaptionWish
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import Policy

if TYPE_CHECKING:
    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.tables.catalog import VideoRow


@dataclass(frozen=True)
class Use:
    """What is made of captions that a person gives, and their language where it is not that of the recording."""

    captions: CaptionUse
    language: str | None


@dataclass(frozen=True)
class Result:
    """The recording that was requested again, and the number of lines of its captions; None: they were removed."""

    video: str
    lines: int | None


def give(connections: Connections, video: str, file: Path, use: Use) -> Result:
    """Keep the captions in a file for a recording, and request it again."""
    row = _row(connections, video)
    path = file.expanduser().absolute()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {file}")
    captions = keep.read(video, CaptionFile(str(path), "manual", "import", use.language))
    if use.captions is not CaptionUse.COMPARE and not captions.has_times:
        raise ConfigurationError(f"{file.name} has no times: it can only be compared (--captions compare)")
    language = captions.language or row.given_language or row.language or row.likely_language
    captions = captions.model_copy(update={"language": language})
    request = requests.build_repetition(row.as_record())
    wished = request.model_copy(update={"policy": Policy(captions=CaptionWish(use=use.captions))})
    with tempfile.TemporaryDirectory(prefix="ingest-import-") as folder:
        keep.write(volume_of(connections.settings), captions, Path(folder), request.generation)
    requests.publish(connections.bus, wished)
    return Result(video, len(captions.cues))


def remove(connections: Connections, video: str) -> Result:
    """Remove the captions of a recording, and request it again."""
    row = _row(connections, video)
    volume_of(connections.settings).discard(video, "captions")
    request = requests.build_repetition(row.as_record())
    requests.publish(connections.bus, request.model_copy(update={"policy": Policy()}))
    return Result(video, None)


def print_result(result: Result, *, as_json: bool) -> None:
    """Print what was kept, and what follows."""
    if as_json:
        console.print_json(result)
        return
    what = "captions removed" if result.lines is None else f"{result.lines} lines of captions kept"
    console.out.print(f"{result.video}: {what}; requested again, to process it: `ingest run`", markup=False)


def _row(connections: Connections, video: str) -> VideoRow:
    row = connections.catalog.videos([video]).get(video)
    if row is None:
        raise ConfigurationError(f"the archive has no video {video}")
    return row
