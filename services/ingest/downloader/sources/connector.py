"""The contract of a source type (`Connector`), and the types and rules that all connectors share.

    registry.recordings(text) ─► recognises ─► list ─► Recording     (when a user submits a source)
    check stage    ─► check ─► Announcement
    download stage ─► fetch ─► Download

A source type is one file with a `CONNECTOR`, and a line in `registry.CONNECTORS`. A new kind of recordings needs a line
in `SourceKind` too, and a line in `ingest.shared.links` if its site has its own form of an address at a second.

A connector names the site of an address; the handlers get a permit for that site from the rate limiter before they call
`check` or `fetch`.

Identity: a YouTube video keeps its own id. Any other recording gets an id of the same shape, derived from what
identifies it (a feed's host and guid, an address, the content of a file): a second submission gives the same id.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationError

from ingest.downloader.captions.found import CaptionFile  # noqa: TC001 (the boundary of a child reads it)
from ingest.downloader.settings import listed
from ingest.downloader.sources.announced import Announcement  # noqa: TC001 (the boundary of a child reads it)
from ingest.shared.captions import CaptionUse
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Source, SourceKind
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ingest.downloader.exits import Exit
    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.listing import Listing
    from ingest.shared.captions import PublishedTranscript
    from ingest.shared.messages import VideoAccessible
    from ingest.shared.sandbox.child import Watcher

ANY_SITE = ("generic",)  # the extractors for a site without an extractor of its own
BETWEEN_REQUESTS_S = 0.75  # to YouTube, as the guide of yt-dlp recommends; the rate limiter parts the recordings
LISTING_DEADLINE_S = 300.0
LISTING_CPU_S = 120.0
LISTING_FILE_BYTES = 16 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Recording:
    """One recording of a source, before it is submitted; `cut` names the fields that were cut in the listing.

    `other_id` is its id when another recording has the first one already. `earlier_id` is the id that it has if it was
    archived before its feed gave the same identifier to another episode. `transcripts` are those that its feed names.
    """

    video_id: str
    source: Source
    metadata: Metadata
    cut: tuple[str, ...] = ()
    other_id: str | None = None
    earlier_id: str | None = None
    transcripts: tuple[PublishedTranscript, ...] = ()

    @property
    def ids(self) -> set[str]:
        """Return all ids that the archive may have for it."""
        return {one for one in (self.video_id, self.other_id, self.earlier_id) if one is not None}


@dataclass(frozen=True)
class Download:
    """A media file as the source delivered it.

    `announced_s` is the length that the source announces, if it does. `is_copy` is false for a file that is the source
    itself and was not transferred. `captions` are those that were found beside it, where captions are wanted.
    """

    path: str
    announced_s: float | None
    announced: Announcement
    is_copy: bool = True
    captions: CaptionFile | None = None


@dataclass(frozen=True)
class SiteOptions:
    """Options of yt-dlp for one job. `captions` are the languages of the captions to take; None: none are wanted."""

    extractors: tuple[str, ...]
    socket_timeout_s: float
    max_bytes: int
    site_pause_s: float
    cookies_file: str | None = None
    user_agent: str | None = None
    proxy: str | None = field(default=None, repr=False)
    extractor_args: str = ""
    pot_provider: str | None = None
    between_requests_s: float = BETWEEN_REQUESTS_S
    captions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Access:
    """What a connector may use: options for yt-dlp, limits of the child process, folders whose files may be read.

    With `follows_links`, links inside of these folders may lead out of them. `published` are the transcripts that a
    feed names for the recording.
    """

    options: SiteOptions
    limits: ChildLimits
    file_roots: tuple[Path, ...] = ()
    follows_links: bool = False
    published: tuple[PublishedTranscript, ...] = ()

    def through(self, way: Exit | None) -> Access:
        """Return the same access through an exit; unchanged without one."""
        if way is None:
            return self
        options = replace(self.options, proxy=way.proxy, cookies_file=way.cookies_file)
        return replace(self, options=options, limits=through(self.limits, way))

    def with_captions(self, message: VideoAccessible) -> Access:
        """Return the same access with the captions that a message wants; unchanged where it wants none."""
        wish, known = message.captions, message.metadata
        if wish is None or wish.use is CaptionUse.IGNORE:
            return self
        spoken = (known.given_language,) if known.given_language else (known.likely_language,)
        options = replace(self.options, captions=tuple(code for code in spoken if code))
        return replace(self, options=options, published=wish.published)


@dataclass(frozen=True)
class Connector:
    """One type of source.

    recognises        whether a text that a user typed is a source of this type; makes no request
    list              the recordings of such a text; the rest of its items goes into the account of the listing
    kind              the kind of source of these recordings
    site              the name under which the rate limiter keeps the site of an address; None: nothing is rate limited
    check             what the source says about a recording that can be downloaded; raises the reason otherwise
    fetch             downloads a recording into an empty folder; the watcher reads the reports of the child process
    captions          finds captions that the source has already, without its media; None without any
    content_id        the id of a recording by the SHA-256 of its file; None where something else identifies it
    is_authoritative  whether metadata from `check` and `fetch` replaces submitted metadata, instead of filling its gaps
    """

    recognises: Callable[[str], bool]
    list: Callable[[str, DownloaderSettings, Listing], Iterator[Recording]]
    kind: SourceKind
    site: Callable[[str], str | None]
    check: Callable[[Source, Access], Announcement]
    fetch: Callable[[Source, Path, Access, Watcher | None], Download]
    captions: Callable[[Source, Path, Access], CaptionFile | None]
    content_id: Callable[[str], str] | None = None
    is_authoritative: bool = False

    def combine(self, submitted: Metadata, found: Metadata) -> Metadata:
        """Return the metadata of a recording from what was submitted and what was found at the source."""
        return found.over(submitted) if self.is_authoritative else submitted.over(found)


def site_options(settings: DownloaderSettings) -> SiteOptions:
    """Return the options of yt-dlp from the settings."""
    return SiteOptions(
        extractors=listed(settings.extractors),
        socket_timeout_s=settings.socket_timeout_s,
        max_bytes=settings.max_download_bytes,
        site_pause_s=settings.site_pause_s,
        cookies_file=str(settings.cookies_file) if settings.cookies_file else None,
        user_agent=settings.user_agent,
        extractor_args=settings.youtube_extractor_args,
        pot_provider=settings.youtube_pot_provider,
    )


def listing_limits(settings: DownloaderSettings) -> ChildLimits:
    """Return the limits of a child process that lists a source."""
    return ChildLimits(
        LISTING_DEADLINE_S,
        file_bytes=LISTING_FILE_BYTES,
        cpu_s=LISTING_CPU_S,
        network=True,
        hosts=listed(settings.allowed_hosts),
    )


def through(limits: ChildLimits, way: Exit) -> ChildLimits:
    """Return limits of a child process that may connect to the proxy of an exit."""
    return replace(limits, endpoints=(*limits.endpoints, way.endpoint)) if way.endpoint else limits


def reads_of(options: SiteOptions) -> tuple[str, ...]:
    """Return the files that yt-dlp reads with these options."""
    return (options.cookies_file,) if options.cookies_file else ()


def in_folder(folder: Path, download: Download) -> Download:
    """Return a download whose file is in the folder that it was given; a child process has named the file."""
    path = Path(download.path)
    if path.resolve().parent != folder.resolve() or not path.is_file():
        raise IngestError(Code.JOB_CRASHED, "its process named a file that it has not downloaded")
    return download


def captions_in(folder: Path, found: CaptionFile | None) -> CaptionFile | None:
    """Return a file with captions that is in the folder that a child process was given; None for any other."""
    is_inside = found is not None and Path(found.path).resolve().parent == folder.resolve()
    return found if is_inside else None


def web_address(text: str) -> SplitResult | None:
    """Return the parts of an http or https address, or None for any other text."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets around a host that is no IPv6 address
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def source_of(kind: SourceKind, url: str) -> Source:
    """Return the source of a recording; raise BAD_URL for an address that no message can hold."""
    try:
        return Source(kind=kind, url=url)
    except ValidationError as error:  # too long, or not Unicode
        raise IngestError(Code.BAD_URL, f"{shorten(url, 100)!r}: {error.errors()[0]['msg']}") from error


def derived_id(kind: str, key: str) -> str:
    """Return an id of YouTube's shape (11 characters, 66 bits) for a recording without an id of its own."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"{kind}|{key}".encode(errors="surrogatepass")).digest())[
        :11
    ].decode()


def each_valid(
    make: Callable[[T], Recording], items: Iterable[T], refuse: Callable[[T, IngestError], None]
) -> Iterator[Recording]:
    """Yield the recording of each item; pass one that is no valid recording to `refuse`, and go on with the next."""
    for item in items:
        try:
            recording = make(item)
        except IngestError as error:
            refuse(item, error)
        else:
            yield recording
