"""Media files at web addresses, and pages with one media file: read with yt-dlp's generic extractor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

from ingest.downloader.captions.found import CaptionFile
from ingest.downloader.sources.announced import Announcement, announced
from ingest.downloader.sources.connector import (
    ANY_SITE,
    Access,
    Connector,
    Download,
    Recording,
    SiteOptions,
    derived_id,
    in_folder,
    source_of,
    web_address,
)
from ingest.downloader.sources.dates import day_in
from ingest.shared.about import DateSource
from ingest.shared.errors import IngestError
from ingest.shared.formats import MEDIA_SUFFIXES
from ingest.shared.messages import Source, SourceKind
from ingest.shared.sandbox import child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.listing import Listing
    from ingest.shared.sandbox.child import Watcher

PAGE_MEMORY_BYTES = 1 << 29  # yt-dlp reads a page without end into memory


def recognises(text: str) -> bool:
    """Return whether a text is a web address whose path ends like a media file."""
    address = web_address(text)
    return address is not None and Path(address.path).suffix.lower() in MEDIA_SUFFIXES


def list_recordings(text: str, _settings: DownloaderSettings, _listing: Listing) -> Iterator[Recording]:
    """Yield the one recording of an address."""
    yield recording_at(text)


def recording_at(url: str) -> Recording:
    """Return the recording at an address, without its fragment."""
    url = urldefrag(url).url
    day = announced(published_at=day_in(unquote(urlsplit(url).path)), date_source=DateSource.NAME)
    return Recording(derived_id("media", url), source_of(SourceKind.MEDIA, url), day.metadata)


def site(url: str) -> str | None:
    """Return the host of an address; None for an address without one, which `check` refuses."""
    with suppress(ValueError):
        return urlsplit(url).hostname
    return None


def check(source: Source, access: Access) -> Announcement:
    """Return what a site says about a media file; raise its refusal otherwise."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    limits = replace(access.limits, memory_bytes=PAGE_MEMORY_BYTES)
    return child.run(ytdlp.inspect, (source.url, generic(access.options)), limits)


def fetch(source: Source, folder: Path, access: Access, watch: Watcher | None) -> Download:
    """Download a media file."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    args = (source.url, str(folder), generic(access.options))
    limits = replace(access.limits, memory_bytes=PAGE_MEMORY_BYTES, writes=(str(folder),))
    found = in_folder(folder, child.run(ytdlp.fetch, args, limits, watch))
    with suppress(IngestError):  # what cannot be had of them costs no recording
        return replace(found, captions=captions(source, folder, access))
    return found


def captions(_source: Source, folder: Path, access: Access) -> CaptionFile | None:
    """Return the transcript that a feed names for an episode; None where it names none that can be read."""
    from ingest.downloader.captions import published  # its imports take long

    wanted = access.options.captions
    taken = None if wanted is None else published.chosen(access.published, wanted)
    if taken is None:
        return None
    path = folder / "captions"
    args = (taken.address, str(path), access.options.socket_timeout_s, access.options.user_agent or "")
    child.run(published.download, args, replace(access.limits, writes=(str(folder),)))
    return CaptionFile(str(path), "manual", "feed", published.language_of(taken))


def generic(options: SiteOptions) -> SiteOptions:
    """Return options for any site: no extractors of video sites, and none of the user's cookies and proxies."""
    ours = replace(options, cookies_file=None, proxy=None, extractor_args="", pot_provider=None, captions=None)
    return replace(ours, extractors=ANY_SITE)


CONNECTOR = Connector(
    recognises=recognises,
    list=list_recordings,
    kind=SourceKind.MEDIA,
    site=site,
    check=check,
    fetch=fetch,
    captions=captions,
)
