"""Which link of a feed's item is its audio or video."""

from __future__ import annotations

import feedparser
import pytest

from ingest.downloader.sources.feeds.items import media_addresses
from ingest.downloader.sources.feeds.reader import parsed
from ingest.downloader.sources.feeds.text import as_utf8
from ingest.downloader.sources.feeds.transfer import Page
from ingest.shared.formats import MEDIA_SUFFIXES

MRSS = 'xmlns:media="http://search.yahoo.com/mrss/" xmlns:podcast="https://podcastindex.org/namespace/1.0"'
ITUNES = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:enc="http://purl.oclc.org/net/rss_2.0/enc#"><item><title>x</title>
 <enc:enclosure rdf:resource="http://a.org/1" enc:type="audio/mpeg"/></item></rdf:RDF>"""
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>{}</entry></feed>'


def chosen(inside: str) -> str | None:
    return next(iter(all_of(rss(inside))), None)


def rss(inside: str) -> str:
    return f'<rss version="2.0" {MRSS}><channel><item><title>x</title>{inside}</item></channel></rss>'


def all_of(feed: str) -> list[str]:
    (entry,) = feedparser.parse(feed, resolve_relative_uris=False).entries
    return media_addresses(entry)


@pytest.mark.parametrize(
    ("tag", "language"),
    [("<language>de-AT</language>", "de"), ("<language>all</language>", None), ("", None)],
)
def test_an_episode_is_likely_in_the_language_of_its_feed(tag: str, language: str | None) -> None:
    item = '<item><enclosure url="http://a.org/1.mp3" type="audio/mpeg"/></item>'
    data = f'<rss version="2.0"><channel><title>t</title>{tag}{item}</channel></rss>'.encode()
    (episode,) = parsed(Page("http://a.org/feed", data)).items
    assert episode.announced.metadata.likely_language == language


@pytest.mark.parametrize(
    "kind",
    [
        "audio/mpeg",
        "Audio/OGG",
        "audio/ogg; charset=utf-8",
        "video/mp4",
        "application/octet-stream",
        "binary/octet-stream",
        "application/ogg",
        "mp3",
        "",
        "text/html",
        "application/xml",
    ],
)
def test_an_enclosure_with_the_suffix_of_a_format_is_media_whatever_its_type(kind: str) -> None:
    assert chosen(f'<enclosure url="http://a.org/1.mp3?x=1" type="{kind}"/>') == "http://a.org/1.mp3?x=1"


@pytest.mark.parametrize("suffix", sorted(MEDIA_SUFFIXES))
def test_every_format_of_the_decoder_is_media_by_its_suffix(suffix: str) -> None:
    url = f"http://a.org/talk{suffix.upper()}"
    assert chosen(f'<enclosure url="{url}" type="application/x-unknown"/>') == url


@pytest.mark.parametrize(
    ("inside", "url"),
    [
        pytest.param('<enclosure url="http://a.org/get?id=1" type="audio/mpeg"/>', "http://a.org/get?id=1", id="type"),
        pytest.param('<enclosure url="http://a.org/get.php?id=1"/>', "http://a.org/get.php?id=1", id="no type"),
        pytest.param('<enclosure url="http://a.org/1" type="mp3"/>', "http://a.org/1", id="a suffix as type"),
        pytest.param('<enclosure url="http://a.org/1.jpg" type="image/jpeg"/>', None, id="a picture"),
        pytest.param('<enclosure url="http://a.org/1.jpg"/>', None, id="a picture without type"),
        pytest.param('<enclosure url="http://a.org/1.pdf" type="application/pdf"/>', None, id="a document"),
        pytest.param('<enclosure type="audio/mpeg"/>', None, id="no address"),
        pytest.param(
            '<enclosure url="http://a.org/1.jpg" type="image/jpeg"/>'
            '<enclosure url="http://a.org/1" type="audio/mpeg"/>',
            "http://a.org/1",
            id="the second enclosure",
        ),
        pytest.param('<media:content url="http://a.org/1.mp3"/>', "http://a.org/1.mp3", id="media:content"),
        pytest.param(
            '<media:group><media:content url="http://a.org/p.jpg" medium="image"/>'
            '<media:content url="http://a.org/v" medium="video"/></media:group>',
            "http://a.org/v",
            id="media:content in a group",
        ),
        pytest.param(
            '<media:content url="http://a.org/1.mp3" type="audio/mpeg"/><enclosure url="http://a.org/2.mp3"/>',
            "http://a.org/2.mp3",
            id="an enclosure comes first",
        ),
        pytest.param('<media:thumbnail url="http://a.org/1.mp3"/>', None, id="a thumbnail"),
        pytest.param("<link>http://a.org/1</link>", None, id="a text"),
        pytest.param("<link>http://a.org/1.mp3</link>", "http://a.org/1.mp3", id="a bare link"),
        pytest.param("<link>http://a.org/1.ts</link>", None, id="a bare link to source code"),
        pytest.param("<guid>http://a.org/1.mp3</guid>", "http://a.org/1.mp3", id="an identifier"),
        pytest.param(
            '<enclosure url="http://a.org/s" type="application/x-mpegURL"/>', "http://a.org/s", id="a stream by type"
        ),
        pytest.param('<enclosure url="http://a.org/s.m3u8" type="x"/>', "http://a.org/s.m3u8", id="a stream by suffix"),
        pytest.param(
            '<podcast:alternateEnclosure type="audio/opus"><podcast:source uri="http://a.org/1"/>'
            "</podcast:alternateEnclosure>",
            "http://a.org/1",
            id="an alternate enclosure",
        ),
        pytest.param("<podcast:source>a text</podcast:source>", None, id="an element without attributes"),
    ],
)
def test_the_audio_or_video_of_an_item_is_found(inside: str, url: str | None) -> None:
    assert chosen(inside) == url


@pytest.mark.parametrize(
    ("feed", "addresses"),
    [
        pytest.param(RDF, ["http://a.org/1"], id="RSS 1.0"),
        pytest.param(
            ATOM.format('<link rel="enclosure" href="http://a.org/1.mp3"/>'), ["http://a.org/1.mp3"], id="Atom"
        ),
        pytest.param(
            ATOM.format('<content type="audio/mpeg" src="http://a.org/1"/>'), ["http://a.org/1"], id="content of Atom"
        ),
        pytest.param(ATOM.format("<content>a text</content>"), [], id="a text of Atom"),
        pytest.param(
            rss('<enclosure url="http://a.org/1.mp3"/><enclosure url="http://a.org/2.mp3"/>'),
            ["http://a.org/1.mp3", "http://a.org/2.mp3"],
            id="two parts",
        ),
        pytest.param(
            rss('<enclosure url="http://a.org/1.mp3"/><enclosure url="http://a.org/1.mp3"/>'),
            ["http://a.org/1.mp3"],
            id="the same twice",
        ),
        pytest.param(
            rss('<media:content url="http://a.org/1.mp3"/><media:content url="http://a.org/1.ogg"/>'),
            ["http://a.org/1.mp3"],
            id="one in two formats",
        ),
    ],
)
def test_each_file_of_an_item_is_found_in_each_kind_of_feed(feed: str, addresses: list[str]) -> None:
    assert all_of(feed) == addresses


EMBEDDED = '<p:alternateEnclosure type="audio/opus"><p:source uri="http://a.org/1"/></p:alternateEnclosure>'


@pytest.mark.parametrize(
    ("feed", "address"),
    [
        pytest.param(
            '<rss xml:base="http://b.org/c/"><channel><item><title>x</title>{}</item></channel></rss>', "c/1.mp3"
        ),
        pytest.param(
            '<rss xml:base="http://b.org/"><channel><item xml:base="d/"><title>x</title>{}</item></channel></rss>',
            "d/1.mp3",
        ),
        pytest.param(
            '<rss><channel xml:base="http://b.org/c/"><title>t</title><item>{}</item></channel></rss>', "c/1.mp3"
        ),
    ],
)
def test_addresses_are_relative_to_the_base_of_their_element(feed: str, address: str) -> None:
    data = feed.format('<enclosure url="1.mp3" type="audio/mpeg"/>').encode()
    assert [one.media_url for one in parsed(Page("http://a.org/feed", data)).items] == [f"http://b.org/{address}"]


def test_an_alternate_enclosure_is_found_whatever_prefix_its_namespace_has() -> None:
    space = 'xmlns:p="https://podcastindex.org/namespace/1.0"'
    data = f"<rss {space}><channel><item><title>x</title>{EMBEDDED}</item></channel></rss>".encode()
    feedparser.parse(b"<rss/>")  # its first use fixes the names that it knows
    assert [one.media_url for one in parsed(Page("http://a.org/feed", data)).items] == ["http://a.org/1"]


@pytest.mark.parametrize(
    ("tag", "title"),
    [
        pytest.param("<title>Tom &amp;amp; Jerry&amp;#8217;s</title>", "Tom & Jerry\u2019s", id="escaped twice"),
        pytest.param("<title><![CDATA[<b>Bold</b> &amp; co]]></title>", "Bold & co", id="HTML"),
        pytest.param("<title>2 &lt; 5 &amp; more</title>", "2 < 5 & more", id="plain"),
        pytest.param("<title>Vec&lt;String&gt; &amp; co</title>", "Vec<String> & co", id="no tag of HTML"),
        pytest.param(
            "<title>&#55357;&#56832; &#xD83D;&#xde00; &#128512;</title>", "\U0001f600 " * 3, id="halves of letters"
        ),
        pytest.param("<title>one &#55357; half</title>", "one \ufffd half", id="a half alone"),
        pytest.param("<title>AT&T, R&D & Q&A</title>", "AT&T, R&D & Q&A", id="bare ampersands"),
        pytest.param("<title><![CDATA[R&D & A &amp; B]]></title>", "R&D & A & B", id="ampersands in CDATA"),
        pytest.param(
            "<title>A&lt B &copy 2020 &#38; C&#x26;D</title>",
            "A&lt B &copy 2020 & C&D",
            id="names of letters without their end",
        ),
        pytest.param("<itunes:title>Other</itunes:title>", "Other", id="only that of iTunes"),
        pytest.param("<title>Main</title><itunes:title>Other</itunes:title>", "Main", id="both"),
    ],
)
def test_a_title_is_the_text_that_people_read(tag: str, title: str) -> None:
    item = f'<item>{tag}<enclosure url="1.mp3" type="audio/mpeg"/></item>'
    data = f"<rss {ITUNES}><channel>{tag}{item}</channel></rss>".encode()
    (episode,) = parsed(Page("http://a.org/feed", as_utf8(data))).items
    assert (episode.announced.metadata.title, episode.announced.metadata.channel) == (title.strip(), title.strip())


@pytest.mark.parametrize(
    "address",
    ["http://a.org/1.mp3  ", "\n  http://a.org/1.mp3\n", "\t1.mp3 ", "&#160;/1.mp3&#160;"],
)
def test_blanks_around_an_address_are_no_part_of_it(address: str) -> None:
    (episode,) = parsed(
        Page("http://a.org/feed", rss(f'<enclosure url="{address}" type="audio/mpeg"/>').encode())
    ).items
    assert episode.media_url == "http://a.org/1.mp3"


@pytest.mark.parametrize(
    ("published", "day"),
    [
        pytest.param("1709629200", "2024-03-05", id="seconds since 1970"),
        pytest.param("20240305", "2024-03-05", id="a day of digits"),
        pytest.param("Tue, 05 Mar 2024 09:00:00 GMT", "2024-03-05", id="as RSS says it"),
        pytest.param("9" * 400, None, id="far too many digits"),
    ],
)
def test_the_day_of_an_episode_is_the_one_that_its_feed_names(published: str, day: str | None) -> None:
    inside = f'<enclosure url="http://a.org/1.mp3" type="audio/mpeg"/><pubDate>{published}</pubDate>'
    (episode,) = parsed(Page("http://a.org/feed", rss(inside).encode())).items
    found = episode.announced.metadata.published_at
    assert (None if found is None else f"{found:%Y-%m-%d}") == day
