"""The downloader does not start without a JavaScript engine for YouTube (row 30 of the bad inputs)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import pytest

from ingest.downloader import javascript, service
from ingest.downloader.settings import DownloaderSettings
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus


def test_the_installed_engine_is_new_enough() -> None:
    assert tuple(map(int, javascript.version().split(".")[:2])) >= javascript.OLDEST


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(None, "deno is missing: pip install deno", id="none"),
        pytest.param("echo 'deno 2.2.9 (stable)'", "deno 2.2.9 is too old", id="too old"),
        pytest.param("echo 'deno 1.46.3'", "deno 1.46.3 is too old", id="much too old"),
        pytest.param("exit 127", "does not run", id="broken"),
        pytest.param("echo nonsense", "does not run", id="something else"),
    ],
)
def test_without_a_usable_engine_the_downloader_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "deno", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        program = tmp_path / "deno"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    with pytest.raises(IngestError, match=reason) as refused:
        service.build(load(DownloaderSettings), cast("NatsBus", None))
    assert refused.value.code is Code.ENV_JS_RUNTIME
