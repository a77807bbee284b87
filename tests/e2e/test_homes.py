"""Homes of a volume that are no folder: thirty recordings, a killed service, purge, and the way back to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Volume
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.e2e.test_local import RECORDINGS, same_texts
from tests.support import s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import FirstRun, Ingest, Podcast

pytestmark = pytest.mark.long  # a whole run on each home
Place = tuple[str, dict[str, str]]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "store").mkdir()
    with s3_server.running(tmp_path / "store") as server:
        bucket = Bucket("archive", "made", server.endpoint, None, s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
        S3Home(bucket, Cache(tmp_path / "none", 0)).put("made/bucket", b"", None)  # the first write makes it
        yield (
            "s3://archive/ingest",
            {
                "INGEST_VOLUME_ENDPOINT": server.endpoint,
                "INGEST_VOLUME_ACCESS_KEY": s3_server.ACCESS_KEY,
                "INGEST_VOLUME_SECRET_KEY": s3_server.SECRET_KEY,
            },
        )


@pytest.fixture
def jetstream(tmp_path: Path) -> Iterator[Place]:
    server = EmbeddedNats(tmp_path / "nats")
    login = {"INGEST_NATS_USER": NATS_USER, "INGEST_NATS_PASSWORD": server.password}
    yield "nats://ingest_files", {"INGEST_NATS_URL": server.url, **login}
    server.stop()


@pytest.mark.parametrize("home", ["s3", "jetstream"])
def test_a_feed_is_indexed_without_a_shared_folder(
    ingest: Ingest, podcast: Podcast, undisturbed: FirstRun, tmp_path: Path, home: str, request: pytest.FixtureRequest
) -> None:
    url, settings = request.getfixturevalue(home)
    ingest.environment |= {"INGEST_VOLUME_URL": url, **settings}
    process = ingest.start("run", podcast.url, "--json")
    ingest.wait_for_event("asr", "finished")
    assert ingest.kill("ingest.asr") > 0
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err + ingest.logs()
    assert same_texts(ingest.rows()) == same_texts(undisturbed.rows)
    assert not (ingest.state / "volume" / "videos").exists()

    video = undisturbed.rows[0][0]
    assert undisturbed.rows[0][4].split()[0] in ingest("show", video)
    there = Volume(FolderHome(tmp_path / "there"))
    ingest("volume", "copy", url, str(there.home.root))  # type: ignore[attr-defined]
    for one in {row[0] for row in undisturbed.rows}:
        audio, transcript = there.stored(one, "audio"), there.stored(one, "transcript")
        assert audio is not None
        assert transcript is not None
        there.verified(audio)
        there.verified(transcript)
    purged = ingest.json("purge", "--older-than-days", "0", "--yes")
    assert len(purged["files"]) == RECORDINGS
    assert ingest.json("run", podcast.url)["requested"] == 0
