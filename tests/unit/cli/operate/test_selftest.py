"""`ingest selftest` where it cannot work."""

from __future__ import annotations

import pytest

from ingest.cli.operate import selftest
from ingest.cli.settings import AllSettings
from ingest.shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"volume_url": "s3://bucket", "file_roots": "/data/inbox"}, "ingest submit --wait", id="store"),
        pytest.param({"volume_url": "nats://files", "file_roots": "/data/inbox"}, "INGEST_VOLUME_URL", id="NATS"),
        pytest.param({"file_roots": ""}, "INGEST_FILE_ROOTS", id="no folder"),
    ],
)
def test_a_self_test_without_a_shared_folder_says_what_to_do(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        selftest.run(AllSettings.model_validate(settings))
