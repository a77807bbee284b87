"""Finds the recording that an id stands for: two feeds of one host may use one identifier for different episodes. Pure.

The first of them has an id made of host and identifier, as in every earlier version; the other one has an id made of
the feed's address and identifier. No row names the feed of a recording. So it is another feed's when channel and
address both differ: a show that is renamed keeps its addresses, and one whose addresses change keeps its name.

A feed may give one identifier to several episodes. Then their addresses identify them, and the one that was archived
before keeps its id.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urldefrag

from ingest.shared.bounds import LONGEST_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.tables.catalog import VideoRow


class Seen(Protocol):
    """Texts by key: what is known of the recordings that were seen."""

    def of(self, key: str) -> Sequence[str]:
        """Return the texts under a key."""

    def add(self, key: str, text: str) -> None:
        """Add a text under a key."""


def unique(
    found: Iterable[Recording], seen: Seen, leave_out: Callable[[Recording], object] = lambda _: None
) -> Iterator[Recording]:
    """Yield each recording once, and pass its repetitions to `leave_out`; two of the same id may be different ones."""
    for recording in found:
        others = map(json.loads, seen.of(recording.video_id))
        if any(_is_same(recording, *other) for other in others):
            leave_out(recording)
        else:
            known = (recording.other_id, recording.metadata.channel, recording.source.url)
            seen.add(recording.video_id, json.dumps(known))
            yield recording


def own_id(recording: Recording, rows: Mapping[str, VideoRow], taken: Container[str]) -> Recording:
    """Return a recording under an id that no other recording has, in the archive or in this run (`taken`)."""
    earlier = rows.get(recording.earlier_id) if recording.earlier_id is not None else None
    if earlier is not None and _place(earlier.source_url or "") == _place(recording.source.url):
        return replace(recording, video_id=earlier.video_id, other_id=None, earlier_id=None)
    if recording.other_id is None:
        return recording
    row = rows.get(recording.video_id)
    is_anothers = recording.video_id in taken if row is None else _is_another(recording, row.channel, row.source_url)
    if not is_anothers:
        return recording
    return replace(recording, video_id=recording.other_id, other_id=None, earlier_id=None)


def _is_same(recording: Recording, other_id: str | None, channel: str | None, url: str) -> bool:
    if recording.other_id is None or recording.other_id == other_id:
        return True
    return not _is_another(recording, channel, url)


def _is_another(recording: Recording, channel: str | None, url: str | None) -> bool:
    """Return whether both channel and address are known and differ, apart from what was cut and from queries."""
    ours = recording.metadata.channel
    if not (ours and channel and url):
        return False
    return _name(ours) != _name(channel) and _place(recording.source.url) != _place(url)


def _name(channel: str) -> str:
    return channel[: LONGEST_CHANNEL - 1].casefold()


def _place(url: str) -> str:
    return urldefrag(url).url.partition("?")[0]
