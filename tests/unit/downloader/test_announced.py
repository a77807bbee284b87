"""The metadata that a site announces is read, or ignored when it makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.downloader.sources.connector import SiteOptions
from ingest.downloader.sources.ytdlp import AFTER_PREMIERE_S, inspect_with, metadata_of, session
from ingest.shared.errors import Code, IngestError

OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=1.0, max_bytes=1, site_pause_s=1.0)
START = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param(600, 600.0, id="seconds"),
        pytest.param("12.5", 12.5, id="seconds as text"),
        pytest.param(None, None, id="nothing"),
        pytest.param(0, None, id="zero"),
        pytest.param(-3, None, id="less than nothing"),
        pytest.param(float("inf"), None, id="without end"),
        pytest.param(float("nan"), None, id="not a number"),
        pytest.param(1e300, None, id="longer than time"),
        pytest.param("soon", None, id="a word"),
        pytest.param([600], None, id="a list"),
    ],
)
def test_a_length_is_a_number_of_seconds_or_unknown(said: object, seconds: float | None) -> None:
    assert metadata_of({"duration": said}).duration_s == seconds


@pytest.mark.parametrize("length", [float("inf"), 1e300])
def test_a_premiere_of_impossible_length_is_deferred_to_its_start(length: float) -> None:
    class Site:
        params = session(OPTIONS).params

        def extract_info(self, _url: str, **_: object) -> dict[str, object]:
            return {"live_status": "is_upcoming", "release_timestamp": START.timestamp(), "duration": length}

    with pytest.raises(IngestError) as caught:
        inspect_with(Site(), "https://example.org/premiere", OPTIONS, START)
    assert caught.value.code is Code.NOT_YET_AVAILABLE
    assert caught.value.retry_at == START + timedelta(seconds=AFTER_PREMIERE_S)
