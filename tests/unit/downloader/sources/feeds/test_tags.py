"""Broken pages and lists are read in a time that grows with their length, and what they name is found all the same."""

from __future__ import annotations

import time

import pytest

from ingest.downloader.sources.feeds.forms import Form
from ingest.downloader.sources.feeds.links import feeds_of
from ingest.downloader.sources.feeds.lists import sources_in

LINK = b"<LINK rel='alternate' type='application/rss+xml' href='/feed'>"
OUTLINE = b'<outline text="A" xmlUrl="http://a.org/feed"/>'
BROKEN = (b"<", b"<a ", b"<!--", b"<!", b"</", b"<a x='", b"<![CDATA[", b"<?", b"&", b"<script>", b"<outline xmlUrl='")


@pytest.mark.parametrize("piece", BROKEN)
def test_a_broken_page_is_read_in_bounded_time(piece: bytes) -> None:
    rest = piece * ((1 << 20) // len(piece))
    began = time.process_time()
    assert feeds_of("http://a.org/", LINK + rest) == ["http://a.org/feed"]
    assert sources_in(OUTLINE + rest, Form.OPML).addresses == ["http://a.org/feed"]
    assert time.process_time() - began < 3


def test_a_tag_in_a_comment_and_one_that_only_begins_like_another_name_nothing() -> None:
    comments = b"<!-- " + LINK + b" --><links" + LINK.removeprefix(b"<LINK") + b"<!-- " + LINK
    assert feeds_of("http://a.org/", comments) == []
    assert feeds_of("http://a.org/", comments + b" -->" + LINK) == ["http://a.org/feed"]
