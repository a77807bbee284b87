"""A page is known as a feed by its first bytes, in each form in which sites deliver one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.sources.feeds.reader import BREAKS_OFF, FURTHER, parsed
from ingest.downloader.sources.feeds.text import as_utf8, breaks_off, looks_like_feed, may_become_feed
from ingest.downloader.sources.feeds.transfer import Page
from ingest.shared.errors import IngestError

ITEM = '<item><title>\u00c4 talk</title><enclosure url="1.mp3"/><enclosure url="2.mp3"/></item>'
RSS = f'<rss version="2.0"><channel><title>T</title>{ITEM}</channel></rss>'
ATOM = (
    '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:id>1</a:id><a:title>\u00c4 talk</a:title>'
    '<a:updated>2026-06-01T10:00:00Z</a:updated><a:link rel="enclosure" href="1.mp3"/></a:entry></a:feed>'
)
WIDE = '<?xml version="1.0" encoding="UTF-16"?>'
LICENCE = "<!-- " + "a licence, and more of it. " * 400 + "-->"
DOCTYPE = "<!DOCTYPE rss [<!ENTITY nbsp '&#160;'>" + " " * 5000 + "]>"
FEEDS = [
    pytest.param(RSS.encode(), id="RSS"),
    pytest.param(b"\xef\xbb\xbf" + RSS.encode(), id="a mark of UTF-8"),
    pytest.param((WIDE + RSS).encode("utf-16"), id="UTF-16"),
    pytest.param((WIDE + RSS).encode("utf-16-le"), id="UTF-16 without a mark"),
    pytest.param((WIDE + RSS).encode("utf-16-be"), id="UTF-16, the other order"),
    pytest.param((WIDE + RSS).encode(), id="UTF-8 that is called UTF-16"),
    pytest.param(b"\xef\xbb\xbf" + (WIDE.replace("UTF-16", "ucs-2") + ATOM).encode(), id="UTF-8 that is called UCS-2"),
    pytest.param(f"<?xml version='1.0'?>\n{LICENCE}\n{RSS}".encode(), id="a licence"),
    pytest.param((LICENCE * 5 + RSS).encode(), id="many comments"),
    pytest.param(f"<?xml-stylesheet href='a.xsl'?>{DOCTYPE}{RSS}".encode(), id="a document type"),
    pytest.param(b"\n\n  " + RSS.encode(), id="blank lines"),
    pytest.param(b"<br/><b>Warning</b>: include() failed\n" + RSS.encode(), id="a warning of the site"),
    pytest.param(RSS.replace("rss", "RSS").encode(), id="capitals"),
    pytest.param(ATOM.encode(), id="Atom with a prefix"),
]
OTHERS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"ID3\x04" + b"\0" * 9000, id="sound"),
    pytest.param(b"<!doctype html><html><head></head>" + b"<p>words</p>" * 1000, id="a page"),
    pytest.param(b"<html>" + b"words " * 2000 + RSS.encode(), id="a page about feeds"),
    pytest.param(b"<!-- " + b"x" * (1 << 17), id="a comment without end"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><rssfeed/></svg>", id="another root"),
]


@pytest.mark.parametrize("data", FEEDS)
def test_a_feed_is_known_in_each_form_and_at_each_length_of_its_first_block(data: bytes) -> None:
    assert looks_like_feed(data)
    assert all(may_become_feed(data[:end]) for end in {*range(min(len(data), 400)), *range(0, len(data), 997)})
    (item,) = parsed(Page("http://a.org/feed", as_utf8(data))).items
    assert (item.media_url, item.announced.metadata.title) == ("http://a.org/1.mp3", "\u00c4 talk")


@pytest.mark.parametrize("data", OTHERS)
def test_another_page_is_no_feed_and_its_transfer_ends_early(data: bytes) -> None:
    assert not looks_like_feed(data)
    assert len(data) < 2048 or not may_become_feed(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xfe", b"<\0", b"<!--", b"<!DOCTYPE [", b"<?"]))
def test_any_bytes_are_read(data: bytes, start: bytes) -> None:
    assert looks_like_feed(start + data) <= may_become_feed(start + data)
    as_utf8(start + data).decode(errors="replace")


def test_the_limits_of_tags_hold_in_utf_16_too() -> None:
    nested = (WIDE + "<rss> & " + "<b>" * 60_000).encode("utf-16")
    with pytest.raises(IngestError, match="tags of the feed are open"):
        parsed(Page("http://a.org/feed", as_utf8(nested)))


def test_what_a_feed_has_beside_the_first_files_of_its_items_is_named() -> None:
    whole, cut = parsed(Page("http://a.org/feed", RSS.encode())), parsed(Page("http://a.org/feed", RSS[:-6].encode()))
    assert whole.left_out[FURTHER].examples == ["2.mp3"]
    assert BREAKS_OFF not in whole.left_out
    assert cut.left_out[BREAKS_OFF].count == 1


@pytest.mark.parametrize("after", [b"", b"\n<!-- cached -->" * 100, b"<script>track()</script>"])
def test_what_follows_the_end_of_a_feed_does_not_hide_it(after: bytes) -> None:
    assert not breaks_off(RSS.encode() + after)
    assert not breaks_off(ATOM.encode() + after)


def test_the_date_of_a_change_stands_for_a_date_that_is_missing() -> None:
    (item,) = parsed(Page("http://a.org/feed", ATOM.encode())).items
    assert item.announced.metadata.published_at is not None


def test_a_feed_that_has_moved_names_its_new_address() -> None:
    moved = "<itunes:new-feed-url>http://b.org/feed</itunes:new-feed-url>"
    namespace = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
    data = f'<rss version="2.0" {namespace}><channel>{moved}</channel></rss>'.encode()
    with pytest.raises(IngestError, match=r"it has moved: submit http://b\.org/feed"):
        parsed(Page("http://a.org/feed", data))
