"""The media of an item of a JSON feed: its attachments, else a link to a media file."""

from __future__ import annotations

import json

import pytest

from ingest.downloader.sources.feeds.json_feed import parsed


@pytest.mark.parametrize(
    ("item", "addresses"),
    [
        pytest.param({"attachments": [{"url": "1", "mime_type": "audio/mpeg"}], "url": "2.mp3"}, ["1"], id="attached"),
        pytest.param({"url": "http://a.org/1.mp3"}, ["http://a.org/1.mp3"], id="a link"),
        pytest.param({"url": "http://a.org/1", "external_url": "2.ogg"}, ["2.ogg"], id="the link of another site"),
        pytest.param({"attachments": [{"url": "1.pdf", "mime_type": "application/pdf"}]}, [], id="another file"),
        pytest.param({"url": "http://a.org/1.html", "external_url": 5}, [], id="a page"),
    ],
)
def test_the_media_of_an_item_are_found(item: dict[str, object], addresses: list[str]) -> None:
    assert [entry.addresses for entry in parsed(json.dumps({"items": [item]}).encode()).entries] == [addresses]
