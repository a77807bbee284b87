"""Feeds with fields and tags that no feed should have: read by a child with limits, and no item costs another one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.feeds.transfer import REFUSALS
from ingest.downloader.sources.registry import recordings
from ingest.shared.bounds import LONGEST_CHANNEL, LONGEST_TITLE
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load
from tests.integration.bad_inputs import site as sites

if TYPE_CHECKING:
    from ingest.downloader.sources.connector import Recording
    from tests.integration.bad_inputs.site import Site

FEED = '<?xml version="1.0"?><rss version="2.0"><channel><title>{}</title>{}</channel></rss>'
ITEM = '<item><guid>{}</guid><title>{}</title><pubDate>{}</pubDate><enclosure url="{}" type="audio/webm"/></item>'
DAY = "Fri, 02 Jan 2026 00:00:00 GMT"
FINE = ITEM.format("fine", "A talk", DAY, "http://h/fine.mp3")


def listed(site: Site, feed: str) -> list[Recording]:
    url = site.add(sites.file(feed.encode()), "feed.xml")
    return list(recordings(url, load(DownloaderSettings, allowed_hosts="127.0.0.1")))


@pytest.mark.parametrize(
    ("item", "cut"),
    [
        pytest.param(ITEM.format("1", "T" * 2_000_000, DAY, "http://h/1.mp3"), ("title",), id="endless title"),
        pytest.param(ITEM.format("1", "a&#x202e;gpj.exe", DAY, "http://h/1.mp3"), ("title",), id="bidi control"),
        pytest.param(ITEM.format("1", "one\nindexed  fine\r\ntwo", DAY, "http://h/1.mp3"), (), id="lines"),
        pytest.param(ITEM.format("g" * 2_000_000, "x", DAY, "http://h/1.mp3"), (), id="endless guid"),
        pytest.param(
            ITEM.format("1", "x", "Mon, 01 Jan 0001 00:00:00 GMT", "http://h/1.mp3"), ("published_at",), id="year 1"
        ),
        pytest.param(
            ITEM.format("1", "x", "Mon, 01 Jan 2400 00:00:00 GMT", "http://h/1.mp3"), ("published_at",), id="year 2400"
        ),
    ],
)
def test_a_field_beyond_its_bounds_is_cut_and_named(site: Site, item: str, cut: tuple[str, ...]) -> None:
    first, second = listed(site, FEED.format("Talks", item + FINE))
    assert first.cut == cut
    assert len((first.metadata.title or "").splitlines()) == 1
    assert len(first.metadata.title or "") <= LONGEST_TITLE
    assert second.metadata.published_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_an_endless_channel_is_cut_in_each_of_its_recordings(site: Site) -> None:
    found = listed(site, FEED.format("C" * 300_000, FINE))
    assert [(len(one.metadata.channel or ""), one.cut) for one in found] == [(LONGEST_CHANNEL, ("channel",))]


def test_an_item_with_an_endless_address_is_left_out_alone(site: Site) -> None:
    found = listed(site, FEED.format("Talks", ITEM.format("1", "x", DAY, "http://h/" + "a" * 2_000_000) + FINE))
    assert [one.metadata.title for one in found] == ["A talk"]


def test_a_control_in_an_address_is_encoded(site: Site) -> None:
    loose = ITEM.format("1", "x", DAY, "http://h/&#27;]0;owned&#7;.mp3") + "<item><b>&nosuch;<"
    (found,) = listed(site, FEED.format("Talks", loose))
    assert found.source.url.isprintable()
    assert "owned" in found.source.url


@pytest.mark.parametrize(
    "body", [pytest.param("<a>" * 2_000_000, id="nested"), pytest.param("<a>" * 500 + FINE, id="deep")]
)
def test_a_feed_of_nested_tags_is_refused_before_it_costs_anything(site: Site, body: str) -> None:
    with pytest.raises(IngestError, match="nested more than 100 deep") as refused:
        listed(site, FEED.format("Talks", body))
    assert refused.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("status", [400, *REFUSALS, 503])
def test_a_refused_feed_is_named_with_what_to_do(site: Site, status: int) -> None:
    with pytest.raises(IngestError, match=f"HTTP {status} at http") as caught:
        list(recordings(site.add(sites.status(status), "feed"), load(DownloaderSettings, allowed_hosts="127.0.0.1")))
    assert caught.value.code is Code.SOURCE_UNAVAILABLE
    assert caught.value.message.endswith(f"({REFUSALS[status]})" if status in REFUSALS else "feed")
