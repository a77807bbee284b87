"""What is wrong with a recording: its id says so. The stand-ins act on it; the driver knows what has to come of it.

late-c...             fails once in check, and comes back later (`late-d` in download, and so on)
bad-c...              is refused for good in check
torn-a...             its file changes once before asr reads it (`torn-e`: before the embedder does)
segv, bomb, hang...   ends its worker in check, every time
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ingest.shared.errors import Code

if TYPE_CHECKING:
    from ingest.shared.messages import Stage

REFUSAL = Code.AUDIO_SUSPICIOUS  # what a bad recording ends with
CRASHING = ("segv", "bomb", "hang")


class Flaw(StrEnum):
    """What may be wrong with a recording, in one of the stages."""

    LATE = "late"
    BAD = "bad"
    TORN = "torn"

    def at(self, stage: Stage) -> str:
        """Return how the ids of such recordings begin."""
        return f"{self}-{stage[0]}"
