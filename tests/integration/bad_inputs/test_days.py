"""The day of a recording whose source names none: inside of its file, else in its name, else unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.sources.file import recording_of
from ingest.shared.about import DateSource
from ingest.shared.messages import Metadata, SourceKind
from tests.integration.bad_inputs.conftest import accessible
from tests.integration.bad_inputs.recordings import encoded

if TYPE_CHECKING:
    from tests.integration.bad_inputs.conftest import Downloader

RECORDED = "2024-05-03T08:11:12.000000Z"


@pytest.mark.parametrize(
    ("name", "created", "known", "said"),
    [
        pytest.param("talk", RECORDED, None, ("2024-05-03", DateSource.FILE), id="inside the file"),
        pytest.param("2023-01-02 talk", RECORDED, None, ("2024-05-03", DateSource.FILE), id="before the one in a name"),
        pytest.param("2023-01-02 talk", "", None, ("2023-01-02", DateSource.NAME), id="in the name"),
        pytest.param(
            "2023-01-02 talk", "1904-01-01T00:00:00Z", None, ("2023-01-02", DateSource.NAME), id="a zero is no time"
        ),
        pytest.param("talk", RECORDED, DateSource.GIVEN, ("2020-01-02", DateSource.GIVEN), id="the one that was given"),
        pytest.param("talk", RECORDED, DateSource.SITE, ("2020-01-02", DateSource.SITE), id="the one of a feed"),
        pytest.param(
            "talk", RECORDED, DateSource.NAME, ("2024-05-03", DateSource.FILE), id="that of an address's name"
        ),
        pytest.param("talk", "", None, (None, None), id="unknown"),
    ],
)
def test_the_day_of_a_file(
    downloader: Downloader, name: str, created: str, known: DateSource | None, said: tuple[str | None, object]
) -> None:
    path = encoded(downloader.files / f"{name}.m4a", "aac", created=created)
    listed = recording_of(path)
    metadata = Metadata(published_at=datetime(2020, 1, 2, tzinfo=UTC), date_source=known) if known else listed.metadata
    message = accessible(str(path), listed.video_id, SourceKind.FILE).model_copy(update={"metadata": metadata})
    found = downloader.fetch(message, lambda _numbers: None).metadata
    assert found is not None
    assert (found.published_at and f"{found.published_at:%Y-%m-%d}", found.date_source) == said
