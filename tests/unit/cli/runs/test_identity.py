"""Two feeds of one host with the same identifiers: each episode has an id, and an old feed keeps its ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.cli.runs.identity import own_id, unique
from ingest.cli.runs.on_disk import Texts
from ingest.downloader.sources.announced import announced
from ingest.downloader.sources.feed import episodes
from ingest.downloader.sources.feeds.found import FeedItem, FeedListing
from ingest.downloader.sources.listing import Listing
from ingest.embedder.tables.catalog import VideoRow

if TYPE_CHECKING:
    from ingest.downloader.sources.connector import Recording

FIRST, SECOND = "https://pods.example.org/first.xml", "https://pods.example.org/second.xml"


def episode(feed: str, channel: str | None, url: str, guid: str = "1") -> Recording:
    (found,) = episodes(
        feed, FeedListing([FeedItem(guid, url, announced(title="Episode 1", channel=channel))]), Listing()
    )
    return found


KNOWN = episode(FIRST, "First show", "/first/1.mp3")
OTHER = episode(SECOND, "Second show", "/second/1.mp3")


def row(recording: Recording) -> VideoRow:
    """Return the row of a recording as an earlier version has stored it."""
    values = dict.fromkeys(VideoRow.__dataclass_fields__)
    values |= {
        "video_id": recording.video_id,
        "source_url": recording.source.url,
        "channel": recording.metadata.channel,
    }
    return VideoRow(**values)  # type: ignore[arg-type] # the other columns are of no interest


def test_an_identifier_gives_the_same_id_as_in_every_earlier_version() -> None:
    assert KNOWN.video_id == OTHER.video_id == "DvMRkEerYy3"
    assert own_id(KNOWN, {}, ()) == KNOWN


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(KNOWN, id="unchanged"),
        pytest.param(episode(FIRST, "FIRST Show", "/first/1.mp3?token=2"), id="another case and query"),
        pytest.param(episode(FIRST, "New name", "/first/1.mp3"), id="the show was renamed"),
        pytest.param(episode(FIRST, "First show", "https://cdn.example.net/1.mp3"), id="the audio was moved"),
        pytest.param(episode(FIRST, None, "https://cdn.example.net/1.mp3"), id="a feed without title"),
        pytest.param(episode(FIRST.replace("https", "http"), "First show", "/first/1.mp3"), id="another scheme"),
    ],
)
def test_a_recording_keeps_its_id(again: Recording) -> None:
    assert own_id(again, {KNOWN.video_id: row(KNOWN)}, ()).video_id == KNOWN.video_id
    assert list(unique([KNOWN, again], Texts())) == [KNOWN]


def test_an_episode_of_another_feed_has_another_id_in_every_order() -> None:
    rows = {KNOWN.video_id: row(KNOWN)}
    other = own_id(OTHER, rows, ())
    assert other.video_id == OTHER.other_id != KNOWN.video_id
    assert list(unique([KNOWN, OTHER], Texts())) == [KNOWN, OTHER]
    assert own_id(OTHER, {}, {KNOWN.video_id}) == other
    stored = rows | {other.video_id: row(other)}
    assert [own_id(one, stored, ()).video_id for one in (OTHER, KNOWN)] == [other.video_id, KNOWN.video_id]


@pytest.mark.parametrize(
    "feed",
    [
        pytest.param("http://pods.example.org/second.xml", id="scheme"),
        pytest.param("https://me:secret@pods.example.org:443/second.xml", id="login and port"),
    ],
)
def test_the_other_id_stays_when_only_the_way_to_the_feed_changes(feed: str) -> None:
    assert episode(feed, "Second show", "/second/1.mp3").other_id == OTHER.other_id
    assert episode(f"{feed}?show=2", "Second show", "/second/1.mp3").other_id != OTHER.other_id


def test_an_identifier_that_a_feed_repeats_is_one_recording() -> None:
    repeated = episode(FIRST, "First show", "/first/2.mp3")
    assert list(unique([KNOWN, repeated, OTHER], Texts())) == [KNOWN, OTHER]


def feed_of(*paths: str) -> list[Recording]:
    """Return the episodes of a feed that gives all of them the identifier `1`."""
    items = [FeedItem("1", path, announced(title=path, channel="First show")) for path in paths]
    return list(episodes(FIRST, FeedListing(items), Listing()))


def test_an_archived_episode_keeps_its_id_when_its_feed_begins_to_repeat_identifiers() -> None:
    (alone,) = feed_of("/first/1.mp3")
    rows = {alone.video_id: row(alone)}
    ids = [own_id(one, rows, ()).video_id for one in feed_of("/first/2.mp3", "/first/1.mp3?token=2")]
    assert ids[1] == alone.video_id
    assert ids[0] not in {alone.video_id, alone.other_id}


def test_episodes_with_one_identifier_have_the_same_ids_in_every_order_and_number() -> None:
    first, second = feed_of("/first/1.mp3", "/first/2.mp3")
    assert first.video_id != second.video_id
    assert {one.video_id for one in feed_of("/first/3.mp3", "/first/2.mp3", "/first/1.mp3")} > {
        first.video_id,
        second.video_id,
    }
    rows = {one.video_id: row(one) for one in (first, second)}
    assert [own_id(one, rows, ()).video_id for one in (second, first)] == [second.video_id, first.video_id]
