"""Maps a site's refusal (yt-dlp's error text and HTTP status) to our error codes, by one table. Pure.

YouTube changes its sentences, so the adapter reads structured fields (`availability`, `live_status`) first. The first
line of the table that matches decides: the order matters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ingest.shared.errors import Code, IngestError
from ingest.shared.text import shorten

LONGEST_PAUSE_S = 24 * 3600.0  # even when a site asks for more

COOKIES_ENDED: Final = r"account cookies are no longer valid"
_SENTENCES: Final[tuple[tuple[str, Code], ...]] = (
    # a proxy, whose status is none of the site
    (r"caused by ProxyError|Tunnel connection failed", Code.PROXY_REFUSED),
    # the site throttles us
    (r"confirm you.?.?re not a bot", Code.SOURCE_RATE_LIMITED),
    (r"captcha challenge", Code.SOURCE_RATE_LIMITED),
    (r"IP is likely being blocked", Code.SOURCE_RATE_LIMITED),
    (r"content isn.?.?t available, try again later", Code.SOURCE_RATE_LIMITED),
    (r"rate-limited by", Code.SOURCE_RATE_LIMITED),
    (r"HTTP Error 429|Too Many Requests", Code.SOURCE_RATE_LIMITED),
    # errors of this machine
    (r"No supported JavaScript runtime", Code.ENV_JS_RUNTIME),
    (
        r"proxy.*(refused|authentication)|(Unable|Cannot|Failed) to connect to proxy|SOCKS\d? proxy|Error 407",
        Code.PROXY_REFUSED,
    ),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|\[SSL|TLS handshake", Code.NETWORK_ERROR),
    (COOKIES_ENDED, Code.ENV_COOKIES),
    (r"Login (details are needed|with (OAuth|password))", Code.ACCOUNT_REFUSED),
    (r"Please sign in|consent redirect|skip=authcheck", Code.ACCOUNT_REFUSED),
    (r"No space left on device|Disk quota exceeded", Code.ENV_DISK_FULL),
    (r"Read-only file system|Input/output error|Stale file handle", Code.ENV_VOLUME),
    # not accessible to us
    (r"Join this channel|members.only|available to this channel's members", Code.MEMBERS_ONLY),
    (r"Private video|video is private", Code.VIDEO_PRIVATE),
    (r"confirm your age|age.restricted|inappropriate for some users", Code.AGE_RESTRICTED),
    (
        r"(not made this video available|blocked it) in your country|not available (in|from) your (country|location)",
        Code.GEO_BLOCKED,
    ),
    (r"geo.?restrict", Code.GEO_BLOCKED),
    (r"DRM protect", Code.DRM_PROTECTED),
    (r"requires payment|Music Premium|Premium members", Code.MEMBERS_ONLY),
    (r"Google Workspace account", Code.VIDEO_PRIVATE),
    # not yet available
    (r"processing this video|live event has ended|^Offline\.?$|not currently live", Code.NOT_PROCESSED_YET),
    (r"Premieres? (in|will begin)|live event will begin|Premiere will begin", Code.NOT_YET_AVAILABLE),
    (r"currently live|is live now|live stream is still", Code.IS_LIVE),
    # a fragment of a stream: yt-dlp retries only fragments itself
    (r"HTTP Error (404|410).*Giving up after", Code.FRAGMENT_MISSING),
    # no such video, address or media
    (r"Video unavailable|no longer available|removed (by the uploader|for violating)", Code.VIDEO_GONE),
    (
        r"account.*terminated|channel was removed|(playlist|channel) does not exist|does the playlist exist",
        Code.VIDEO_GONE,
    ),
    (r"video is not available|recording is not available|looks truncated|Unable to find video ID", Code.VIDEO_GONE),
    (r"Response data has no m3u header", Code.IS_PLAYLIST),  # a list of addresses, and no stream
    # the site has changed, or wants another version of yt-dlp
    (r"\bchallenge (solving|solver|requests?|response|provider)|for JS challenge", Code.SITE_CHANGED),
    (r"SABR-only streaming|skipped as they are missing a URL|without player url", Code.SITE_CHANGED),
    (
        r"No video formats found|Requested format is not available|Only images are available|forcing SABR",
        Code.SITE_CHANGED,
    ),
    (
        r"(Failed|Unable) to extract|(signature|nsig) (extraction|solving) failed|Precondition check failed",
        Code.SITE_CHANGED,
    ),
    (r"needs to be reloaded|not available on this app|Playback on other websites|Error code: 152", Code.SITE_CHANGED),
    (r"YouTube said|HTTP Error 400|(Incomplete|Unable to (find|recogni[sz]e)).*(data|tab|page)", Code.SITE_CHANGED),
    (r"Cannot identify player|Failed to resolve album|No player clients|PO Token", Code.SITE_CHANGED),
    (r"does not have a \S+ tab", Code.NO_MEDIA_FOUND),
    (r"HTTP Error (404|410)", Code.VIDEO_GONE),
    (r"given without video ID|forget to quote the URL", Code.BAD_URL),
    (r"is not a valid URL|Invalid URL|Failed to parse:|unknown url type|no host given", Code.BAD_URL),
    (r"Invalid IPv6 URL|Port out of range|Port could not be cast|invalid characters under NFKC", Code.BAD_URL),
    (
        r"file:// URLs? (are|is) disabled|file:// scheme|Unsupported url scheme|unsupported URL scheme",
        Code.URL_NOT_ALLOWED,
    ),
    (r"No suitable extractor|No connection adapters", Code.URL_NOT_ALLOWED),
    (r"download detected but \S+ could not be (found|run)", Code.NO_MEDIA_FOUND),  # needs an external downloader
    (r"Unsupported URL|no media|extension .* is unusual", Code.NO_MEDIA_FOUND),
    # network and server errors
    (
        r"HTTP Error 416|expected \d+ ?bytes|more expected|ContentTooShort|IncompleteRead|Did not get any data",
        Code.TRUNCATED_DOWNLOAD,
    ),
    (r"fragment \d+ not found|Unable to download fragment|Giving up after .* fragment", Code.FRAGMENT_MISSING),
    (r"larger than max-filesize|File too large", Code.TOO_LARGE),
    (r"HTTP Error 403", Code.SOURCE_FORBIDDEN),
    (r"HTTP Error 5\d\d", Code.SOURCE_UNAVAILABLE),
    (r"timed out", Code.NETWORK_TIMEOUT),
    (
        r"Name or service not known|name resolution|No address associated|getaddrinfo|Failed to resolve",
        Code.NETWORK_ERROR,
    ),
    (r"Connection refused|Connection reset|Connection aborted|Remote end closed|unreachable", Code.NETWORK_ERROR),
    (r"please report this issue", Code.SITE_CHANGED),  # yt-dlp itself did not expect what it found
)
_TABLE: Final = tuple((re.compile(pattern, re.IGNORECASE), code) for pattern, code in _SENTENCES)
_AVAILABILITY: Final = {
    "private": Code.VIDEO_PRIVATE,
    "premium_only": Code.MEMBERS_ONLY,
    "subscriber_only": Code.MEMBERS_ONLY,
    "needs_auth": Code.AGE_RESTRICTED,
}
_EXTRACTOR: Final = re.compile(r"^(ERROR: |WARNING: )?\[[\w:.+-]+\] ((?!').*?: )?", re.MULTILINE)
_NOTHING_THERE: Final = re.compile(r"\[generic\].*No video formats found")  # on a page that is no known site
_PREFIX: Final = re.compile(r"^(\x1b\[[0-9;]*m)?ERROR:?(\x1b\[[0-9;]*m)? ?", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """A refusal: its text, the HTTP status, and the pause that the site asks for (seconds)."""

    text: str
    status: int | None = None
    retry_after_s: float | None = None


def code_of(refusal: Refusal) -> Code:
    """Return the code of a refusal; SOURCE_UNKNOWN when no line of the table matches."""
    if _NOTHING_THERE.search(refusal.text):
        return Code.NO_MEDIA_FOUND
    text = _EXTRACTOR.sub("", refusal.text)  # a page's name (`[generic] captcha: ...`) is no reason
    if refusal.status is not None:
        text = f"HTTP Error {refusal.status}: {text}"
    return next((code for pattern, code in _TABLE if pattern.search(text)), Code.SOURCE_UNKNOWN)


def error_of(refusal: Refusal, now: datetime, site_pause_s: float) -> IngestError:
    """Return the error of a refusal.

    SOURCE_RATE_LIMITED carries the time when the site's pause is over; the pause is `site_pause_s` when it names none.
    """
    code = code_of(refusal)
    retry_at = None
    if code is Code.SOURCE_RATE_LIMITED:
        retry_at = now + timedelta(seconds=min(refusal.retry_after_s or site_pause_s, LONGEST_PAUSE_S))
    return IngestError(code, shorten(_PREFIX.sub("", refusal.text)), retry_at=retry_at)


def availability_code(availability: str | None) -> Code | None:
    """Return the code for a value of yt-dlp's `availability` field, or None when the video is accessible."""
    return _AVAILABILITY.get(availability or "")
