"""A feed's XML has bounds; those of a hostile one cost neither gigabytes nor minutes."""

from __future__ import annotations

import time

import feedparser
import pytest

from ingest.downloader.sources.feeds.limits import MOST_ATTRIBUTES, MOST_NAMESPACES, FeedPart, bounded
from ingest.downloader.sources.feeds.reader import parsed
from ingest.downloader.sources.feeds.transfer import Page
from ingest.shared.errors import Code, IngestError

MANY_NAMES = "".join(f"<n{number}:a xmlns:n{number}='http://h/'/>" for number in range(MOST_NAMESPACES + 1))
MANY_ATTRIBUTES = "".join(f" a{number}='1'" for number in range(MOST_ATTRIBUTES + 1))


def rss(body: str, prolog: str = "") -> bytes:
    return f'<?xml version="1.0"?>{prolog}<rss version="2.0"><channel><title>t</title>{body}</channel></rss>'.encode()


def items(count: int) -> str:
    return "".join(f"<item><guid>{number}</guid></item>" for number in range(count))


def encoded(name: str) -> bytes:
    head = f'<?xml version="1.0" encoding="{name}"?>'.encode()
    item = '<item><enclosure url="http://m.example/1.mp3" type="audio/mpeg"/></item>'
    title = "\u756a\u7d44" if name == "shift_jis" else "Show"
    body = f'<rss version="2.0"><channel><title>{title}</title>{item}</channel></rss>'
    return head + body.encode("shift_jis")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(rss(items(3)), id="a feed"),
        pytest.param(rss("<item><title>a & b</title></item>"), id="not well-formed"),
        pytest.param(rss("<item><b>&nosuch;<"), id="an unknown entity, and an open tag"),
        pytest.param(b"\xff\xfe<\x00r\x00s\x00s\x00/\x00>\x00", id="UTF-16"),
        pytest.param(b"", id="nothing"),
        pytest.param(encoded("shift_jis"), id="an encoding of several bytes"),
        pytest.param(encoded("UTF-88"), id="an unknown encoding"),
    ],
)
def test_an_ordinary_feed_stays_as_it_is(data: bytes) -> None:
    assert (bounded(data).data, bounded(data).left_out) == (data, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(rss("<a>" * 200_000), id="nested without end"),
        pytest.param(rss("<a>" * 200 + "</a>" * 200), id="nested and closed"),
        pytest.param(rss("<item" + MANY_ATTRIBUTES + "/>"), id="attributes"),
        pytest.param(rss(MANY_NAMES), id="namespaces"),
        pytest.param(rss("&nosuch;" + "<a>" * 200_000), id="nested, and not well-formed"),
        pytest.param(rss("&nosuch;" + "<a><b></b>" * 200_000), id="left open, and not well-formed"),
        pytest.param(rss("&nosuch;<item" + MANY_ATTRIBUTES * 100 + "/>"), id="attributes, and not well-formed"),
    ],
)
def test_tags_that_no_feed_has_are_refused(data: bytes) -> None:
    with pytest.raises(IngestError) as refused:
        bounded(data)
    assert refused.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<item>&nosuch;<" + "a" * 1_000_000, id="a name without end"),
        pytest.param("<item>&nosuch;" + "<a" * 100_000, id="tags that do not end"),
        pytest.param("<item><author>" + "a" * 200_000 + "</author></item>", id="an endless author"),
        pytest.param("<item><dc:creator xmlns:dc='d'>" + "a.b" * 70_000 + "</dc:creator></item>", id="creator"),
        pytest.param("<managingEditor>" + "a-" * 100_000 + "</managingEditor>", id="an endless editor"),
        pytest.param("<item><pubDate>" + "1 " * 200_000 + "</pubDate></item>", id="an endless date"),
        pytest.param("<item>" + "<category>x</category>" * 5_000 + "</item>", id="categories"),
    ],
)
def test_a_feed_is_read_in_a_time_that_grows_with_its_length(body: str) -> None:
    media = '<item><guid>1</guid><enclosure url="http://m.example/1.mp3" type="audio/mpeg"/></item>'
    began = time.thread_time()  # what it computes, on a busy machine, too
    assert [item.guid for item in parsed(Page("http://m.example/feed", rss(media + body))).items] == ["1"]
    assert time.thread_time() - began < 8


def test_entities_are_not_expanded() -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "' + f"&e{n};" * 100 + '">' for n in range(9))
    data = rss("<item>&e9;</item>", f'<!DOCTYPE rss [<!ENTITY e0 "x">{entities}]>')
    assert bounded(data).data == data


@pytest.mark.parametrize("wrapped", ["{}", "<item><media:group xmlns:media='m'>{}</media:group></item>"])
def test_the_first_items_of_an_endless_feed_are_kept(wrapped: str) -> None:
    data = rss(wrapped.format(items(10)))
    found = bounded(data, 3)
    assert not feedparser.parse(found.data).bozo
    assert found.data.count(b"<item>") == 3
    assert found.left_out == data.count(b"<item>") - 3


def test_the_first_items_of_an_endless_feed_that_is_not_well_formed_are_kept() -> None:
    data = rss("<title>a & b</title>" + items(10))
    found = bounded(data, 3)
    assert ([entry.id for entry in feedparser.parse(found.data).entries], found.left_out) == (["0", "1", "2"], 7)


def test_a_feed_whose_descriptions_leave_tags_open_is_read() -> None:
    data = rss("&nosuch;" + "<item><description><p>one<br>two<img src='x'></description></item>" * 5_000)
    assert bounded(data) == FeedPart(data, 0)


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        pytest.param("shift_jis", "\u756a\u7d44", id="of several bytes"),
        pytest.param("UTF-88", "Show", id="unknown"),
    ],
)
def test_a_feed_in_any_encoding_is_read(name: str, channel: str) -> None:
    (item,) = parsed(Page("http://m.example/feed", encoded(name))).items
    assert item.announced.metadata.channel == channel


def test_data_that_the_parser_does_not_foresee_is_refused_with_a_code() -> None:
    data = encoded("UTF-8").replace(b"UTF-8", b"\xa9")
    with pytest.raises(IngestError, match="cannot be read") as refused:
        parsed(Page("http://m.example/feed", data))
    assert refused.value.code is Code.NO_MEDIA_FOUND
