"""What sources say about a recording for its readers is kept, or left out when it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.downloader.sources.about import in_info, in_item
from ingest.downloader.sources.feeds.reader import parsed
from ingest.downloader.sources.feeds.transfer import Page
from ingest.shared.about import About, Chapter

SAILS = Chapter(start_s=1.5, title="Sails")


@pytest.mark.parametrize(
    ("info", "said"),
    [
        pytest.param({"description": "One\r\n\n\n\nTwo\x1b"}, About(description="One\n\nTwo"), id="lines"),
        pytest.param({"description": "x" * 9_000}, About(description="x" * 1_999 + "…"), id="too long"),
        pytest.param(
            {"chapters": [{"start_time": 1.5, "title": "Sails"}, {"start_time": "soon"}, 7]},
            About(chapters=(SAILS,)),
            id="chapters",
        ),
        pytest.param({"cast": ["Ada", 3, "Ada"], "creators": ["Bo"]}, About(persons=("Ada", "Bo")), id="persons"),
        pytest.param({"season_number": 2, "episode_number": "7"}, About(season=2, episode=7), id="numbers"),
        pytest.param({"season_number": -2, "episode_number": True}, None, id="no numbers"),
        pytest.param(
            {"thumbnail": "https://a.org/1 2.jpg"}, About(thumbnail="https://a.org/1%202.jpg"), id="a picture"
        ),
        pytest.param({"thumbnail": "javascript:alert(1)"}, None, id="no address of the web"),
        pytest.param({"description": 3, "chapters": "all", "cast": {"a": 1}, "thumbnail": 7}, None, id="other types"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_what_a_site_says_is_kept_within_bounds(info: dict[str, Any], said: About | None) -> None:
    assert in_info(info) == said


def test_what_an_item_of_a_json_feed_says_is_kept() -> None:
    item = {"content_html": "<p>Of &amp; on</p>ships", "authors": [{"name": "Ada"}, "Bo"], "image": "https://a.org/i"}
    assert in_item(item) == About(description="Of & on\nships", persons=("Ada",), thumbnail="https://a.org/i")


def test_what_an_item_of_a_feed_says_is_kept() -> None:
    feed = """<rss xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
        xmlns:podcast="https://podcastindex.org/namespace/1.0" version="2.0"><channel><title>Talks</title><item>
        <enclosure url="http://a.org/1.mp3" type="audio/mpeg"/><description>&lt;p&gt;Of ships&lt;/p&gt;</description>
        <itunes:author>Ada</itunes:author><podcast:person>Bo</podcast:person><itunes:season>2</itunes:season>
        <itunes:episode>7</itunes:episode><itunes:image href="https://a.org/i.jpg"/></item></channel></rss>"""
    (item,) = parsed(Page("http://a.org/feed", feed.encode())).items
    assert item.announced.metadata.about == About(
        description="Of ships", persons=("Ada", "Bo"), season=2, episode=7, thumbnail="https://a.org/i.jpg"
    )
