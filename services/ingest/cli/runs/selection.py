"""Which recordings of the sources a user asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.shared.messages import Metadata, Policy


@dataclass(frozen=True)
class Selection:
    """Which recordings of the sources are asked for, and what the user knows about their speakers.

    With `limit_new`, listing goes on until this many recordings are found that are not indexed.
    """

    policy: Policy = field(default_factory=Policy)
    limit: int | None = None
    limit_new: int | None = None
    newest_first: bool = False
    force: bool = False
    speakers: Metadata = field(default_factory=Metadata)
