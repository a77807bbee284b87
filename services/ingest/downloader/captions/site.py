"""Takes the captions that a site offers through yt-dlp. Runs in its child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import yt_dlp
import yt_dlp.networking

from ingest.downloader.captions.cues import LARGEST_BYTES
from ingest.downloader.captions.found import CaptionFile, Offer, best
from ingest.shared import languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORMS = {"json3": "json", "vtt": "vtt", "srt": "srt"}  # of YouTube's, json3 alone does not repeat lines
ORIGINAL = "-orig"  # ends the language of automatic captions that are no translation


def take(
    site: yt_dlp.YoutubeDL, info: dict[str, Any], folder: Path, wanted: Sequence[str] | None
) -> CaptionFile | None:
    """Write the captions in one of the wanted languages, else in that of the recording, into a folder."""
    offer = None if wanted is None else chosen(info, wanted)
    if offer is None:
        return None
    request = yt_dlp.networking.Request(offer.address, headers=info.get("http_headers") or {})
    data = site.urlopen(request).read(LARGEST_BYTES + 1)
    path = folder / f"captions.{offer.form}"
    path.write_bytes(data)
    kind: Literal["automatic", "manual"] = "automatic" if offer.is_automatic else "manual"
    return CaptionFile(str(path), kind, "site", languages.code(offer.language))


def chosen(info: dict[str, Any], wanted: Sequence[str]) -> Offer | None:
    """Return the captions to take of those in an info dictionary of yt-dlp; None without any.

    Automatic captions are offered in many languages: all but one of them are translations, which are not taken.
    """
    spoken = languages.code(str(info.get("language") or ""))
    offers = [*_offers(info.get("subtitles"), is_automatic=False)]
    automatic = [*_offers(info.get("automatic_captions"), is_automatic=True)]
    originals = [one for one in automatic if one.language.endswith(ORIGINAL)]
    if not originals:
        originals = [one for one in automatic if len(automatic) == 1 or languages.code(one.language) == spoken]
    offers += originals
    return best(offers, wanted or ([spoken] if spoken else ()))


def _offers(listed: object, *, is_automatic: bool) -> Iterator[Offer]:
    for language, formats in listed.items() if isinstance(listed, dict) else ():
        if languages.code(str(language)) is None:  # a live chat
            continue
        known = {
            one["ext"]: one["url"]
            for one in (formats if isinstance(formats, list) else ())
            if isinstance(one, dict) and isinstance(one.get("url"), str) and one.get("ext") in FORMS
        }
        for ext, form in FORMS.items():
            if ext in known:
                yield Offer(known[ext], form, str(language), is_automatic)
                break
