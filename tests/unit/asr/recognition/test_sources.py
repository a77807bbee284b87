"""The languages of the recordings of a source."""

from __future__ import annotations

import pytest

from ingest.asr.recognition.sources import SourceLanguages, source_key
from ingest.shared.messages import Metadata, Source, SourceKind

FILE = Source(kind=SourceKind.FILE, url="/talks/dutch/one.ogg")
WEB = Source(kind=SourceKind.MEDIA, url="https://example.org/one.ogg")


@pytest.mark.parametrize(
    ("found", "likely"),
    [
        pytest.param([("nl", 0.9), ("nl", 0.8)], None, id="two recordings"),
        pytest.param([("nl", 0.9), ("nl", 0.8), ("nl", 0.3)], "nl", id="three recordings"),
        pytest.param([("nl", 0.9), ("nl", 0.8), ("de", 0.3), ("pl", 0.3)], "nl", id="unsure ones count little"),
        pytest.param([("nl", 0.9), ("nl", 0.9), ("de", 0.9), ("de", 0.9)], None, id="two languages"),
    ],
)
def test_a_language_is_likely_where_nearly_all_recordings_of_the_source_are_in_it(
    found: list[tuple[str, float]], likely: str | None
) -> None:
    known = SourceLanguages()
    for language, probability in found:
        known.add("folder /talks", language, probability)
    assert known.likely("folder /talks") == likely
    assert known.likely("folder /other") is None
    assert known.likely(None) is None


@pytest.mark.parametrize(
    ("source", "metadata", "key"),
    [
        pytest.param(FILE, Metadata(), "folder /talks/dutch", id="the folder of a file"),
        pytest.param(FILE, Metadata(channel="Talks"), "channel Talks", id="a channel"),
        pytest.param(WEB, Metadata(), None, id="an address says nothing"),
    ],
)
def test_recordings_share_a_channel_or_a_folder(source: Source, metadata: Metadata, key: str | None) -> None:
    assert source_key(source, metadata) == key


def test_the_source_that_was_read_longest_ago_is_forgotten() -> None:
    known = SourceLanguages(most=2)
    for key in ("a", "b", "a", "a", "c"):
        known.add(key, "nl", 1.0)
    for key in ("a", "b", "b"):
        known.add(key, "nl", 1.0)
    assert known.likely("a") == "nl"
    assert known.likely("b") is None
