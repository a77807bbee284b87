"""Homes of a volume that are no folder: a feed, a killed service, purge, and the way to a folder.

`make test-runs VOLUME=s3` (or jetstream) plays all the other tests of this folder on such a home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Volume
from tests.e2e.conftest import SOON, command_line, served
from tests.e2e.test_local import same_texts
from tests.faults.homes import HomeName

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.demo import Sample

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # three runs of all services
FEW = 8  # some are in work when the first one is recognised


@pytest.fixture(scope="module")
def texts(recordings: tuple[Path, list[Sample]], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The texts of a run on a folder, without faults."""
    folder, made = recordings
    place = tmp_path_factory.mktemp("folder")
    with served(folder, made[:FEW]) as podcast, command_line(place, HomeName.FOLDER) as ingest:
        ingest("run", podcast.url)
        return same_texts(ingest.rows())


@pytest.mark.parametrize("home", [HomeName.S3, HomeName.JETSTREAM])
def test_a_feed_is_indexed_without_a_shared_folder(
    recordings: tuple[Path, list[Sample]], texts: list[tuple[Any, ...]], tmp_path: Path, home: HomeName
) -> None:
    folder, made = recordings
    with served(folder, made[:FEW]) as podcast, command_line(tmp_path, home) as ingest:
        ingest.environment |= SOON
        process = ingest.start("run", podcast.url, "--json")
        ingest.wait_for_event("asr", "finished")
        assert ingest.kill("ingest.asr") > 0
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err + ingest.logs()
        rows = ingest.rows()
        videos = {row[0] for row in rows}
        assert len(videos) == FEW
        assert same_texts(rows) == texts
        assert not (ingest.state / "volume" / "videos").exists()

        assert rows[0][4].split()[0] in ingest("show", rows[0][0])
        there = Volume(FolderHome(tmp_path / "there"))
        ingest("volume", "copy", ingest.environment["INGEST_VOLUME_URL"], str(tmp_path / "there"))
        for one in videos:
            audio, transcript = there.stored(one, "audio"), there.stored(one, "transcript")
            assert audio is not None
            assert transcript is not None
            there.verified(audio)
            there.verified(transcript)
        purged = ingest.json("purge", "--older-than-days", "0", "--yes")
        assert len(purged["files"]) == FEW
        assert ingest.json("run", podcast.url)["requested"] == 0
