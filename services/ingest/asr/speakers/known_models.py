"""The thresholds of well-known voice networks.

A network is known by the SHA-256 of its file in the folder of the pipeline, whatever the folder is called. `ingest
voices calibrate` proposed the values for real voices; `python -m bench.real_names` measures what they achieve.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from ingest.asr.speakers.matching import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WEIGHTS = "embedding/pytorch_model.bin"
WESPEAKER = Thresholds(accept=0.5, margin=0.119, split_accept=0.5, same_voice=0.515, link=0.515)
THRESHOLDS = MappingProxyType(
    {
        # WeSpeaker's ResNet34-LM as pyannote/speaker-diarization-community-1 has it
        "6f10ff60898a1d185fa22e1d11e0bfa8a92efec811f11bca48cb8cafebefd929": WESPEAKER,
        # the same network, restored from weights of 8 bits: the thresholds were measured with it
        "73ec6576f35691d4f766754ccb676483af78413a1227484e93aaebfd70510493": WESPEAKER,
    }
)


def of_folder(folder: Path, known: Mapping[str, Thresholds] = THRESHOLDS) -> Thresholds | None:
    """Return the thresholds of the network in the folder of a pipeline; None if it is not known."""
    path = folder / WEIGHTS
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return known.get(hashlib.file_digest(file, "sha256").hexdigest())
