"""Captions of YouTube through the real extractor, with the audio and without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.captions import keep
from ingest.downloader.sources import youtube as connector
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from ingest.downloader.sources.connector import Access
    from tests.integration.downloader.youtube.conftest import Ways
    from tests.support.youtube_site import YouTube

VIDEO = "dQw4w9WgXcQ"
SOURCE = connector.video(VIDEO).source


def json3(text: str) -> bytes:
    return json.dumps({"events": [{"tStartMs": 0, "dDurationMs": 1500, "segs": [{"utf8": text}]}]}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "download"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("offered", "wanted", "taken"),
    [
        pytest.param(["en", "de", "a.en"], ("de",), "de", id="a person, in the language of the request"),
        pytest.param(["a.en"], (), "a.en", id="a program, where there is nothing else"),
        pytest.param(["fr"], ("en",), None, id="none in another language"),
    ],
)
def test_captions_come_with_the_audio_in_one_session(
    youtube: YouTube,
    ways: Ways,
    access: Access,
    folder: Path,
    offered: list[str],
    wanted: tuple[str, ...],
    taken: str | None,
) -> None:
    youtube.rules.captions = {name: json3(f"said in {name}") for name in offered}
    options = replace(access.options, captions=wanted)
    download = connector.fetch(SOURCE, folder, replace(access, options=options).through(ways.exits[0]), None)
    assert Path(download.path).stat().st_size == len(youtube.media)
    assert youtube.captioned == ([taken] if taken else [])
    if taken is None:
        assert download.captions is None
        return
    assert download.captions is not None
    found = keep.read(VIDEO, download.captions)
    assert (found.kind, found.language) == ("automatic" if taken.startswith("a.") else "manual", taken[-2:])
    assert [cue.text for cue in found.cues] == [f"said in {taken}"]


def test_captions_alone_are_had_without_the_audio(youtube: YouTube, ways: Ways, access: Access, folder: Path) -> None:
    youtube.rules.captions = {"en": json3("the sea is calm")}
    alone = replace(access, options=replace(access.options, captions=())).through(ways.exits[0])
    found = connector.captions(SOURCE, folder, alone)
    assert found is not None
    assert keep.read(VIDEO, found).cues[0].text == "the sea is calm"
    assert youtube.given == []


def test_no_captions_are_asked_for_where_none_are_wanted(
    youtube: YouTube, ways: Ways, access: Access, folder: Path
) -> None:
    youtube.rules.captions = {"en": json3("the sea is calm")}
    download = connector.fetch(SOURCE, folder, access.through(ways.exits[0]), None)
    assert download.captions is None
    assert youtube.captioned == []


def test_a_refused_video_has_no_captions(youtube: YouTube, ways: Ways, access: Access, folder: Path) -> None:
    youtube.rules.refused = {"127.0.1.1"}
    alone = replace(access, options=replace(access.options, captions=()))
    with pytest.raises(IngestError):
        connector.captions(SOURCE, folder, alone.through(ways.exits[0]))
