"""Which link of a feed's item is its audio or video."""

from __future__ import annotations

import feedparser
import pytest

from ingest.downloader.sources.feed_items import media_address
from ingest.shared.formats import MEDIA_SUFFIXES

MRSS = 'xmlns:media="http://search.yahoo.com/mrss/"'


def chosen(inside: str) -> str | None:
    text = f'<rss version="2.0" {MRSS}><channel><item><title>x</title>{inside}</item></channel></rss>'
    (entry,) = feedparser.parse(text).entries
    return media_address(entry)


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
    ],
)
def test_the_audio_or_video_of_an_item_is_found(inside: str, url: str | None) -> None:
    assert chosen(inside) == url
