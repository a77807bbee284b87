"""Finds captions beside a local file: `talk.vtt`, `talk.en.srt` and the like for `talk.mp4`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ingest.downloader.captions.found import CaptionFile, Offer, best
from ingest.shared import languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIXES = (".vtt", ".srt")


def paths_beside(media: Path) -> list[str]:
    """Return all captions beside a media file."""
    try:
        return sorted(offer.address for offer in _offers(media))
    except OSError:
        return []


def beside(media: Path, wanted: Sequence[str]) -> CaptionFile | None:
    """Return the captions beside a media file: in a wanted language, or in one that their name does not say."""
    try:
        offers = list(_offers(media))
    except OSError:  # the folder cannot be listed: the file itself can still be read
        return None
    taken = best(sorted(offers, key=lambda offer: offer.address), wanted)
    if taken is None:
        return None
    return CaptionFile(taken.address, "manual", "file", languages.code(taken.language))


def _offers(media: Path) -> Iterator[Offer]:
    for entry in os.scandir(media.parent):
        name, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (of a name, not of a path)
        if suffix.lower() not in SUFFIXES or not entry.is_file():
            continue
        stem, dot, tag = name.rpartition(".")
        if name in (media.stem, media.name):
            yield Offer(entry.path, suffix[1:].lower())
        elif dot and stem in (media.stem, media.name) and languages.code(tag) is not None:
            yield Offer(entry.path, suffix[1:].lower(), tag)
