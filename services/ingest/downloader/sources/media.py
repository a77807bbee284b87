"""Media files at web addresses, and pages with one media file: read with yt-dlp's generic extractor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

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
    return in_folder(folder, child.run(ytdlp.fetch, args, limits, watch))


def generic(options: SiteOptions) -> SiteOptions:
    """Return options for any site: no extractors of video sites, and none of the user's cookies and proxies."""
    return replace(options, extractors=ANY_SITE, cookies_file=None, proxy=None, extractor_args="", pot_provider=None)


CONNECTOR = Connector(
    recognises=recognises, list=list_recordings, kind=SourceKind.MEDIA, site=site, check=check, fetch=fetch
)
