"""Chooses the recordings that two recognizers are compared on: those that people have corrected first. Pure."""

from __future__ import annotations

import hashlib
from heapq import nsmallest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ingest.embedder.tables.catalog import VideoRow


def chosen(
    rows: Iterable[VideoRow], corrected: Collection[str], most: int, is_kept: Callable[[str], bool]
) -> list[VideoRow]:
    """Return at most so many recordings whose audio and transcript are kept, the same ones every time.

    Corrections say which of two readings is right. The others are drawn by the checksums of their ids.
    """

    def rank(row: VideoRow) -> tuple[bool, bytes]:
        return row.video_id not in corrected, hashlib.sha256(row.video_id.encode()).digest()

    found: list[VideoRow] = []
    for row in nsmallest(most * 20, rows, key=rank):
        if len(found) == most:
            break
        if is_kept(row.video_id):
            found.append(row)
    return found
