"""`ingest selftest`: a bundled recording goes the whole way through services that run elsewhere, and is found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.runs.run import print_outcome, submit
from ingest.cli.runs.submissions import Choice
from ingest.cli.search import find
from ingest.demo import samples
from ingest.downloader.settings import listed
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings

FOLDER = "selftest"
ANSWERS = 10


def run(settings: AllSettings) -> int:
    """Put the recording where the downloader may read it, ask for it anew, wait, search; return the exit status."""
    roots = listed(settings.file_roots)
    if not roots:
        raise ConfigurationError("INGEST_FILE_ROOTS is not set: name a folder that the downloader reads as well")
    sample = min(samples(), key=lambda sample: sample.duration_s)
    copy = Path(roots[0]) / FOLDER / sample.file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(sample.path, copy)
    outcome = submit(settings, [str(copy)], Choice(force=True), wait=True, quiet=True)
    print_outcome(outcome, as_json=False)
    if outcome.status or not outcome.tally.indexed:
        return outcome.status or console.FAILED
    wanted = {video.video_id for video in outcome.videos}
    hits = find(settings, sample.sentences[0].text, speaker=None, channel=None, since=None, limit=ANSWERS)
    found = [number for number, hit in enumerate(hits, start=1) if hit.video_id in wanted]
    if not found:
        console.err.print(f"{sample.file} is indexed, but a search for its first sentence does not find it")
        return console.FAILED
    console.out.print(f"{sample.file} was downloaded, recognised and indexed; a search finds it as answer {found[0]}")
    return console.OK
