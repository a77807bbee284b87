"""The selection of recordings from the sources of a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.shared.messages import Metadata, Policy


@dataclass(frozen=True)
class Selection:
    """Which recordings of the sources are requested, and facts that hold for all of them.

    With `limit_new`, listing continues until this many recordings are found that are not indexed.
    """

    policy: Policy = field(default_factory=Policy)
    limit: int | None = None
    limit_new: int | None = None
    newest_first: bool = False
    force: bool = False
    known: Metadata = field(default_factory=Metadata)
