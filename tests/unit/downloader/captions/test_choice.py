from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.downloader.captions import site
from ingest.downloader.captions.beside import beside, paths_beside
from ingest.downloader.captions.found import Offer, best, form_of

if TYPE_CHECKING:
    from pathlib import Path

MANUAL = {"en": [{"ext": "json3", "url": "en"}, {"ext": "vtt", "url": "en-vtt"}], "de": [{"ext": "vtt", "url": "de"}]}
AUTOMATIC = {
    "fr": [{"ext": "json3", "url": "translated"}],
    "en-orig": [{"ext": "json3", "url": "heard"}],
    "en": [{"ext": "json3", "url": "copied"}],
}


@pytest.mark.parametrize(
    ("info", "wanted", "expected"),
    [
        pytest.param(
            {"subtitles": MANUAL, "automatic_captions": AUTOMATIC}, ["en"], "en", id="a person before a program"
        ),
        pytest.param(
            {"subtitles": MANUAL, "automatic_captions": AUTOMATIC}, ["de"], "de", id="the language of the request"
        ),
        pytest.param({"subtitles": MANUAL, "language": "de"}, [], "de", id="the language of the video"),
        pytest.param({"automatic_captions": AUTOMATIC}, ["en"], "heard", id="what the program has heard"),
        pytest.param({"automatic_captions": AUTOMATIC}, ["fr"], None, id="no translation of a program"),
        pytest.param({"automatic_captions": {"fr": AUTOMATIC["fr"]}}, [], "translated", id="the only one"),
        pytest.param({"subtitles": {"live_chat": [{"ext": "json", "url": "chat"}]}}, [], None, id="no chat"),
        pytest.param({"subtitles": {"en": [{"ext": "ttml", "url": "x"}]}}, ["en"], None, id="no form that can be read"),
        pytest.param({"subtitles": {"en": "x", "de": [None, {"ext": "vtt", "url": 3}]}}, [], None, id="other types"),
        pytest.param({"subtitles": [], "automatic_captions": None, "language": 7}, [], None, id="no dictionary"),
    ],
)
def test_captions_of_a_site_are_chosen_by_language_and_by_who_has_made_them(
    info: dict[str, Any], wanted: list[str], expected: str | None
) -> None:
    chosen = site.chosen(info, wanted)
    assert (chosen and chosen.address) == expected


def test_forms_with_times_for_each_line_come_first() -> None:
    offers = [Offer("a.html", "html"), Offer("a.json", "json"), Offer("a.srt", "srt"), Offer("a.pdf", "pdf")]
    assert best(offers, ["en"]) == offers[2]
    assert best(offers[3:], []) is None


@pytest.mark.parametrize(
    ("media_type", "address", "expected"),
    [
        pytest.param("text/vtt; charset=utf-8", "https://a/1", "vtt", id="by type"),
        pytest.param("", "https://a/talk.SRT?token=1", "srt", id="by suffix"),
        pytest.param("text/plain", "https://a/talk.htm", "html", id="an old suffix"),
        pytest.param("application/pdf", "https://a/talk", "", id="another form"),
    ],
)
def test_the_form_of_a_published_transcript(media_type: str, address: str, expected: str) -> None:
    assert form_of(media_type, address) == expected


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        pytest.param(["talk.srt", "talk.vtt"], [], "talk.vtt", id="WebVTT before SRT"),
        pytest.param(["talk.de.vtt", "talk.en.srt"], ["en"], "talk.en.srt", id="the language of the request"),
        pytest.param(["talk.de.vtt", "talk.srt"], ["en"], "talk.srt", id="without a language rather than another"),
        pytest.param(["talk.mp4.vtt"], [], "talk.mp4.vtt", id="behind the whole name"),
        pytest.param(["other.vtt", "talk.part2.vtt", "talk.txt"], [], None, id="of other files"),
    ],
)
def test_captions_beside_a_file_are_found_by_their_name(
    tmp_path: Path, names: list[str], wanted: list[str], expected: str | None
) -> None:
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "talk.vtt.d").mkdir()
    found = beside(tmp_path / "talk.mp4", wanted)
    assert (found and found.path) == (expected and str(tmp_path / expected))


def test_a_folder_that_is_not_there_has_no_captions(tmp_path: Path) -> None:
    assert beside(tmp_path / "gone" / "talk.mp4", []) is None
    assert paths_beside(tmp_path / "gone" / "talk.mp4") == []
