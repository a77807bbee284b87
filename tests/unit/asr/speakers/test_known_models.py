"""Thresholds of voice networks that are known by their content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ingest.asr.speakers.known_models import WEIGHTS, of_folder
from ingest.asr.speakers.matching import Thresholds

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"the weights of a network"
KNOWN = {hashlib.sha256(CONTENT).hexdigest(): Thresholds(accept=0.4)}


@pytest.mark.parametrize(
    ("content", "accept"),
    [pytest.param(CONTENT, 0.4, id="known"), pytest.param(b"another network", None, id="not known")],
)
def test_a_network_is_known_by_its_content(tmp_path: Path, content: bytes, accept: float | None) -> None:
    path = tmp_path / "any name" / WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    found = of_folder(tmp_path / "any name", KNOWN)
    assert (found and found.accept) == accept


def test_a_pipeline_with_its_network_elsewhere_is_not_known(tmp_path: Path) -> None:
    assert of_folder(tmp_path, KNOWN) is None
