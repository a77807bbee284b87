"""Feeds as real generators write them: pages, odd types, doubled identifiers, redirects, logins. A real web server."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.connector import derived_id
from ingest.downloader.sources.feeds import lists, reader
from ingest.downloader.sources.listing import Listing
from ingest.downloader.sources.registry import NESTED, recordings
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load
from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.downloader.sources.connector import Recording

HEAD = '<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/">'
LOGIN = "me:secret"


class Site:
    """Pages by path: a body, or the path of a redirect."""

    def __init__(self) -> None:
        self.pages: dict[str, str | bytes] = {}
        self.kinds: dict[str, str] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                expected = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
                if page is None:
                    self.send_error(404)
                elif isinstance(page, str) and page.startswith("/"):
                    self.send_response(302)
                    self.send_header("Location", page)
                    self.end_headers()
                elif self.path.startswith("/private/") and self.headers["Authorization"] != expected:
                    self.send_error(401)
                else:
                    self.send_response(200)
                    self.send_header("Content-Type", site.kinds.get(self.path, "text/plain"))
                    self.end_headers()
                    with suppress(OSError):  # the reader has seen enough
                        self.wfile.write(page if isinstance(page, bytes) else page.encode())

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with serving(site.server):
        yield site


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
    assert left_out == {reader.NO_MEDIA: 1}
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param(None, "a page of the feed that cannot be read (SOURCE_UNAVAILABLE)", id="missing"),
        pytest.param("<html></html>", "a page that is no feed", id="no feed"),
    ],
)
def test_a_page_that_cannot_be_read_is_named_and_keeps_the_others(site: Site, second: str | None, reason: str) -> None:
    site.pages = {"/feed.xml": page(item("1.ogg"), next_page="/2.xml")}
    if second:
        site.pages["/2.xml"] = second
    found, left_out = listed(f"{site.url}/feed.xml")
    assert (len(found), left_out) == (1, {reason: 1})


def test_a_feed_of_pages_without_end_is_read_up_to_a_limit(site: Site) -> None:
    for number in range(reader.MOST_PAGES + 2):
        site.pages[f"/{number}.xml"] = page(item(f"{number}.ogg"), next_page=f"/{number + 1}.xml")
    found, left_out = listed(f"{site.url}/0.xml")
    assert len(found) == reader.MOST_PAGES
    assert left_out == {f"the rest of a feed with more than {reader.MOST_PAGES} pages": 1}


def test_pages_that_repeat_themselves_end(site: Site) -> None:
    site.pages = {f"/{number}.xml": page(item("/a.ogg"), next_page=f"/{number + 1}.xml") for number in range(50)}
    found, left_out = listed(f"{site.url}/0.xml")
    assert (len(found), left_out, len(site.asked)) == (1, {reader.TWICE: 1}, 2)


def test_episodes_with_one_identifier_are_told_apart_by_their_addresses(site: Site) -> None:
    site.pages["/feed.xml"] = page(
        item("1.ogg", "same"), item("2.ogg", "same"), item("2.ogg", "same"), item("3.ogg", "own"), item("4.ogg")
    )
    found, left_out = listed(f"{site.url}/feed.xml")
    assert [one.metadata.title for one in found] == ["1.ogg", "2.ogg", "3.ogg", "4.ogg"]
    assert len({one.video_id for one in found}) == 4
    assert found[2].video_id == derived_id("feed", "127.0.0.1|own")
    assert found[3].video_id == derived_id("feed", f"{site.url}/4.ogg")
    assert left_out == {reader.TWICE: 1}
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


# -- what leads to feeds: packed files, JSON, lists, home pages -------------------------------------------------------


def test_a_feed_in_a_gzip_file_is_read_and_one_that_grows_without_end_is_not(site: Site) -> None:
    site.pages = {"/feed.xml.gz": gzip.compress(page(item("1.ogg", "1")).encode())}
    site.kinds = {"/feed.xml.gz": "application/gzip"}
    assert [one.source.url for one in listed(f"{site.url}/feed.xml.gz")[0]] == [f"{site.url}/1.ogg"]
    site.pages["/bomb.gz"] = gzip.compress(HEAD.encode() + bytes(80 << 20), 1)
    with pytest.raises(IngestError, match="TOO_LARGE"):
        listed(f"{site.url}/bomb.gz")


def test_a_json_feed_is_read_page_by_page(site: Site) -> None:
    def attached(number: int, **more: object) -> dict[str, object]:
        return {"url": f"{number}.mp3", "mime_type": "audio/mpeg", "duration_in_seconds": 61, **more}

    first = {"id": "1", "title": "One", "date_published": "2026-02-01T10:00:00+02:00", "attachments": [attached(1)]}
    pages: list[dict[str, object]] = [
        {"version": "https://jsonfeed.org/version/1.1", "title": "Show", "language": "de", "next_url": "/2.json"},
        {"version": "https://jsonfeed.org/version/1.1", "title": "Show"},
    ]
    pages[0]["items"] = [first, {"id": 2, "attachments": "none"}, 7]
    pages[1]["items"] = [{"id": "3", "attachments": [attached(3, mime_type=None), attached(4)]}]
    site.pages = {f"/{number}.json": json.dumps(one) for number, one in enumerate(pages, 1)}
    found, left_out = listed(f"{site.url}/1.json")
    assert [one.source.url for one in found] == [f"{site.url}/1.mp3", f"{site.url}/3.mp3"]
    said = found[0].metadata
    assert (said.title, said.channel, said.duration_s, said.likely_language) == ("One", "Show", 61, "de")
    assert str(said.published_at) == "2026-02-01 08:00:00+00:00"
    assert found[0].video_id == derived_id("feed", "127.0.0.1|1")
    assert left_out == {reader.NO_MEDIA: 2, reader.FURTHER: 1}


OPML = """<?xml version="1.0"?><opml version="2.0"><head><title>Mine</title></head><body><outline text="News">
<outline type="rss" text="A &amp; B" xmlUrl="{0}/a.xml?x=1&amp;y=2"/><outline XMLURL='feed:{0}/gone.xml'></outline>
<outline text="again" xmlUrl="{0}/a.xml?x=1&amp;y=2"/><outline xmlUrl="file:///etc/passwd"/><outline text="no feed"/>
<outline xmlUrl="{0}/b.json"/><outline xmlUrl="{0}/list.opml"></outline></body></opml>"""
PLAYLIST = "#EXTM3U\n#EXTINF:3,One\n1.ogg\n\n{0}/2.ogg\nfile:///etc/passwd\n"
PLS = "[playlist]\nFile1=1.ogg\nTitle1=One\nFile2={0}/2.ogg\nNumberOfEntries=2\n"


def subscribe(site: Site) -> str:
    site.pages = {
        "/a.xml?x=1&y=2": page(item("1.ogg", "1")),
        "/b.json": json.dumps(
            {"version": "https://jsonfeed.org/version/1", "items": [{"id": "b", "attachments": [{"url": "b.ogg"}]}]}
        ),
        "/list.opml": OPML.format(site.url),
    }
    return OPML.format(site.url)


@pytest.mark.parametrize("is_local", [True, False])
def test_a_dead_feed_in_a_list_of_feeds_stops_none(site: Site, tmp_path: Path, *, is_local: bool) -> None:
    path = tmp_path / "subscriptions.opml"
    path.write_text(subscribe(site))
    listing = Listing()
    source = str(path) if is_local else f"{site.url}/list.opml"
    found = list(recordings(source, load(DownloaderSettings, allowed_hosts="127.0.0.1"), listing))
    assert [one.source.url for one in found] == [f"{site.url}/1.ogg", f"{site.url}/b.ogg"]
    assert [(one.name, one.error.code) for one in listing.problems] == [
        (f"{site.url}/gone.xml", Code.SOURCE_UNAVAILABLE)
    ]
    left_out = {reason: one.count for reason, one in listing.left_out.items()}
    assert left_out == {lists.TWICE: 2, lists.OTHER: 2, NESTED: 4}  # those of the list within the list, too


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        pytest.param("radio.m3u", "audio/x-mpegurl", PLAYLIST, id="m3u"),
        pytest.param("radio", "audio/x-mpegurl", "1.ogg\n{0}/2.ogg\n", id="m3u without a head or a suffix"),
        pytest.param("radio.m3u8", "text/plain", "\ufeff" + PLAYLIST, id="m3u8 with a mark"),
        pytest.param("radio.pls", "audio/x-scpls", PLS, id="pls"),
    ],
)
def test_a_playlist_is_a_list_of_its_media(site: Site, name: str, kind: str, text: str) -> None:
    site.pages, site.kinds = {f"/{name}": text.format(site.url)}, {f"/{name}": kind}
    found, _ = listed(f"{site.url}/{name}")
    assert [one.source.url for one in found] == [f"{site.url}/1.ogg", f"{site.url}/2.ogg"]


def test_a_playlist_on_this_machine_names_files_beside_it(tmp_path: Path) -> None:
    for name in ("1.ogg", "notes.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "mine.m3u").write_text("1.ogg\nnotes.txt\ngone.ogg\n")
    listing = Listing()
    found = list(recordings(str(tmp_path / "mine.m3u"), load(DownloaderSettings), listing))
    assert [one.source.url for one in found] == [str(tmp_path / "1.ogg")]
    assert {reason: one.count for reason, one in listing.left_out.items()} == {lists.NO_MEDIA: 1}
    assert [one.name for one in listing.problems] == [str(tmp_path / "gone.ogg")]


def test_pieces_of_a_stream_are_one_recording(site: Site) -> None:
    site.pages = {"/a.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:3,\n1.ts\n#EXT-X-ENDLIST\n"}
    assert [one.source.url for one in listed(f"{site.url}/a.m3u8")[0]] == [f"{site.url}/a.m3u8"]


ALTERNATE = '<link rel="alternate" type="application/rss+xml" title="{1}" href="{0}">'
LINKS = ALTERNATE.format("/comments/feed", "Comments") + ALTERNATE.format("/texts.xml", "Texts")
HOME = f"<!DOCTYPE html><html><head><title>Show</title>{LINKS}{ALTERNATE.format('show.xml', 'Show')}</head><body>"


@pytest.mark.parametrize(
    ("path", "body", "is_feed"),
    [
        pytest.param("/", "<audio src=newest.mp3></audio>", True, id="a home page that plays its newest episode"),
        pytest.param("/about", "<p>words", True, id="a page without media"),
        pytest.param("/episode-5", "<audio src=5.mp3></audio>", False, id="the page of an episode"),
        pytest.param("/episode-5", "<a href='5.mp3?x=1'>listen</a>", False, id="a page with a link to media"),
    ],
)
def test_the_feed_that_a_home_page_names_is_taken_and_said(site: Site, path: str, body: str, *, is_feed: bool) -> None:
    site.pages = {
        path: HOME + body,
        "/texts.xml": page("<item><title>A text</title></item>"),
        "/show.xml": page(item("/1.ogg", "1")),
    }
    listing = Listing()
    found = list(recordings(f"{site.url}{path}", load(DownloaderSettings, allowed_hosts="127.0.0.1"), listing))
    if not is_feed:
        assert [one.source.url for one in found] == [f"{site.url}{path}"]
        return
    assert found == listed(f"{site.url}/show.xml")[0]
    assert listing.notes == [f"{site.url}{path} names the feed {site.url}/show.xml, which was taken"]
    assert listing.left_out[reader.FURTHER_FEED].count == 2


def test_a_page_that_names_feeds_without_episodes_is_a_page(site: Site) -> None:
    site.pages = {"/": HOME, "/texts.xml": page("<item><title>A text</title></item>")}
    assert [one.source.url for one in listed(f"{site.url}/")[0]] == [f"{site.url}/"]


def sent_to(target: str) -> str:
    return f'<!DOCTYPE html><html><head><META HTTP-EQUIV=refresh content="{target}"></head><body>Moved</body></html>'


@pytest.mark.parametrize(
    ("pages", "feed"),
    [
        pytest.param({"/": sent_to("0; url=/show.xml")}, "/show.xml", id="to a feed"),
        pytest.param({"/": sent_to("5;URL='show.xml'")}, "/show.xml", id="relative, in quotes"),
        pytest.param({"/": sent_to("0;url=/en"), "/en": HOME}, "/show.xml", id="to a home page with a feed"),
        pytest.param({"/": sent_to("0;url=/a"), "/a": sent_to("0;url=/show.xml")}, "/show.xml", id="twice"),
        pytest.param(
            {"/": HOME.replace("<head>", "<head><meta http-equiv=refresh content=300>")}, "/show.xml", id="to itself"
        ),
        pytest.param({"/": sent_to("0;url=/")}, None, id="in a circle"),
        pytest.param({"/": sent_to("0;url=/gone")}, None, id="to nothing"),
        pytest.param({"/": sent_to("0;url=file:///etc/passwd")}, None, id="to a file"),
        pytest.param(
            {"/": sent_to("0;url=/5"), "/5": "<html><head></head><audio src=5.mp3>"}, None, id="to an episode"
        ),
    ],
)
def test_a_page_that_sends_its_readers_on_leads_to_the_feed(
    site: Site, pages: dict[str, str | bytes], feed: str | None
) -> None:
    site.pages = {**pages, "/show.xml": page(item("/1.ogg", "1"))}
    listing = Listing()
    found = list(recordings(f"{site.url}/", load(DownloaderSettings, allowed_hosts="127.0.0.1"), listing))
    if feed is None:
        assert [one.source.url for one in found] == [f"{site.url}/"]
        return
    assert found == listed(f"{site.url}{feed}")[0]
    assert listing.notes == [f"{site.url}/ names the feed {site.url}{feed}, which was taken"]
