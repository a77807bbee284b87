"""The feeds of a real server: valid RSS, read by the project's own parser, with transcripts and persons."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from ingest.archive.export.registry import FORMATS
from ingest.archive.web.library import API
from ingest.archive.web.pages.feed import Feed, Item
from ingest.archive.web.pages.html import Templates
from ingest.demo import conversation
from ingest.downloader.sources.feeds import reader
from ingest.downloader.sources.feeds.transfer import Page
from tests.support.archive_server import FAILED, NOW, SECRET, TALK, Client, archive

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.embedder.text_model.model_keys import TextModel

TOKEN = "s3cret"  # noqa: S105 (of this test)
PODCAST = "{https://podcastindex.org/namespace/1.0}"
ATOM_LINK = "{http://www.w3.org/2005/Atom}link"
HOSTILE = "a\x00\x0b\x1b[31m & <script>alert(1)</script> ]]> \"' \ufffe \ud83d end"


def parsed(xml: bytes | str) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 (made by this program)


def faults(xml: bytes) -> list[str]:
    """Return what RSS 2.0 and the podcast namespace forbid, or readers stumble over, in a feed."""
    root = parsed(xml)
    channel = root.find("channel")
    if root.tag != "rss" or root.get("version") != "2.0" or channel is None:
        return ["no rss 2.0"]
    items = channel.findall("item")
    needed = [(channel, ("title", "link", "description"))] + [(item, ("title", "link", "guid")) for item in items]
    found = [f"no {name}" for parent, names in needed for name in names if not (parent.findtext(name) or "").strip()]
    guids = [item.findtext("guid") for item in items]
    found += ["a guid twice"] * (len(guids) - len(set(guids)))
    found += [
        f"guid {item.findtext('guid')} is no address"
        for item in items
        if item.find("guid[@isPermaLink='false']") is None
    ]
    for date in channel.iter("pubDate"):
        if parsedate_to_datetime(date.text or "").tzinfo is None:
            found.append(f"{date.text} has no zone")
    files = [*channel.iter("enclosure"), *channel.iter(f"{PODCAST}transcript")]
    addresses = [element.text for element in channel.iter("link")] + [file.get("url") for file in files]
    addresses += [element.get("href") for element in channel.iter(ATOM_LINK)]
    for address in addresses:
        parts = urlsplit(address or "")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            found.append(f"{address} is not absolute, or has a login")
    found += [f"{file.tag} without a type" for file in files if "/" not in file.get("type", "")]
    found += ["enclosure without a length" for file in channel.iter("enclosure") if int(file.get("length", "0")) <= 0]
    return found + ["person without a name" for person in channel.iter(f"{PODCAST}person") if not person.text]


@pytest.mark.parametrize(
    ("state", "has_talk"),
    [
        pytest.param("", True, id="all recordings"),
        pytest.param("?channel=harbor+talks", True, id="a channel"),
        pytest.param("?channel=other", False, id="another channel"),
        pytest.param("?q=boats+on+the+water", True, id="a question"),
        pytest.param("?q=%26+%22ship%22+%3C%3E&speaker=&language=en", True, id="a question with signs of XML"),
        pytest.param("?q=ship&until=2026-10-30", False, id="a question and a filter"),
        pytest.param(f"?recording={TALK}", True, id="a recording"),
        pytest.param("?limit=1", True, id="few items"),
    ],
)
def test_a_feed_of_a_state_of_the_search_page_is_valid(ask: Client, state: str, has_talk: bool) -> None:  # noqa: FBT001
    answer = ask(f"/feed.xml{state}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/rss+xml; charset=utf-8")
    assert faults(answer.body) == []
    guids = [item.findtext("guid") for item in parsed(answer.body).iter("item")]
    assert guids == [TALK] * has_talk
    assert SECRET.encode() not in answer.body
    assert ask(f"/feed.xml{state}", if_none_match=answer.headers["etag"]).status == 304


def test_the_own_reader_of_feeds_finds_the_recordings_with_their_audio(ask: Client) -> None:
    base = f"http://127.0.0.1:{ask.port}"
    (found,) = reader.parsed(Page(f"{base}/feed.xml", ask("/feed.xml").body)).items
    assert (found.guid, found.announced.metadata.title) == (TALK, conversation().title)
    assert found.announced.metadata.duration_s == round(conversation().duration_s)
    assert found.announced.metadata.published_at is not None
    assert (NOW - found.announced.metadata.published_at).days == 1
    assert ask(found.media_url.removeprefix(base)).body == conversation().path.read_bytes()


def test_the_transcripts_and_persons_of_an_item_are_those_of_the_recording(ask: Client) -> None:
    (item,) = parsed(ask("/feed.xml").body).iter("item")
    assert [person.text for person in item.iter(f"{PODCAST}person")] == [
        share["speaker"]
        for share in ask(f"{API}/recordings/{TALK}").json["speakers"]
        if share["speaker"] and not share["speaker"].startswith("Unknown ")
    ]
    forms = {element.get("type"): element.get("url") for element in item.iter(f"{PODCAST}transcript")}
    assert set(forms) == {"text/vtt", "application/json", "application/x-subrip"}
    for media_type, address in forms.items():
        path = str(address).removeprefix(f"http://127.0.0.1:{ask.port}")
        answer = ask(path)
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, media_type)


def test_pages_name_the_feed_of_their_state(ask: Client) -> None:
    for page, path in (
        ("/?q=boats&channel=Harbor+Talks", "/feed.xml?channel=Harbor+Talks&amp;q=boats"),
        ("/?q=boats&limit=30", "/feed.xml?q=boats"),
        ("/recordings?channel=Harbor+Talks&state=indexed&limit=1", "/feed.xml?channel=Harbor+Talks"),
    ):
        body = ask(page).body.decode()
        (head,) = [line for line in body.splitlines() if 'rel="alternate"' in line]
        assert f'href="{path}"' in head
        assert ask(path.replace("&amp;", "&")).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/feed.xml?limit=51", 400, id="too many items"),
        pytest.param("/feed.xml?cursor=a", 400, id="an unknown parameter"),
        pytest.param("/feed.xml?q=-ship", 400, id="only words that are left out"),
        pytest.param(f"/feed.xml?recording={'a' * 11}", 404, id="no recording"),
    ],
)
def test_a_feed_that_cannot_be_made_is_refused(ask: Client, path: str, status: int) -> None:
    assert ask(path, accept="application/rss+xml").status == status


def test_addresses_in_a_feed_have_the_host_and_scheme_of_the_reader_and_no_token(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    with archive(
        archive_url, archive_volume, archive_encoder, archive_token=TOKEN, archive_names="a.example"
    ) as client:
        assert client("/feed.xml").status == 401
        answer = client("/feed.xml", host="a.example", authorization=f"Bearer {TOKEN}", x_forwarded_proto="https")
    assert faults(answer.body) == []
    assert {urlsplit(link.text or "")[:2] for link in parsed(answer.body).iter("link")} == {("https", "a.example")}
    assert TOKEN.encode() not in answer.body


def test_hostile_texts_leave_a_feed_valid() -> None:
    from ingest.archive.web.pages.feed import xml_text

    text = xml_text(HOSTILE)
    item = Item(TALK, text, f"/recordings/{TALK}", None, None, text, (text,), None)
    made = Templates().fill(
        "feed.xml", feed=Feed(text, "/?q=%26&limit=1", "/feed.xml", (item,)), base="http://localhost"
    )
    assert faults(made.encode()) == []
    (found,) = parsed(made).iter("item")
    shown = "a[31m & <script>alert(1)</script> ]]> \"'   end"
    assert [found.findtext("title"), found.findtext("description"), found.findtext(f"{PODCAST}person")] == [shown] * 3


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_a_transcript_is_given_in_each_format(ask: Client, name: str) -> None:
    answer = ask(f"{API}/recordings/{TALK}/export?format={name}")
    assert answer.status == 200
    assert answer.headers["content-disposition"].endswith(f"%5B{TALK}%5D.{FORMATS[name].suffix}")
    assert SECRET.encode() not in answer.body
    bare = ask(f"{API}/recordings/{TALK}/export?format={name}&speakers=false")
    assert b"Marina" not in bare.body
    assert bare.problem == ("no-file" if name == "rttm" else "")


def test_a_recording_without_transcript_has_no_file(ask: Client) -> None:
    assert ask(f"{API}/recordings/{FAILED}/export?format=vtt").problem == "no-file"
