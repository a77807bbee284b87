"""The metadata that a site announces is read, or ignored when it makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.sources.announced import announced
from ingest.downloader.sources.connector import SiteOptions
from ingest.downloader.sources.session import session
from ingest.downloader.sources.ytdlp import AFTER_PREMIERE_S, announced_in, entries_in, inspect_with
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Source, SourceKind, VideoRequested, decode, encode

OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=1.0, max_bytes=1, site_pause_s=1.0)
START = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param(600, 600.0, id="seconds"),
        pytest.param("12.5", 12.5, id="seconds as text"),
        pytest.param(None, None, id="nothing"),
        pytest.param(0, None, id="zero"),
        pytest.param(-3, None, id="less than nothing"),
        pytest.param(float("inf"), None, id="without end"),
        pytest.param(float("nan"), None, id="not a number"),
        pytest.param(1e300, None, id="longer than time"),
        pytest.param("soon", None, id="a word"),
        pytest.param([600], None, id="a list"),
    ],
)
def test_a_length_is_a_number_of_seconds_or_unknown(said: object, seconds: float | None) -> None:
    assert announced_in({"duration": said}).metadata.duration_s == seconds


@pytest.mark.parametrize(
    ("said", "cut"),
    [
        pytest.param({"title": "A  talk\n", "channel": "Talks", "upload_date": "20260102"}, (), id="all is well"),
        pytest.param({"title": "x" * 501}, ("title",), id="title too long"),
        pytest.param({"title": {"a": 1}}, ("title",), id="an object for a title"),
        pytest.param({"channel": ["a", "b"]}, ("channel",), id="a list for a channel"),
        pytest.param({"title": 1984}, (), id="a number for a title"),
        pytest.param({"title": 10**5000}, ("title",), id="a number that Python does not write"),
        pytest.param({"uploader": float("nan")}, ("channel",), id="a name that is no number"),
        pytest.param({"timestamp": 10**5000}, ("published_at",), id="a time that Python does not write"),
        pytest.param({"timestamp": [1], "upload_date": {}}, ("published_at",), id="a list for a time"),
        pytest.param({"uploader": "\x1b[31mred"}, ("channel",), id="escape sequence"),
        pytest.param({"timestamp": 1_700_000_000_000}, ("published_at",), id="milliseconds"),
        pytest.param({"timestamp": "soon"}, ("published_at",), id="time that is none"),
        pytest.param({"upload_date": "00010101"}, ("published_at",), id="year 1"),
        pytest.param({"upload_date": "20991231"}, ("published_at",), id="decades ahead"),
        pytest.param({"duration": 1e300}, ("duration_s",), id="longer than time"),
        pytest.param({"duration": float("nan")}, ("duration_s",), id="not a number"),
    ],
)
def test_what_is_cut_from_an_announcement_is_named(said: dict[str, object], cut: tuple[str, ...]) -> None:
    assert announced_in(said).cut == cut


@pytest.mark.parametrize(
    ("said", "language"), [("de-DE", "de"), ("", None), (None, None), (["de"], None), ("\ud83d", None), (7, None)]
)
def test_the_language_of_a_site_is_a_code_or_unknown(said: object, language: str | None) -> None:
    found = announced_in({"language": said})
    assert (found.metadata.likely_language, found.cut) == (language, ())


@given(
    language=st.none() | st.text(st.characters(categories=None)) | st.integers(),
    title=st.none() | st.text(st.characters(categories=None)),
    channel=st.none() | st.binary() | st.dictionaries(st.text(), st.integers()),
    published_at=st.none() | st.datetimes(timezones=st.none() | st.timezones()),
    duration_s=st.none() | st.floats(),
)
def test_whatever_is_announced_can_be_sent(**said: Any) -> None:  # noqa: ANN401 (what hypothesis draws)
    found = announced(**said).metadata
    message = VideoRequested(video_id="abcdefghijk", source=Source(kind=SourceKind.MEDIA, url="u"), metadata=found)
    assert decode(VideoRequested, encode(message)) == message


@pytest.mark.parametrize("length", [float("inf"), 1e300])
def test_a_premiere_of_impossible_length_is_deferred_to_its_start(length: float) -> None:
    class Site:
        params = session(OPTIONS).params

        def extract_info(self, _url: str, **_: object) -> dict[str, object]:
            return {"live_status": "is_upcoming", "release_timestamp": START.timestamp(), "duration": length}

    with pytest.raises(IngestError) as caught:
        inspect_with(Site(), "https://example.org/premiere", OPTIONS, START)
    assert caught.value.code is Code.NOT_YET_AVAILABLE
    assert caught.value.retry_at == START + timedelta(seconds=AFTER_PREMIERE_S)


class Answering:
    """A site whose extractor returns this, or raises it."""

    params: dict[str, Any] = {"logger": session(OPTIONS).params["logger"]}  # noqa: RUF012 (of one test)

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def extract_info(self, _url: str, **_options: object) -> object:
        """Return the answer, or raise it."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("entries", "ids"),
    [
        pytest.param([None, "text", 5, [], {}, {"id": "fine"}], [*[""] * 5, "fine"], id="other types among them"),
        pytest.param([{"id": None}, {"id": [1]}, {"id": float("nan")}, {"id": 7}], ["", "", "", "7"], id="ids"),
        pytest.param([{"id": 10**5000}, {"id": "fine"}], ["", "fine"], id="an endless id"),
        pytest.param([{"id": "fine", "url": {"a": 1}, "title": ["x"], "duration": "x"}], ["fine"], id="fields"),
        pytest.param({"a": {"id": "x"}}, [""], id="an object"),
        pytest.param(5, [], id="a number"),
        pytest.param("text", [""] * 4, id="a text"),
        pytest.param(None, [], id="nothing"),
    ],
)
def test_entries_of_other_types_cost_no_other_entry(entries: object, ids: list[str]) -> None:
    assert [entry.video_id for entry in entries_in({"entries": entries, "channel": [1]})] == ids


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(
            {"availability": ["private"], "formats": None}, Code.NO_MEDIA_FOUND, id="a list for its availability"
        ),
        pytest.param({"availability": {"a": 1}, "_has_drm": [1]}, Code.DRM_PROTECTED, id="an object"),
        pytest.param({"live_status": "is_upcoming", "release_timestamp": {}}, Code.NOT_YET_AVAILABLE, id="a premiere"),
        pytest.param(TypeError("'int' object is not iterable"), Code.SITE_CHANGED, id="a fault of the extractor"),
        pytest.param(KeyError("formats"), Code.SITE_CHANGED, id="a field that it misses"),
        pytest.param(["no", "object"], Code.NO_MEDIA_FOUND, id="a list"),
    ],
)
def test_an_answer_of_other_types_is_an_error_with_a_code(answer: object, code: Code) -> None:
    site: Any = Answering(answer)
    with pytest.raises(IngestError) as refused:
        inspect_with(site, "https://example.org/x", OPTIONS, START)
    assert refused.value.code is code
