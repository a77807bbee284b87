"""The real extractor of YouTube's listings against the stand-in: channels, their tabs, and playlists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources import youtube as connector
from ingest.downloader.sources.connector import site_options
from ingest.downloader.sources.listing import LeftOut, Listing
from ingest.downloader.sources.registry import recordings
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load
from tests.support.youtube_listings import PAGE, Channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.downloader.youtube.conftest import Ways
    from tests.support.youtube_site import YouTube


def ids(name: str, count: int) -> list[str]:
    return [f"{name:_<7}{number:03}A" for number in range(count)]


def channel(handle: str, **tabs: list[str]) -> Channel:
    return Channel(f"UC{handle.removeprefix('@'):_<22}", handle, tabs)


FULL = channel("@full", videos=ids("video", 3), shorts=ids("short", 2), streams=ids("stream", 1))
ALL = [*ids("video", 3), *ids("short", 2), *ids("stream", 1)]
STREAMS = channel("@streams", streams=ids("live", 2))
EMPTY = channel("@empty")
LONG = ids("long", 2 * PAGE + 50)


@pytest.fixture
def account() -> Listing:
    return Listing()


@pytest.fixture
def listed(
    youtube: YouTube, ways: Ways, account: Listing, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """A function that lists an address of the site through the first exit, without pauses between its requests."""
    monkeypatch.setattr(connector, "site_options", lambda made: replace(site_options(made), between_requests_s=0.0))
    youtube.listings.channels = [FULL, STREAMS, EMPTY]
    youtube.listings.playlists = {"PLlong": LONG, "PLodd": ["UCodd", *LONG]}
    youtube.listings.removed = {"@removed"}
    settings = load(DownloaderSettings, site_proxies=ways.file)

    def of(address: str) -> list[str]:
        return [one.video_id for one in recordings(f"https://www.youtube.com/{address}", settings, account)]

    return of


@pytest.mark.parametrize(
    ("address", "found"),
    [
        pytest.param("@full", ALL, id="a channel"),
        pytest.param(f"channel/{FULL.channel_id}", ALL, id="a channel by its id"),
        pytest.param("@full/videos", ALL, id="a tab: all uploads of its channel"),
        pytest.param("@streams", ids("live", 2), id="a channel without a videos tab"),
        pytest.param("@streams/videos?view=0", ids("live", 2), id="a videos tab that is not there"),
        pytest.param("@empty", [], id="a channel without recordings"),
        pytest.param("@empty/videos", [], id="a tab of a channel without recordings"),
        pytest.param("playlist?list=PLlong", LONG, id="a playlist with continuations"),
    ],
)
def test_a_listing_has_all_recordings(listed: Callable[[str], list[str]], address: str, found: list[str]) -> None:
    assert listed(address) == found


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("@removed", id="a removed channel"),
        pytest.param("@removed/videos", id="a tab of a removed channel"),
        pytest.param("@missing", id="a channel that does not exist"),
        pytest.param("playlist?list=PLnone", id="a playlist that does not exist"),
        pytest.param(f"channel/{EMPTY.channel_id}", id="the uploads of an id, which may be that of no channel"),
    ],
)
def test_what_is_not_there_is_gone_and_not_a_fault_of_the_site(
    listed: Callable[[str], list[str]], address: str
) -> None:
    with pytest.raises(IngestError) as caught:
        listed(address)
    assert caught.value.code is Code.VIDEO_GONE


def test_an_entry_that_is_no_video_is_named_and_ends_no_listing(
    listed: Callable[[str], list[str]], account: Listing
) -> None:
    assert listed("playlist?list=PLodd") == LONG
    assert account.left_out == {connector.NO_VIDEO: LeftOut(1, ["Talk UCodd"])}
