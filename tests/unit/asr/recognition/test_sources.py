"""The languages of the recordings of a source."""

from __future__ import annotations

import pytest

from ingest.asr.recognition.sources import SourceLanguages, folder_keys, source_keys
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
        known.add(("folder /talks",), language, probability)
    assert known.likely(("folder /talks",)) == likely
    assert known.likely(("folder /other",)) is None
    assert known.likely(()) is None


@pytest.mark.parametrize(
    ("read", "next_file", "likely"),
    [
        pytest.param(["a/1 nl", "b/1 nl", "c/1 nl"], "d/1", "nl", id="a folder for each recording"),
        pytest.param(["a/1 nl", "b/1 nl"], "d/1", None, id="two folders"),
        pytest.param(["a/1 nl", "a/2 nl", "a/3 nl", "a/4 nl", "b/1 nl"], "d/1", None, id="a folder counts once"),
        pytest.param(["a/1 nl", "b/1 nl", "c/1 de"], "d/1", None, id="a folder for each language"),
        pytest.param(["a/1 nl", "b/1 nl", "c/1 nl", "d/1 de", "d/2 de", "d/3 de"], "d/4", "de", id="its own folder"),
        pytest.param(["a/1 nl", "b/1 nl", "c/1 nl", "d/1 de", "d/2 nl", "d/3 fr"], "d/4", None, id="a mixed folder"),
    ],
)
def test_recordings_that_have_a_folder_each_share_the_one_above(
    read: list[str], next_file: str, likely: str | None
) -> None:
    known = SourceLanguages()
    for path, _, language in (one.partition(" ") for one in read):
        known.add(folder_keys(f"/talks/{path}.ogg"), language, 0.9)
    assert known.likely(folder_keys(f"/talks/{next_file}.ogg")) == likely


@pytest.mark.parametrize(
    ("source", "metadata", "keys"),
    [
        pytest.param(FILE, Metadata(), ("folder /talks/dutch", "folders in /talks"), id="the folder of a file"),
        pytest.param(FILE, Metadata(channel="Talks"), ("channel Talks",), id="a channel"),
        pytest.param(WEB, Metadata(), (), id="an address says nothing"),
    ],
)
def test_recordings_share_a_channel_or_a_folder(source: Source, metadata: Metadata, keys: tuple[str, ...]) -> None:
    assert source_keys(source, metadata) == keys


def test_the_source_that_was_read_longest_ago_is_forgotten() -> None:
    known = SourceLanguages(most=2)
    for key in ("a", "b", "a", "a", "c"):
        known.add((key,), "nl", 1.0)
    for key in ("a", "b", "b"):
        known.add((key,), "nl", 1.0)
    assert known.likely(("a",)) == "nl"
    assert known.likely(("b",)) is None
