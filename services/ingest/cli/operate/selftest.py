"""`ingest selftest`: sends a bundled recording through services that run elsewhere, and finds it by search."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.find.search import search
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs.run import submit
from ingest.cli.runs.summary import print_result
from ingest.cli.selection import Selection
from ingest.demo import samples
from ingest.downloader.settings import listed_paths
from ingest.embedder.search.question import Question
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import is_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.settings import AllSettings
    from ingest.demo import Sample

FOLDER = "selftest"
SEARCHED_HITS = 10


def run(settings: AllSettings) -> int:
    """Request a recording that the downloader can read, too, wait, search; return the exit status."""
    sample = min(samples(), key=lambda sample: sample.duration_s)
    path = placed(sample, settings)
    result = submit(settings, [str(path)], Selection(force=True), wait=True, quiet=True)
    print_result(result, as_json=False)
    if result.status or not result.tally.indexed:
        return result.status or console.FAILED
    indexed = {video.video_id for video in result.videos}
    with open_connections(settings) as connections:
        hits = search(connections, Question(sample.sentences[0].text, limit=SEARCHED_HITS))
    found = [number for number, hit in enumerate(hits, start=1) if hit.video_id in indexed]
    if not found:
        console.err.print(f"{sample.file} is indexed, but no search result for its first sentence is from it")
        return console.FAILED
    console.out.print(f"{sample.file} was downloaded, recognised and indexed; a search finds it as result {found[0]}")
    return console.OK


def placed(sample: Sample, settings: AllSettings) -> Path:
    """Return a recording in a folder that the downloader reads, too; it is copied where no such folder has it."""
    roots = listed_paths(settings.file_roots)
    if not roots:
        raise ConfigurationError("INGEST_FILE_ROOTS is not set: name a folder that the downloader can read, too")
    for root in roots:
        if (root / sample.file).is_file():
            return root / sample.file
    if not is_folder(settings):
        raise ConfigurationError(
            f"no folder of INGEST_FILE_ROOTS has {sample.file}, and with a volume in a store (INGEST_VOLUME_URL) the "
            "downloader cannot read what is copied here: name /opt/samples for both, which each image has"
        )
    copy = roots[0] / FOLDER / sample.file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(sample.path, copy)
    return copy
