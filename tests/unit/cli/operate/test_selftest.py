"""`ingest selftest`: where its recording is, and where it cannot work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.cli.operate import selftest
from ingest.cli.settings import AllSettings
from ingest.demo import SAMPLES, samples
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = samples()[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"volume_url": "s3://bucket", "file_roots": "/data/inbox"}, "name /opt/samples", id="store"),
        pytest.param({"volume_url": "nats://files", "file_roots": "/data/inbox"}, "INGEST_VOLUME_URL", id="NATS"),
        pytest.param({"file_roots": ""}, "INGEST_FILE_ROOTS", id="no folder"),
    ],
)
def test_a_self_test_without_a_folder_that_the_downloader_reads_says_what_to_do(
    settings: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        selftest.run(AllSettings.model_validate(settings))


@pytest.mark.parametrize("volume", ["s3://bucket", "nats://files", None])
def test_a_recording_that_is_in_the_image_of_the_downloader_is_not_copied(tmp_path: Path, volume: str | None) -> None:
    (tmp_path / "opt").symlink_to(SAMPLES)
    settings = AllSettings.model_validate({"volume_url": volume, "file_roots": f"{tmp_path}/inbox,{tmp_path}/opt"})
    assert selftest.placed(SAMPLE, settings) == tmp_path / "opt" / SAMPLE.file
    assert not (tmp_path / "inbox").exists()


def test_a_recording_is_copied_into_a_shared_folder(tmp_path: Path) -> None:
    found = selftest.placed(SAMPLE, AllSettings.model_validate({"file_roots": str(tmp_path)}))
    assert found.is_relative_to(tmp_path)
    assert found.read_bytes() == SAMPLE.path.read_bytes()
