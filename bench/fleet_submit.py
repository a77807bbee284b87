"""The submission of `bench.fleet`: the code of `ingest submit` with a listing that is made up.

`python -m bench.fleet_submit ROUND VIDEOS`; prints how many recordings were requested, and the peak of its memory.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

from bench import processes, report
from bench.fleet_services import video_id
from ingest.cli.runs import submissions
from ingest.cli.runs.run import submit
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.downloader.sources.connector import Recording
from ingest.shared.messages import Metadata, Source, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = "https://www.youtube.com/@channel"


def recordings(round_number: int, videos: int) -> Iterator[Recording]:
    """Yield the recordings of a channel."""
    for number in range(videos):
        name = video_id(round_number, number)
        source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={name}")
        yield Recording(name, source, Metadata(title=f"Talk {number} about something in a title", channel="Channel"))


def main() -> None:
    """Submit the recordings of a round."""
    report.quiet()
    round_number, videos = map(int, sys.argv[1:])
    with patch.object(submissions, "recordings", lambda *_: recordings(round_number, videos)):
        result = submit(AllSettings(), [CHANNEL], Selection(), wait=False, quiet=True)
    print(json.dumps({"requested": result.requested, "peak_bytes": processes.peak_bytes()}))
    sys.exit(result.status)


if __name__ == "__main__":
    main()
