"""`ingest vocabulary used`: what the vocabulary has changed in a recording, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ingest.archive import spoken
from ingest.archive.reading import Reading
from ingest.cli import console
from ingest.embedder.corrections import vocabulary as respelling
from ingest.embedder.tables import vocabulary
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.local.state_folder import Archive


@dataclass(frozen=True)
class UsedPlace:
    """A place in a recording where the vocabulary counts; `author` has added the entry, if it is still there."""

    what: Literal["taken", "refused", "replaced"]
    at_s: float
    text: str
    instead_of: str
    author: str
    reason: str


def places(archive: Archive, video_id: str) -> list[UsedPlace]:
    """Return the places of a recording; raise ConfigurationError where the archive or the volume does not have it."""
    content = spoken.stored(volume_of(archive.settings), video_id)
    if content is None:
        Catalog(archive.database).named([video_id])
        raise ConfigurationError(f"the volume has no transcript of {video_id}")
    known = vocabulary.listed(archive.database)
    by_text = {one.text: (one.author, one.reason) for one in known}
    by_id = {one.id: (one.author, one.reason) for one in known}
    replaced = respelling.apply(content.segments, Reading(archive.database).overlay(video_id).vocabulary)
    found = [
        UsedPlace(
            "taken" if one.is_taken else "refused",
            one.start_s,
            one.text,
            one.instead_of,
            *by_text.get(one.text, ("", "")),
        )
        for one in content.vocabulary
    ]
    found += [UsedPlace("replaced", one.at_s, one.text, one.heard, *by_id[one.entry]) for one in replaced.places]
    return sorted(found, key=lambda one: one.at_s)


def print_places(found: Sequence[UsedPlace], *, as_json: bool) -> None:
    """Print the places."""
    if as_json:
        console.print_json(found)
        return
    cells = (
        (console.clock(one.at_s), one.what, one.text, one.instead_of or "nothing", one.author, one.reason)
        for one in found
    )
    columns = ("at", "what", "vocabulary", "without it", "by", "reason")
    console.out.print(console.table(f"{len(found)} places", columns, cells))
