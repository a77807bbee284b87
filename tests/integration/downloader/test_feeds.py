"""Feeds as real generators write them: pages, odd types, doubled identifiers, redirects, logins. A real web server."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources import feed
from ingest.downloader.sources.connector import derived_id
from ingest.downloader.sources.listing import Listing
from ingest.downloader.sources.registry import recordings
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.sources.connector import Recording

HEAD = '<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/">'
LOGIN = "me:secret"


class Site:
    """Pages by path: a body, or the path of a redirect."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                expected = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
                if page is None:
                    self.send_error(404)
                elif page.startswith("/"):
                    self.send_response(302)
                    self.send_header("Location", page)
                    self.end_headers()
                elif self.path.startswith("/private/") and self.headers["Authorization"] != expected:
                    self.send_error(401)
                else:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(page.encode())

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def page(*items: str, next_page: str = "") -> str:
    link = f'<atom:link rel="next" href="{next_page}"/>' if next_page else ""
    return f"{HEAD}<channel><title>Feed</title>{link}{''.join(items)}</channel></rss>"


def item(enclosure: str, guid: str = "", title: str = "") -> str:
    identifier = f"<guid>{guid}</guid>" if guid else ""
    return (
        f"<item><title>{title or enclosure}</title>{identifier}<enclosure url='{enclosure}' type='audio/ogg'/></item>"
    )


def listed(url: str) -> tuple[list[Recording], dict[str, int]]:
    listing = Listing()
    found = list(recordings(url, load(DownloaderSettings, allowed_hosts="127.0.0.1"), listing))
    return found, {reason: one.count for reason, one in listing.left_out.items()}


def test_all_pages_of_a_feed_are_read(site: Site) -> None:
    site.pages = {
        "/feed.xml": page(item("1.ogg", "1"), next_page="?page=2"),
        "/feed.xml?page=2": page(item("2.ogg", "2"), "<item><title>A text</title></item>", next_page="/three.xml"),
        "/three.xml": page(item("3.ogg", "3"), next_page="/feed.xml"),
    }
    found, left_out = listed(f"{site.url}/feed.xml")
    assert [one.source.url for one in found] == [f"{site.url}/{number}.ogg" for number in (1, 2, 3)]
    assert left_out == {feed.NO_MEDIA: 1}
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param(None, "a page of the feed that cannot be read (SOURCE_UNAVAILABLE)", id="missing"),
        pytest.param("<html></html>", "a page that is no feed", id="no feed"),
    ],
)
def test_a_page_that_cannot_be_read_is_named_and_keeps_the_others(site: Site, second: str | None, reason: str) -> None:
    site.pages = {"/feed.xml": page(item("1.ogg"), next_page="/2.xml")} | ({"/2.xml": second} if second else {})
    found, left_out = listed(f"{site.url}/feed.xml")
    assert (len(found), left_out) == (1, {reason: 1})


def test_a_feed_of_pages_without_end_is_read_up_to_a_limit(site: Site) -> None:
    site.pages = {
        f"/{number}.xml": page(item(f"{number}.ogg"), next_page=f"/{number + 1}.xml")
        for number in range(feed.MOST_PAGES + 2)
    }
    found, left_out = listed(f"{site.url}/0.xml")
    assert len(found) == feed.MOST_PAGES
    assert left_out == {f"the rest of a feed with more than {feed.MOST_PAGES} pages": 1}


def test_pages_that_repeat_themselves_end(site: Site) -> None:
    site.pages = {f"/{number}.xml": page(item("/a.ogg"), next_page=f"/{number + 1}.xml") for number in range(50)}
    found, left_out = listed(f"{site.url}/0.xml")
    assert (len(found), left_out, len(site.asked)) == (1, {feed.TWICE: 1}, 2)


def test_episodes_with_one_identifier_are_told_apart_by_their_addresses(site: Site) -> None:
    site.pages["/feed.xml"] = page(
        item("1.ogg", "same"), item("2.ogg", "same"), item("2.ogg", "same"), item("3.ogg", "own"), item("4.ogg")
    )
    found, left_out = listed(f"{site.url}/feed.xml")
    assert [one.metadata.title for one in found] == ["1.ogg", "2.ogg", "3.ogg", "4.ogg"]
    assert len({one.video_id for one in found}) == 4
    assert found[2].video_id == derived_id("feed", "127.0.0.1|own")
    assert found[3].video_id == derived_id("feed", f"{site.url}/4.ogg")
    assert left_out == {feed.TWICE: 1}
    assert [one.video_id for one in listed(f"{site.url}/feed.xml")[0]] == [one.video_id for one in found]


def test_relative_addresses_are_those_of_the_page_after_redirects(site: Site) -> None:
    site.pages = {"/old.xml": "/moved/here/feed.xml", "/moved/here/feed.xml": page(item("2.ogg", "2"), item("/3.ogg"))}
    found, _ = listed(f"{site.url}/old.xml")
    assert [one.source.url for one in found] == [f"{site.url}/moved/here/2.ogg", f"{site.url}/3.ogg"]


def test_episodes_on_the_host_of_a_feed_get_its_login_and_others_do_not(site: Site) -> None:
    absolute = f"{site.url}/private/1.ogg"
    elsewhere = "https://cdn.example.org/3.ogg"
    site.pages["/private/feed.xml"] = page(item(absolute), item("2.ogg"), item(elsewhere))
    found, _ = listed(f"http://{LOGIN}@{site.host}/private/feed.xml")
    private = f"http://{LOGIN}@{site.host}/private"
    assert [one.source.url for one in found] == [f"{private}/1.ogg", f"{private}/2.ogg", elsewhere]
    assert found[0].video_id == derived_id("feed", absolute)
    assert found[1].video_id == derived_id("feed", f"{private}/2.ogg")


def test_a_login_does_not_follow_a_redirect_to_another_host(site: Site) -> None:
    site.pages["/feed.xml"] = page(item("http://localhost/1.ogg"), item(f"https://{site.host}/2.ogg"))
    found, _ = listed(f"http://{LOGIN}@{site.host}/feed.xml")
    assert [one.source.url for one in found] == ["http://localhost/1.ogg", f"https://{site.host}/2.ogg"]
