"""Addresses that open a recording at a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.links import EARLY_S, link


@pytest.mark.parametrize(
    ("kind", "url", "start_s", "address"),
    [
        pytest.param(
            "youtube",
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            61.9,
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=61s",
            id="YouTube",
        ),
        pytest.param("file", "/talks/a.mp3", 5.5, "file:///talks/a.mp3#t=5", id="file"),
        pytest.param("file", "/talks/C# 100%.mp3", 5.5, "file:///talks/C%23%20100%25.mp3#t=5", id="file with marks"),
        pytest.param("file", "/talks/Why?.mp3", 0.0, "file:///talks/Why%3F.mp3#t=0", id="file with a question"),
        pytest.param("media", "https://h/a.mp3", 3600.9, "https://h/a.mp3#t=3600", id="media"),
        pytest.param("media", "https://h/a.mp3?sig=x", 5.5, "https://h/a.mp3?sig=***#t=5", id="signed media"),
        pytest.param("media", "javascript:alert(1)", 5.5, None, id="a script"),
        pytest.param("media", " DATA:text/html,<script>", 5.5, None, id="a page in an address"),
        pytest.param("media", "file:///etc/passwd", 5.5, None, id="a file of the reader"),
        pytest.param("", "vbscript:x", 5.5, None, id="a script, of an unknown kind"),
        pytest.param("", "/talks/a:b.mp3", 5.5, "/talks/a:b.mp3#t=5", id="a path, of an unknown kind"),
        pytest.param(None, "https://h/a.mp3", 5.5, "https://h/a.mp3#t=5", id="of no kind"),
        pytest.param("media", None, 5.5, None, id="no address"),
        pytest.param("media", "https://h/a.mp3#t=9", 5.5, "https://h/a.mp3#t=5", id="media with a time of its own"),
    ],
)
def test_a_link_opens_a_recording_at_its_second(
    kind: str | None, url: str | None, start_s: float, address: str | None
) -> None:
    assert link(kind, url, start_s) == address


@given(st.floats(0, 1e6))
def test_a_link_lands_before_the_word(start_s: float) -> None:
    address = link("media", "https://h/a.mp3", start_s)
    assert address is not None
    second = int(address.partition("#t=")[2])
    assert second == 0 or second <= start_s - EARLY_S
    assert start_s - second < 1 + EARLY_S + 1e-6
