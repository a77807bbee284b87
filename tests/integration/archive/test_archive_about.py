"""What the source says about a recording, and where its day is from, on a real server and a real Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from ingest.archive.web.library import API
from tests.support.archive_server import SECRET, TALK

if TYPE_CHECKING:
    from tests.support.archive_server import Client


def test_a_filter_by_day_says_how_many_recordings_have_none(archive_url: str, ask: Client) -> None:
    asked = f"{API}/search?q=ship&from=2026-01-01"
    assert ask(asked).json["undated"] == 0
    with psycopg.connect(archive_url, autocommit=True) as connection:
        before = connection.execute("SELECT published_at FROM videos WHERE video_id = %s", (TALK,)).fetchone()
        connection.execute("UPDATE videos SET published_at = NULL WHERE video_id = %s", (TALK,))
        try:
            assert ask(asked).json == {"results": [], "undated": 1}
            assert ask(f"{API}/search?q=ship").json["undated"] == 0
        finally:
            connection.execute("UPDATE videos SET published_at = %s WHERE video_id = %s", (*(before or ()), TALK))


def test_what_a_source_says_about_a_recording_is_shown(ask: Client) -> None:
    found = ask(f"{API}/recordings/{TALK}").json
    assert found["date_source"] == "site"
    assert found["about"] == {
        "description": "Of <b>ships</b>.\nMore at https://podcast.example/extra.mp3?token=***",
        "chapters": [{"start_s": 5.0, "title": "Sails & ropes"}, {"start_s": 9.0, "title": "https://***@sea.example"}],
        "persons": ["Ada Lovelace"],
        "season": None,
        "episode": 7,
        "thumbnail": "https://podcast.example/cover.jpg?token=***",
    }
    page = ask(f"/recordings/{TALK}").body.decode()
    for text in (
        "Of &lt;b&gt;ships&lt;/b&gt;.",
        "Sails &amp; ropes",
        "Ada Lovelace",
        "Episode 7",
        "by its site or feed",
    ):
        assert text in page
    assert SECRET not in page
