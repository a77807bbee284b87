"""Flaws of recordings, named by their ids. The stand-ins act on a flaw; the driver expects its result.

late-c...             fails once in check, and is retried later (`late-d` in download, and so on)
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

REFUSAL = Code.AUDIO_SUSPICIOUS  # the code of a bad recording
CRASHING = ("segv", "bomb", "hang")


class Flaw(StrEnum):
    """A flaw of a recording, in one of the stages."""

    LATE = "late"
    BAD = "bad"
    TORN = "torn"

    def at(self, stage: Stage) -> str:
        """Return the prefix of the ids of such recordings."""
        return f"{self}-{stage[0]}"
