"""The age of yt-dlp is read from its version, and shown by `ingest doctor` and on /metrics."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.cli.operate.doctor import ytdlp_finding
from ingest.downloader.telemetry import show_ytdlp_release
from ingest.downloader.ytdlp_age import age_days, released_at, version
from ingest.shared.errors import IngestError
from ingest.shared.telemetry import metrics

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("version", "days"),
    [
        pytest.param("2026.10.26", 6, id="a release"),
        pytest.param("2026.8.19", 74, id="without zeros"),
        pytest.param("2026.09.02", 60, id="with zeros"),
        pytest.param("2026.10.30.232700.dev0", 2, id="a nightly build"),
        pytest.param("2026.11.2", 0, id="a clock that is slow"),
    ],
)
def test_the_age_is_that_of_the_date_in_the_version(version: str, days: int) -> None:
    assert age_days(version, NOW) == days


@pytest.mark.parametrize("version", ["", "1.2.3", "2026.13.1", "2026.2.30", "2026.10", "v2026.10.1"])
def test_a_version_that_is_no_date_is_an_error(version: str) -> None:
    with pytest.raises(IngestError, match="is no date"):
        released_at(version)


@pytest.mark.parametrize(
    ("version", "level"), [pytest.param("2026.9.2", "ok", id="60 days"), pytest.param("2026.9.1", "note", id="61 days")]
)
def test_the_doctor_notes_an_old_ytdlp_and_how_to_renew_it(version: str, level: str) -> None:
    found = ytdlp_finding(version, NOW)
    assert (found.level, "--upgrade yt-dlp" in found.advice) == (level, level == "note")


def test_the_release_of_the_installed_ytdlp_is_a_metric() -> None:
    show_ytdlp_release(version())
    (sample,) = next(iter(metrics.YTDLP_RELEASED.collect())).samples
    assert sample.value == released_at(version()).timestamp()
