"""The adapter of yt-dlp. Its functions run in a child process (`ingest.shared.sandbox.child`).

The options of yt-dlp are in `session`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yt_dlp
import yt_dlp.networking
import yt_dlp.networking.exceptions
import yt_dlp.utils

from ingest.downloader.captions import site as site_captions
from ingest.downloader.captions.found import CaptionFile  # noqa: TC001 (the boundary of a child reads it)
from ingest.downloader.exits import secrets_of
from ingest.downloader.refusals import COOKIES_ENDED, Refusal, availability_code, code_of, error_of
from ingest.downloader.sources import about
from ingest.downloader.sources.announced import Announcement, announced, text_in
from ingest.downloader.sources.connector import Download, SiteOptions
from ingest.downloader.sources.session import session
from ingest.shared.bounds import LONGEST_ADDRESS, possible_moment
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import network
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.sandbox.child import Reporter

SAMPLE_BYTES = 1 << 20
ASKED_AGAIN = 2  # sessions after the first, where the site refuses the media
AFTER_PREMIERE_S = 3600.0
LIVE_PAUSE_S = 1800.0
OF_THE_PROXY = re.compile(  # also a connection that ends before the reply: yt-dlp has tried it several times
    r"caused by ProxyError|connection refused|name or service not known|no route to host|unreachable"
    r"|\d bytes missing|BadStatusLine|RemoteDisconnected",
    re.IGNORECASE,
)
OF_ANOTHER_PAGE = re.compile(r"HTTP Error (404|410)")  # in a warning: a page that yt-dlp can do without
UNFORESEEN = (TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, RecursionError)  # of its code


@dataclass(frozen=True)
class Sample:
    """How many formats a site offers of a recording, and the rate at which the beginning of one is received."""

    formats: int
    bytes_per_s: float


@dataclass(frozen=True)
class ListingEntry:
    """One recording of a channel or playlist, as its flat listing shows it."""

    video_id: str
    url: str
    announced: Announcement


def inspect(_report: Reporter, url: str, options: SiteOptions) -> Announcement:
    """Return what a site says about a recording that can be downloaded; raise its refusal otherwise."""
    with session(options, ignore_no_formats_error=True) as site:
        return inspect_with(site, url, options, datetime.now(UTC))


def inspect_with(site: yt_dlp.YoutubeDL, url: str, options: SiteOptions, now: datetime) -> Announcement:
    """Return what `inspect` returns, with a given yt-dlp and time."""
    return inspect_info(site, _extract(site, url, options, download=False), options, now)


def inspect_info(site: yt_dlp.YoutubeDL, info: dict[str, Any], options: SiteOptions, now: datetime) -> Announcement:
    """Return what a site says about a recording that can be downloaded; raise its refusal otherwise."""
    _refuse_unavailable(info, now)
    if not _has_media(info):
        text = "\n".join(_reasons(site.params["logger"].messages)) or "no media found"
        raise error_of(Refusal(text), now, options.site_pause_s)
    return announced_in(info)


def sample(_report: Reporter, url: str, options: SiteOptions) -> Sample:
    """Return what a site gives of a recording; raise its refusal otherwise."""
    with session(options, ignore_no_formats_error=True) as site:
        info = _extract(site, url, options, download=False)
        inspect_info(site, info, options, datetime.now(UTC))
        headers = {**(info.get("http_headers") or {}), "Range": f"bytes=0-{SAMPLE_BYTES - 1}"}
        began = time.monotonic()
        try:
            received = len(site.urlopen(yt_dlp.networking.Request(info["url"], headers=headers)).read(SAMPLE_BYTES))
        except (yt_dlp.utils.YoutubeDLError, OSError, LookupError) as error:
            raise _translate(error, options, site.params["logger"].messages) from error
        return Sample(len(info.get("formats") or ()), received / max(0.001, time.monotonic() - began))


def fetch(report: Reporter, url: str, folder: str, options: SiteOptions) -> Download:
    """Download a recording into an empty folder; report the bytes received so far.

    A site may answer 403 at a media address that its page has just named. yt-dlp does not ask the page again; a new
    session gets another address.
    """
    for _ in range(ASKED_AGAIN):
        pages: list[str] = []
        try:
            return _fetch_once(report, url, folder, options, pages)
        except IngestError as error:
            if error.code is not Code.SOURCE_FORBIDDEN or not pages:
                raise
        for path in Path(folder).iterdir():  # the next address may be that of another format
            path.unlink()
        report({"bytes": 0.0, "restarted": 1.0})
    return _fetch_once(report, url, folder, options, [])


def _fetch_once(report: Reporter, url: str, folder: str, options: SiteOptions, pages: list[str]) -> Download:
    """Download a recording in one session; add its address to `pages` as soon as its page is read."""

    def hook(state: dict[str, Any]) -> None:
        received = float(state.get("downloaded_bytes") or 0)
        if received > options.max_bytes:
            raise IngestError(Code.TOO_LARGE, f"more than {options.max_bytes} bytes")
        total = float(state.get("total_bytes") or state.get("total_bytes_estimate") or 0)
        report({"bytes": received, "of_bytes": total, "finished": float(state.get("status") == "finished")})

    def admit(info: dict[str, Any], **_: object) -> None:
        _refuse_unavailable(info, datetime.now(UTC))  # it may have gone live since it was checked
        pages.append(url)

    names = {"outtmpl": "%(id).80B.%(ext)s", "paths": {"home": folder}, "restrictfilenames": True}
    with session(options, progress_hooks=[hook], match_filter=admit, **names) as site:
        info = _extract(site, url, options, download=True)
        text = "\n".join(site.params["logger"].messages)
        files = [path for path in Path(folder).iterdir() if path.suffix not in (".part", ".ytdl")]
        if len(files) != 1 or not files[0].is_file():
            raise error_of(Refusal(text or "the download left no file"), datetime.now(UTC), options.site_pause_s)
        captions = None
        with suppress(yt_dlp.utils.YoutubeDLError, OSError, ValueError, *UNFORESEEN):  # they cost no recording
            captions = site_captions.take(site, info, Path(folder), options.captions)
    found = announced_in(info)
    return Download(str(files[0]), found.metadata.duration_s, found, captions=captions)


def fetch_captions(_report: Reporter, url: str, folder: str, options: SiteOptions) -> CaptionFile | None:
    """Write the captions of a recording into a folder; None without any. Raise the refusal of the site."""
    with session(options, ignore_no_formats_error=True) as site:
        info = _extract(site, url, options, download=False)
        inspect_info(site, info, options, datetime.now(UTC))
        try:
            return site_captions.take(site, info, Path(folder), options.captions)
        except (yt_dlp.utils.YoutubeDLError, OSError, ValueError) as error:
            raise _translate(error, options, site.params["logger"].messages) from error


def list_entries(_report: Reporter, url: str, options: SiteOptions, first: int, last: int) -> list[ListingEntry]:
    """Return the entries `first` to `last` (from 1) of a channel or playlist, without a request for each of them."""
    with session(options, extract_flat="in_playlist", noplaylist=False) as site:
        site.params["playlist_items"] = f"{first}:{last}"
        info = _extract(site, url, options, download=False, playlist=True)
    return list(entries_in(info))


def channel_id(_report: Reporter, url: str, options: SiteOptions) -> str:
    """Return the id (UC...) of a channel given by its handle or name."""
    with session(options, extract_flat="in_playlist", noplaylist=False) as site:
        site.params["playlist_items"] = "0"
        found = _extract(site, url, options, download=False, playlist=True).get("channel_id")
    if not found:
        raise IngestError(Code.NO_MEDIA_FOUND, f"{url} is not a channel")
    return str(found)


def entries_in(info: dict[str, Any]) -> Iterator[ListingEntry]:
    """Yield the entries of a flat listing; what has no id has an empty one, so that every entry is counted."""
    entries = info.get("entries")
    for entry in entries if isinstance(entries, Iterable) else ():
        fields = entry if isinstance(entry, dict) else {}
        yield ListingEntry(
            text_in(fields.get("id"))[:LONGEST_ADDRESS],
            text_in(fields.get("url"))[: LONGEST_ADDRESS + 1],  # one that is too long is refused by its source
            announced_in({"channel": info.get("channel"), **fields}),
        )


def _extract(
    site: yt_dlp.YoutubeDL, url: str, options: SiteOptions, *, download: bool, playlist: bool = False
) -> dict[str, Any]:
    try:
        info = site.extract_info(url, download=download)
    except (yt_dlp.utils.YoutubeDLError, OSError, ValueError) as error:  # ValueError: a bad address or response
        _refuse_ended_cookies(site, options)
        raise _translate(error, options, site.params["logger"].messages) from error
    except UNFORESEEN as error:
        text = f"yt-dlp cannot read what the site has sent ({type(error).__name__}: {error})"
        raise IngestError(Code.SITE_CHANGED, shorten(text)) from error
    _refuse_ended_cookies(site, options)
    if not isinstance(info, dict):
        raise IngestError(Code.NO_MEDIA_FOUND, "nothing found at this address")
    if not playlist and (info.get("_type") in ("playlist", "multi_video") or "entries" in info):
        raise IngestError(Code.IS_PLAYLIST, "this address is a playlist or a feed: submit it as such")
    return info


def _translate(error: Exception, options: SiteOptions, messages: list[str]) -> IngestError:
    inner = _inner(error)
    if isinstance(inner, IngestError):
        return inner
    refused = network.refused()
    if refused:
        return IngestError(Code.URL_NOT_ALLOWED, f"leads to the private address {refused[0]}; host not on allow-list")
    if isinstance(inner, yt_dlp.utils.GeoRestrictedError):
        countries = ", ".join(inner.countries or ()) or "other countries"
        return IngestError(Code.GEO_BLOCKED, f"available in {countries}")
    if isinstance(inner, yt_dlp.utils.UnsupportedError):
        return IngestError(Code.NO_MEDIA_FOUND, "no media at this address")
    if options.proxy is not None and OF_THE_PROXY.search(str(error)):  # with one, every connection goes to the proxy
        return IngestError(Code.PROXY_REFUSED, _without(options.proxy, shorten(str(error).removeprefix("ERROR: "))))
    status = retry_after = None
    if isinstance(inner, yt_dlp.networking.exceptions.HTTPError):
        status = inner.status
        retry_after = _seconds(inner.response.headers.get("Retry-After"))
    text = _without(options.proxy, str(error) if str(inner) in str(error) else f"{error} {inner}")
    refusal = Refusal(text, status, retry_after)
    if code_of(refusal) in {Code.SOURCE_UNKNOWN, Code.SITE_CHANGED}:  # an earlier warning may contain the reason
        others = (message for message in _reasons(messages) if text not in message)
        refusal = replace(refusal, text="\n".join([text, *others]))
    return error_of(refusal, datetime.now(UTC), options.site_pause_s)


def _reasons(messages: list[str]) -> list[str]:
    """Return the messages that may contain the reason why nothing is found."""
    return [message for message in messages if not OF_ANOTHER_PAGE.search(message)]


def _refuse_ended_cookies(site: yt_dlp.YoutubeDL, options: SiteOptions) -> None:
    """Raise ENV_COOKIES when the site has ended the login: yt-dlp only warns, and goes on as a guest."""
    if options.cookies_file and any(re.search(COOKIES_ENDED, text) for text in site.params["logger"].messages):
        raise IngestError(Code.ENV_COOKIES, f"the login of {Path(options.cookies_file).name} has ended")


def _without(proxy: str | None, text: str) -> str:
    """Return a text without the login of a proxy."""
    for secret in secrets_of(proxy):
        text = text.replace(secret, "***")
    return text


def _inner(error: BaseException) -> BaseException:
    """Return the first cause of an error: yt-dlp wraps errors several times."""
    seen = {id(error)}
    while True:
        wrapped = getattr(error, "exc_info", None)
        inner = wrapped[1] if wrapped and wrapped[1] else getattr(error, "cause", None) or error.__cause__
        if not isinstance(inner, BaseException) or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def _refuse_unavailable(info: dict[str, Any], now: datetime) -> None:
    match info.get("live_status"):
        case "is_upcoming":
            start = possible_moment(_time(info.get("release_timestamp")))
            margin = timedelta(seconds=(announced_in(info).metadata.duration_s or 0) + AFTER_PREMIERE_S)
            raise IngestError(
                Code.NOT_YET_AVAILABLE, f"starts at {start or 'an unknown time'}", retry_at=start and start + margin
            )
        case "is_live" | "post_live":
            later = now + timedelta(seconds=LIVE_PAUSE_S)
            raise IngestError(Code.IS_LIVE, "still live, or being processed", retry_at=later)
    if _has_media(info):  # downloadable in spite of the fields below: with cookies, or in a format without DRM
        return
    availability = text_in(info.get("availability"))
    code = availability_code(availability)
    if code is not None:
        raise IngestError(code, f"availability: {availability}")
    if info.get("_has_drm"):
        raise IngestError(Code.DRM_PROTECTED, "DRM protected")


def _has_media(info: dict[str, Any]) -> bool:
    """Return whether there is a format that is not made of preview images: YouTube gives these also without media."""
    formats = info.get("formats") or ()
    return bool(info.get("url")) or any(one.get("protocol") != "mhtml" for one in formats)


def announced_in(info: dict[str, Any]) -> Announcement:
    """Return what an info dictionary of yt-dlp announces."""
    said = info.get("timestamp") or info.get("release_timestamp")
    return announced(
        title=info.get("title"),
        channel=info.get("channel") or info.get("uploader"),
        published_at=_time(said) or _date(info.get("upload_date")),
        has_date=bool(said or info.get("upload_date")),
        duration_s=_duration_s(info),
        language=info.get("language"),
    ).saying(about.in_info(info))


def _duration_s(info: dict[str, Any]) -> float | None:
    """Return the length that a site announces (a live page may announce `Infinity`), or None when it is no length."""
    try:
        seconds = float(info.get("duration") or 0)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if seconds <= 0 else seconds


def _time(timestamp: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(str(timestamp)), UTC) if timestamp else None
    except (ValueError, OverflowError, OSError):  # milliseconds, or no time at all
        return None


def _date(text: object) -> datetime | None:
    try:
        return datetime.strptime(str(text or ""), "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
