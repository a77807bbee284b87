"""The error code of a refusal, by the sentences of YouTube and yt-dlp and by HTTP statuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.downloader.refusals import Refusal, availability_code, code_of, error_of
from ingest.shared.errors import Code

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
PAUSE_S = 3600.0
HELP = "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ"


def said(text: str, code: Code, name: str = "") -> object:
    return pytest.param(text, code, id=name or text[:40])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        said(f"[youtube] x: Sign in to confirm you’re not a bot. {HELP}", Code.SOURCE_RATE_LIMITED, "bot check"),  # noqa: RUF001 (as YouTube writes it)
        said("Sign in to confirm you're not a bot", Code.SOURCE_RATE_LIMITED, "bot check, straight apostrophe"),
        said("Please retry. YouTube is requiring a captcha challenge before playback", Code.SOURCE_RATE_LIMITED),
        said("All player responses are invalid. Your IP is likely being blocked by Youtube", Code.SOURCE_RATE_LIMITED),
        said("This content isn't available, try again later", Code.SOURCE_RATE_LIMITED),
        said("The current session has been rate-limited by YouTube for up to an hour.", Code.SOURCE_RATE_LIMITED),
        said("Unable to download API page: HTTP Error 429: Too Many Requests", Code.SOURCE_RATE_LIMITED, "429"),
        said("Too Many Requests", Code.SOURCE_RATE_LIMITED),
        said("No supported JavaScript runtime could be found. Only deno is enabled by default;", Code.ENV_JS_RUNTIME),
        said(
            "n challenge solving failed: Some formats may be missing.\nNo supported JavaScript runtime could be found.",
            Code.ENV_JS_RUNTIME,
            "a challenge without an engine",
        ),
        said("unable to write data: [Errno 28] No space left on device", Code.ENV_DISK_FULL),
        said("unable to write data: [Errno 122] Disk quota exceeded", Code.ENV_DISK_FULL),
        said("Join this channel to get access to members-only content like this video", Code.MEMBERS_ONLY),
        said("This video is available to this channel's members on level: Gold", Code.MEMBERS_ONLY),
        said("This is a members-only video", Code.MEMBERS_ONLY),
        said("[youtube] x: Private video. Sign in if you've been granted access to this video", Code.VIDEO_PRIVATE),
        said("Video unavailable. This video is private", Code.VIDEO_PRIVATE, "private, in other words"),
        said("Sign in to confirm your age. This video may be inappropriate for some users.", Code.AGE_RESTRICTED),
        said("This video is age-restricted and only available on YouTube", Code.AGE_RESTRICTED),
        said("This video may be inappropriate for some users.", Code.AGE_RESTRICTED),
        said("The uploader has not made this video available in your country", Code.GEO_BLOCKED),
        said("This video is not available in your country", Code.GEO_BLOCKED),
        said("This video is not available from your location due to geo restriction", Code.GEO_BLOCKED),
        said("Video is geo restricted", Code.GEO_BLOCKED),
        said("This video is DRM protected", Code.DRM_PROTECTED),
        said("The requested site is known to use DRM protection", Code.DRM_PROTECTED),
        said("[youtube] x: Premieres in 5 hours", Code.NOT_YET_AVAILABLE),
        said("This live event will begin in 3 days.", Code.NOT_YET_AVAILABLE),
        said("Premiere will begin shortly", Code.NOT_YET_AVAILABLE),
        said("The channel is currently live", Code.IS_LIVE),
        said("Video is live now", Code.IS_LIVE),
        said("The live stream is still being recorded", Code.IS_LIVE),
        said("[youtube] x: Video unavailable", Code.VIDEO_GONE),
        said("m3u8 download detected but ffmpeg could not be found. Please install", Code.NO_MEDIA_FOUND),
        said('RTMP download detected but "rtmpdump" could not be run. Please install', Code.NO_MEDIA_FOUND),
        said("This video is no longer available due to a copyright claim by X", Code.VIDEO_GONE),
        said("This video has been removed by the uploader", Code.VIDEO_GONE),
        said("because the YouTube account associated with this video has been terminated.", Code.VIDEO_GONE),
        said("This video has been removed for violating YouTube's Terms of Service", Code.VIDEO_GONE),
        said("Unable to download webpage: HTTP Error 404: Not Found", Code.VIDEO_GONE, "404"),
        said("HTTP Error 410: Gone", Code.VIDEO_GONE, "410"),
        said("[generic] 'notaurl' is not a valid URL", Code.BAD_URL),
        said("<urlopen error no host given>", Code.BAD_URL),
        said("<urlopen error unknown url type: gopher>", Code.BAD_URL),
        said("Invalid URL 'http://': No host supplied", Code.BAD_URL),
        said("Failed to parse: https://[bad]/", Code.BAD_URL),
        said("file:// URLs are disabled by default in yt-dlp for security reasons.", Code.URL_NOT_ALLOWED),
        said('Unsupported url scheme: "rtsp"', Code.URL_NOT_ALLOWED),
        said("No connection adapters were found for 'gopher://x'", Code.URL_NOT_ALLOWED),
        said("No suitable extractor found for URL https://vimeo.com/1", Code.URL_NOT_ALLOWED),
        said("Unsupported URL: https://example.org/", Code.NO_MEDIA_FOUND),
        said("[generic] x: No video formats found!", Code.NO_MEDIA_FOUND, "no media on a page"),
        said("[other] x: Something odd; please report this issue on", Code.SITE_CHANGED, "a fault of yt-dlp"),
        said("no media found", Code.NO_MEDIA_FOUND),
        said("The extracted extension ('exe') is unusual and will be skipped", Code.NO_MEDIA_FOUND),
        said("1000 bytes read, 2000 more expected", Code.TRUNCATED_DOWNLOAD),
        said("Downloaded 1000 bytes, expected 3000 bytes", Code.TRUNCATED_DOWNLOAD),
        said("ContentTooShortError()", Code.TRUNCATED_DOWNLOAD),
        said("IncompleteRead(1000 bytes read)", Code.TRUNCATED_DOWNLOAD),
        said("Did not get any data blocks", Code.TRUNCATED_DOWNLOAD),
        said("fragment 7 not found, unable to continue", Code.FRAGMENT_MISSING),
        said("Unable to download fragment 3", Code.FRAGMENT_MISSING),
        said("HTTP Error 404: Not Found. Giving up after 3 retries", Code.FRAGMENT_MISSING, "404 of a piece"),
        said("Giving up after 3 fragment retries", Code.FRAGMENT_MISSING),
        said(
            "\r[download] File is larger than max-filesize (9 bytes > 5 bytes). Aborting.", Code.TOO_LARGE, "too large"
        ),
        said("[Errno 27] File too large", Code.TOO_LARGE),
        said("unable to download video data: HTTP Error 403: Forbidden", Code.SOURCE_FORBIDDEN, "403"),
        said("HTTP Error 503: Service Unavailable", Code.SOURCE_UNAVAILABLE, "503"),
        said("HTTP Error 500: Internal Server Error", Code.SOURCE_UNAVAILABLE, "500"),
        said("The read operation timed out", Code.NETWORK_TIMEOUT),
        said("Connection to example.org timed out. (connect timeout=20.0)", Code.NETWORK_TIMEOUT),
        said("[Errno -2] Name or service not known", Code.NETWORK_ERROR),
        said("[Errno -3] Temporary failure in name resolution", Code.NETWORK_ERROR),
        said("[Errno -5] No address associated with hostname", Code.NETWORK_ERROR),
        said("Failed to resolve 'www.youtube.com'", Code.NETWORK_ERROR),
        said("[Errno 111] Connection refused", Code.NETWORK_ERROR),
        said("[Errno 104] Connection reset by peer", Code.NETWORK_ERROR),
        said("('Connection aborted.', RemoteDisconnected())", Code.NETWORK_ERROR),
        said("Remote end closed connection without response", Code.NETWORK_ERROR),
        said("[Errno 101] Network is unreachable", Code.NETWORK_ERROR),
        said("Please sign in. Use --cookies-from-browser or --cookies for the authentication.", Code.ACCOUNT_REFUSED),
        said("The page needs to be reloaded.", Code.SITE_CHANGED),
        said(
            "Requested format is not available. Use --list-formats for a list of available formats", Code.SITE_CHANGED
        ),
        said("Only images are available for download. use --list-formats to see them", Code.SITE_CHANGED),
        said("Failed to extract any player response; please report this issue on", Code.SITE_CHANGED),
        said("Unable to extract yt initial data; please report this issue on", Code.SITE_CHANGED),
        said("Signature extraction failed: Traceback", Code.SITE_CHANGED),
        said("nsig extraction failed: Some formats may be missing", Code.SITE_CHANGED),
        said("[youtube] x: n challenge solving failed: Some formats may be missing.", Code.SITE_CHANGED),
        said("Challenge solver core script version 0.9.0 is not supported (source: python package", Code.SITE_CHANGED),
        said("Some web client https formats have been skipped as they are missing a URL.", Code.SITE_CHANGED),
        said("YouTube may have enabled the SABR-only streaming experiment for your account", Code.SITE_CHANGED),
        said("YouTube is forcing SABR streaming for this client.", Code.SITE_CHANGED),
        said("No video formats found!; please report this issue on", Code.SITE_CHANGED),
        said(
            "The provided YouTube account cookies are no longer valid. They have likely been rotated in the brows",
            Code.ENV_COOKIES,
        ),
        said("This live event has ended.", Code.NOT_PROCESSED_YET),
        said("This live stream recording is not available.", Code.VIDEO_GONE),
        said("Offline.", Code.NOT_PROCESSED_YET),
        said("We're processing this video. Check back later.", Code.NOT_PROCESSED_YET),
        said("This video requires payment to watch.", Code.MEMBERS_ONLY),
        said(
            "The following content is not available on this app.. Watch on the latest version of YouTube.",
            Code.SITE_CHANGED,
        ),
        said("Playback on other websites has been disabled by the video owner", Code.SITE_CHANGED),
        said("This video is restricted. Try signing in with a Google Workspace account", Code.VIDEO_PRIVATE),
        said("This video is only available to Music Premium members", Code.MEMBERS_ONLY),
        said("Error code: 152 - 4", Code.SITE_CHANGED),
        said("Precondition check failed.", Code.SITE_CHANGED),
        said("This channel does not have a videos tab", Code.NO_MEDIA_FOUND),
        said("This channel was removed because it violated our Community Guidelines.", Code.VIDEO_GONE),
        said("The playlist does not exist.", Code.VIDEO_GONE),
        said("Failed to resolve url (does the playlist exist?)", Code.VIDEO_GONE),
        said("YouTube said: INNERTUBE_CONTEXT error", Code.SITE_CHANGED),
        said("Unable to download API page: HTTP Error 400: Bad Request", Code.SITE_CHANGED),
        said("Got error: HTTP Error 416: Requested range not satisfiable", Code.TRUNCATED_DOWNLOAD),
        said(
            "Unable to download webpage: ('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Pr",
            Code.PROXY_REFUSED,
        ),
        said("Unable to download webpage: SOCKS5 proxy: Connection refused", Code.PROXY_REFUSED),
        said("Tunnel connection failed: 429 Too Many Requests", Code.PROXY_REFUSED, "429 of a proxy"),
        said("(caused by ProxyError('[Errno 6] TTL expired'))", Code.PROXY_REFUSED, "a reply of a SOCKS5 proxy"),
        said(
            "Unable to download API page: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
            Code.NETWORK_ERROR,
        ),
        said("A sentence that is in no line of the table", Code.SOURCE_UNKNOWN),
        said("", Code.SOURCE_UNKNOWN, "nothing"),
    ],
)
def test_a_sentence_has_its_code(text: str, code: Code) -> None:
    assert code_of(Refusal(text)) is code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        said(
            "Sign in to confirm you’re not a bot. This helps protect our community. Sign in to confirm your age",  # noqa: RUF001 (as YouTube writes it)
            Code.SOURCE_RATE_LIMITED,
            "the bot check comes before the age check",
        ),
        said(
            "This content isn't available, try again later. Video unavailable",
            Code.SOURCE_RATE_LIMITED,
            "a limit comes before gone",
        ),
        said("Video unavailable. Join this channel to get access", Code.MEMBERS_ONLY, "members come before gone"),
        said(
            "Video unavailable. The uploader has not made this video available in your country",
            Code.GEO_BLOCKED,
            "a country comes before gone",
        ),
        said(
            "Video unavailable. This video contains content from SME, who has blocked it in your country on copyright"
            " grounds",
            Code.GEO_BLOCKED,
            "a country comes before gone, in other words",
        ),
        said("[Errno 28] No space left on device (HTTP Error 404)", Code.ENV_DISK_FULL, "our disk comes first"),
        said("HTTP Error 429: Too Many Requests. Video unavailable", Code.SOURCE_RATE_LIMITED, "429 comes before gone"),
    ],
)
def test_the_first_line_that_matches_decides(text: str, code: Code) -> None:
    assert code_of(Refusal(text)) is code


@pytest.mark.parametrize(
    "words", ["[Errno 30] Read-only file system", "[Errno 5] Input/output error", "[Errno 116] Stale file handle"]
)
def test_errors_of_the_volume_are_errors_of_the_environment(words: str) -> None:
    assert code_of(Refusal(f"unable to write data: {words}")).startswith("ENV_")


@pytest.mark.parametrize(
    "page", ["captcha-explained", "Too Many Requests", "age-restricted-games", "members-only", "DRM protection"]
)
def test_the_name_of_a_page_is_no_part_of_the_refusal(page: str) -> None:
    """yt-dlp puts the last part of a plain address in front of its messages."""
    text = f"[generic] {page}: Unable to download webpage: HTTP Error 404: Not Found"
    assert code_of(Refusal(text, status=404)) is Code.VIDEO_GONE
    warned = f"{text}\n[generic] {page}: Falling back on generic information extractor"
    assert code_of(Refusal(warned)) is Code.VIDEO_GONE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, Code.SOURCE_FORBIDDEN),
        (404, Code.VIDEO_GONE),
        (410, Code.VIDEO_GONE),
        (429, Code.SOURCE_RATE_LIMITED),
        (502, Code.SOURCE_UNAVAILABLE),
        (418, Code.SOURCE_UNKNOWN),
    ],
)
def test_a_status_has_its_code(status: int, code: Code) -> None:
    assert code_of(Refusal("the server said no", status=status)) is code


def test_the_pause_of_a_rate_limit_is_the_one_that_the_site_asks_for() -> None:
    error = error_of(Refusal("slow down", status=429, retry_after_s=90.0), NOW, PAUSE_S)
    assert (error.code, error.retry_at) == (Code.SOURCE_RATE_LIMITED, NOW + timedelta(seconds=90))


def test_a_rate_limit_without_a_time_has_the_pause_of_the_settings() -> None:
    error = error_of(Refusal("Sign in to confirm you're not a bot"), NOW, PAUSE_S)
    assert error.retry_at == NOW + timedelta(seconds=PAUSE_S)


def test_any_other_refusal_has_no_retry_time() -> None:
    assert error_of(Refusal("HTTP Error 503", retry_after_s=90.0), NOW, PAUSE_S).retry_at is None


@pytest.mark.parametrize("prefix", ["ERROR: ", "error ", "\x1b[0;31mERROR:\x1b[0m "])
def test_the_text_of_an_error_is_the_text_of_the_site(prefix: str) -> None:
    error = error_of(Refusal(f"{prefix}[youtube] x: Video\n unavailable"), NOW, PAUSE_S)
    assert error.message == "[youtube] x: Video unavailable"


@pytest.mark.parametrize(
    ("availability", "code"),
    [
        ("private", Code.VIDEO_PRIVATE),
        ("premium_only", Code.MEMBERS_ONLY),
        ("subscriber_only", Code.MEMBERS_ONLY),
        ("needs_auth", Code.AGE_RESTRICTED),
        ("public", None),
        ("unlisted", None),
        (None, None),
    ],
)
def test_the_availability_field_has_its_code(availability: str | None, code: Code | None) -> None:
    assert availability_code(availability) is code
