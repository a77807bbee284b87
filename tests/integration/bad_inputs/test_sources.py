"""Rows 6 to 12 and 20 to 24 of the bad inputs: addresses that must not be requested, and servers that refuse.

A real yt-dlp makes requests to a web server with faulty replies. Both stages of the downloader raise exactly the code
of the row and leave neither a file nor a folder behind; in the queue, the next message is handled.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.registry import recordings
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import EventKind, Stage
from ingest.shared.settings import load
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import GOOD_ID, SITE_PAUSE_S, VIDEO_ID, Downloader, requested
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.bad_inputs.site import Page, Site
    from tests.support.stage_line import Line

HTML = b"<!doctype html><html><head><title>A page</title></head><body>Nothing to hear.</body></html>"
FEED = '<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{}</channel></rss>'
ITEM = '<item><title>Episode</title><enclosure url="{}" type="audio/webm" length="1"/></item>'
PRIVATE = "host not on allow-list"
P, S, T, E = Outcome.PERMANENT, Outcome.SKIPPED, Outcome.TRANSIENT, Outcome.POSTPONED

ADDRESSES = [
    pytest.param("file:///etc/passwd", Code.URL_NOT_ALLOWED, P, "file://", id="6 file scheme"),
    pytest.param("rtmp://127.0.0.1/a", Code.URL_NOT_ALLOWED, P, "rtmp", id="6 another scheme"),
    pytest.param("http://169.254.169.254/a.mp3", Code.URL_NOT_ALLOWED, P, PRIVATE, id="7 the cloud's metadata"),
    pytest.param("http://127.0.0.2:80/a.mp3", Code.URL_NOT_ALLOWED, P, PRIVATE, id="7 loopback"),
    pytest.param("http://2130706434:80/a.mp3", Code.URL_NOT_ALLOWED, P, PRIVATE, id="7 loopback as a number"),
    pytest.param("http://[::ffff:127.0.0.2]/a.mp3", Code.URL_NOT_ALLOWED, P, PRIVATE, id="7 loopback as IPv6"),
    pytest.param("http://10.1.2.3/a.mp3", Code.URL_NOT_ALLOWED, P, PRIVATE, id="7 private network"),
    pytest.param("notaurl", Code.BAD_URL, P, "not a valid URL", id="9 no address"),
    pytest.param("/etc/passwd", Code.BAD_URL, P, "not a valid URL", id="9 a path"),
    pytest.param("http://", Code.BAD_URL, P, "No host supplied", id="9 no host"),
    pytest.param("http://127.0.0.1:99999/a.mp3", Code.BAD_URL, P, "Failed to parse", id="9 impossible port"),
    pytest.param(
        "http://a:b@127.0.0.1:99999/a.mp3", Code.BAD_URL, P, "Port out of range", id="9 the same, with a name"
    ),
    pytest.param("http://127.0.0.1:port/a.mp3", Code.BAD_URL, P, "Failed to parse", id="9 a word for a port"),
    pytest.param("http://[bad/a.mp3", Code.BAD_URL, P, "Invalid IPv6", id="9 half an IPv6 address"),
    pytest.param("http://\u2100.org/a.mp3", Code.BAD_URL, P, "NFKC", id="9 a host that is a path"),
    pytest.param("http://no-such.invalid/a.mp3", Code.NETWORK_ERROR, T, "resolve", id="23 dns failure"),
    pytest.param("http://127.0.0.1:1/a.mp3", Code.NETWORK_ERROR, T, "refused", id="23 connection refused"),
]
PAGES = [
    pytest.param(sites.redirect("file:///etc/passwd"), Code.URL_NOT_ALLOWED, P, id="8 redirect to a file"),
    pytest.param(sites.redirect("http://127.0.0.2/a"), Code.URL_NOT_ALLOWED, P, id="8 redirect to a private address"),
    pytest.param(sites.redirect("http://[bad/a"), Code.BAD_URL, P, id="9 redirect to no address"),
    pytest.param(sites.file(HTML, "text/html"), Code.NO_MEDIA_FOUND, P, id="10 html page"),
    pytest.param(sites.file(b"<?xml version='1.0'?><a/>", "text/xml"), Code.NO_MEDIA_FOUND, P, id="10 xml page"),
    pytest.param(sites.endless(HTML[:40]), Code.JOB_CRASHED, T, id="10 html page without end"),
    pytest.param(
        sites.file(FEED.format(ITEM.format("http://127.0.0.2/a.mp3")).encode(), "application/rss+xml"),
        Code.IS_PLAYLIST,
        P,
        id="11 feed of one episode",
    ),
    pytest.param(sites.status(404), Code.VIDEO_GONE, S, id="12 not found"),
    pytest.param(sites.status(410), Code.VIDEO_GONE, S, id="12 gone"),
    pytest.param(sites.status(429), Code.SOURCE_RATE_LIMITED, E, id="20 too many requests"),
    pytest.param(sites.status(403), Code.SOURCE_FORBIDDEN, T, id="21 forbidden"),
    pytest.param(sites.status(500), Code.SOURCE_UNAVAILABLE, T, id="22 internal server error"),
    pytest.param(sites.status(503), Code.SOURCE_UNAVAILABLE, T, id="22 service unavailable"),
    pytest.param(sites.stalled(b"", None), Code.NETWORK_TIMEOUT, T, id="24 no answer"),
    pytest.param(lambda _: None, Code.NETWORK_ERROR, T, id="23 closes at once"),
    pytest.param(sites.reset(b"", None), Code.NETWORK_ERROR, T, id="23 connection reset"),
    pytest.param(lambda r: r.wfile.write(b"SSH-2.0-x\r\n"), Code.NETWORK_ERROR, T, id="23 another protocol"),
]


@pytest.mark.parametrize("stage", ["check", "download"])
@pytest.mark.parametrize(("url", "code", "outcome", "words"), ADDRESSES)
def test_an_address_that_must_not_or_cannot_be_reached_is_refused(
    downloader: Downloader, stage: str, url: str, code: Code, outcome: Outcome, words: str
) -> None:
    error = downloader.refusal(stage, url)
    assert (error.code, error.rule.outcome) == (code, outcome)
    assert words in error.message


@pytest.mark.parametrize("stage", ["check", "download"])
@pytest.mark.parametrize(("page", "code", "outcome"), PAGES)
def test_the_refusal_of_a_server_has_its_code(
    downloader: Downloader, site: Site, stage: str, page: Page, code: Code, outcome: Outcome
) -> None:
    error = downloader.refusal(stage, site.add(page))
    assert (error.code, error.rule.outcome) == (code, outcome)
    assert 0 < len(error.message) <= 500


@pytest.mark.parametrize("stage", ["check", "download"])
@pytest.mark.parametrize(
    "around",
    [
        pytest.param(lambda _site, url: url, id="7 the address itself"),
        pytest.param(lambda site, url: site.add(sites.redirect(url)), id="8 redirect to a private address"),
        pytest.param(
            lambda site, url: site.add(sites.redirect(site.add(sites.redirect(url)))), id="8 redirect of a redirect"
        ),
    ],
)
def test_a_private_address_gets_no_request(
    downloader: Downloader,
    site: Site,
    forbidden_site: Site,
    stage: str,
    around: Callable[[Site, str], str],
    webm: bytes,
) -> None:
    error = downloader.refusal(stage, around(site, forbidden_site.add(sites.file(webm))))
    assert (error.code, error.rule.outcome) == (Code.URL_NOT_ALLOWED, P)
    assert "127.0.0.2" in error.message
    assert forbidden_site.asked == []


@pytest.mark.parametrize("stage", ["check", "download"])
@pytest.mark.parametrize("episodes", [pytest.param(3, id="11 feed of three episodes")])
def test_a_playlist_is_refused_without_a_request_for_its_entries(
    downloader: Downloader, site: Site, stage: str, episodes: int, webm: bytes
) -> None:
    items = "".join(ITEM.format(site.add(sites.file(webm))) for _ in range(episodes))
    feed = site.add(sites.file(FEED.format(items).encode(), "application/rss+xml"), "feed.xml")
    error = downloader.refusal(stage, feed)
    assert (error.code, error.rule.outcome) == (Code.IS_PLAYLIST, P)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("item", "is_there"),
    [
        pytest.param(ITEM.format("http://[bad/a.webm"), False, id="9 half an IPv6 address"),
        pytest.param(ITEM.format("http://example.org/" + "x" * 5000), False, id="9 longer than an address may be"),
        pytest.param(
            ITEM.format("a.webm").replace("<enc", "<pubDate>0000-00-00</pubDate><enc"), True, id="3 a date of zeros"
        ),
    ],
)
def test_an_invalid_episode_does_not_hide_the_others(site: Site, item: str, is_there: bool) -> None:  # noqa: FBT001 (a table)
    items = item + ITEM.format("http://example.org/good.webm")
    feed = site.add(sites.file(FEED.format(items).encode(), "application/rss+xml"), "feed.xml")
    found = list(recordings(feed, load(DownloaderSettings, allowed_hosts="127.0.0.1")))
    assert found[-1].source.url == "http://example.org/good.webm"
    assert len(found) == 1 + is_there


@pytest.mark.parametrize(
    ("url", "code"),
    [
        pytest.param("http://*/feed", Code.BAD_URL, id="9 no host name"),
        pytest.param(f"http://{'a' * 70}.org/feed", Code.BAD_URL, id="9 host name too long"),
        pytest.param("http://127.0.0.1:99999/feed", Code.BAD_URL, id="9 impossible port"),
        pytest.param("http://127.0.0.2/feed", Code.URL_NOT_ALLOWED, id="7 loopback"),
        pytest.param("http://127.0.0.1:1/feed", Code.NETWORK_ERROR, id="23 connection refused"),
        pytest.param(sites.redirect("file:///etc/passwd"), Code.URL_NOT_ALLOWED, id="8 redirect to a file"),
        pytest.param(sites.redirect("http://127.0.0.2/"), Code.URL_NOT_ALLOWED, id="8 redirect to a private address"),
        pytest.param(sites.file(FEED.format("").encode()), Code.NO_MEDIA_FOUND, id="10 feed without episodes"),
        pytest.param(sites.status(503), Code.SOURCE_UNAVAILABLE, id="22 service unavailable"),
    ],
)
def test_an_address_that_is_no_feed_is_refused_when_it_is_submitted(site: Site, url: str | Page, code: Code) -> None:
    with pytest.raises(IngestError) as caught:
        list(
            recordings(
                url if isinstance(url, str) else site.add(url, "feed"),
                load(DownloaderSettings, allowed_hosts="127.0.0.1"),
            )
        )
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("wait", "pause_s"),
    [
        pytest.param("120", 120.0, id="20 with seconds to wait"),
        pytest.param("9" * 400, 24 * 3600.0, id="20 with more seconds than there are"),
        pytest.param(None, SITE_PAUSE_S, id="20 without a time to wait"),
        pytest.param("Wed, 21 Oct 2099 07:28:00 GMT", SITE_PAUSE_S, id="20 with a date, which is ignored"),
    ],
)
def test_a_rate_limited_site_gets_no_request_for_as_long_as_it_asks(
    downloader: Downloader, site: Site, wait: str | None, pause_s: float
) -> None:
    page = sites.status(429, **({} if wait is None else {"Retry_After": wait}))
    error = downloader.refusal("check", site.add(page))
    assert error.retry_at is not None
    assert abs(error.retry_at - datetime.now(UTC) - timedelta(seconds=pause_s)) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("asked", "code"), [pytest.param(*row.values[:2], id=str(row.id)) for row in (*ADDRESSES, *PAGES)]
)
def test_the_next_message_is_handled(
    downloader: Downloader,
    line: Line,
    site: Site,
    webm: bytes,
    wait_until: Callable[..., None],
    asked: str | Page,
    code: Code,
) -> None:
    line.start(Stage.CHECK, downloader.check)
    url = asked if isinstance(asked, str) else site.add(asked)
    line.send(requested(url), requested(site.add(sites.file(webm)), GOOD_ID))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer_to(code), GOOD_ID: (EventKind.FINISHED, None)}
