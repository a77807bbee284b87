"""The text of a user becomes a list of recordings, each with an id of its own."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources import media, youtube
from ingest.downloader.sources.connector import derived_id
from ingest.downloader.sources.registry import CONNECTORS, connector_of, recordings
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import VIDEO_ID_PATTERN, SourceKind
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.downloader.sources.connector import Recording

ID = "dQw4w9WgXcQ"


def found(text: str | Path) -> list[Recording]:
    return list(recordings(str(text), load(DownloaderSettings)))


def refused(text: str | Path) -> Code:
    with pytest.raises(IngestError) as caught:
        found(text)
    return caught.value.code


@pytest.mark.parametrize("text", ["recordings1", "podcast-log", "INTERVIEWS-", "my_podcasts", "dQw4w9WgXcR"])
def test_a_misspelt_name_of_eleven_letters_is_no_video(text: str) -> None:
    assert refused(text) is Code.BAD_URL
    assert youtube.video_id_of(f"https://youtu.be/{text}") == text


@pytest.mark.parametrize("text", [ID, "jNQXAC9IVRw", "9bZkp7q19f0", "-_________8"])
def test_an_id_is_a_video(text: str) -> None:
    assert found(text) == [youtube.video(text)]


@pytest.mark.parametrize(
    "url",
    [
        f"https://www.youtube.com/watch?v={ID}",
        f"http://youtube.com/watch?v={ID}",
        f"https://m.youtube.com/watch?v={ID}&t=42s",
        f"https://music.youtube.com/watch?v={ID}&si=x",
        f"https://www.youtube.com/watch?list=PL123&index=2&v={ID}",
        f"https://youtu.be/{ID}",
        f"https://youtu.be/{ID}?t=42",
        f"https://youtu.be/{ID}/",
        f"https://www.youtube.com/shorts/{ID}",
        f"https://www.youtube.com/live/{ID}?feature=share",
        f"https://www.youtube.com/embed/{ID}",
        f"https://www.youtube.com/v/{ID}",
        f"HTTPS://WWW.YOUTUBE.COM/watch?v={ID}",
        f"https://www.youtube-nocookie.com/embed/{ID}?rel=0",
    ],
)
def test_an_address_of_a_video_contains_its_id(url: str) -> None:
    assert youtube.video_id_of(url) == ID
    assert found(url) == [youtube.video(ID)]


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/@somebody",
        "https://www.youtube.com/@somebody/videos",
        "https://www.youtube.com/channel/UCuAXFkgsw1L7xaCfnd5JJOw",
        "https://www.youtube.com/playlist?list=PL123",
        "https://www.youtube.com/watch?list=PL123",
        "https://www.youtube.com/watch?v=short",
        "https://www.youtube.com/shorts/",
        "https://youtu.be/",
        "https://youtu.be/../../etc/x",
        "https://www.youtube.com/",
    ],
)
def test_another_address_contains_no_video_id(url: str) -> None:
    assert youtube.video_id_of(url) is None


def test_an_id_alone_is_a_video() -> None:
    (recording,) = found(ID)
    assert (recording.video_id, recording.source.kind) == (ID, SourceKind.YOUTUBE)
    assert recording.source.url == f"https://www.youtube.com/watch?v={ID}"


def test_the_uploads_of_a_channel_are_a_playlist() -> None:
    url = youtube.uploads_playlist("UCuAXFkgsw1L7xaCfnd5JJOw")
    assert url == "https://www.youtube.com/playlist?list=UUuAXFkgsw1L7xaCfnd5JJOw"


@pytest.mark.parametrize("channel_id", ["", "UC", "somebody", "XXuAXFkgsw1L7xaCfnd5JJOw", "UCuAXFkgsw1L7xaCfnd5JJO/"])
def test_a_text_that_is_no_channel_id_is_a_bad_url(channel_id: str) -> None:
    with pytest.raises(IngestError) as caught:
        youtube.uploads_playlist(channel_id)
    assert caught.value.code is Code.BAD_URL


@pytest.mark.parametrize("kind", SourceKind)
def test_every_kind_of_source_has_one_way_to_check_and_fetch_it(kind: SourceKind) -> None:
    """Several connectors may list recordings of one kind: a feed lists media files."""
    ways = {(connector.site, connector.check, connector.fetch) for connector in CONNECTORS if connector.kind is kind}
    assert ways == {(connector_of(kind).site, connector_of(kind).check, connector_of(kind).fetch)}


@pytest.mark.parametrize(
    ("kind", "url", "site"),
    [
        pytest.param(SourceKind.YOUTUBE, f"https://youtu.be/{ID}", "youtube", id="all hosts of YouTube"),
        pytest.param(SourceKind.MEDIA, "https://podcasts.example.org/a.mp3", "podcasts.example.org", id="the host"),
        pytest.param(SourceKind.MEDIA, "http://[bad/a.mp3", None, id="an invalid address"),
        pytest.param(SourceKind.FILE, "/a.mp3", None, id="a local file"),
    ],
)
def test_requests_are_limited_by_site(kind: SourceKind, url: str, site: str | None) -> None:
    assert connector_of(kind).site(url) == site


@given(kind=st.sampled_from(["media", "feed", "file"]), key=st.text())
def test_a_derived_id_looks_like_any_other_and_is_always_the_same(kind: str, key: str) -> None:
    assert re.fullmatch(VIDEO_ID_PATTERN, derived_id(kind, key))
    assert derived_id(kind, key) == derived_id(kind, key)


def test_a_derived_id_never_changes_between_releases() -> None:
    assert derived_id("media", "https://example.org/a.mp3") == "VO8OU1F_FXy"


def test_different_recordings_have_different_ids() -> None:
    assert len({derived_id(kind, key) for kind in ("media", "feed", "file") for key in ("a", "b", "|a", "")}) == 12


def test_a_media_address_is_a_recording_whatever_its_fragment() -> None:
    (recording,) = found("https://example.org/talk.MP3?x=1#t=5")
    assert recording == media.recording_at("https://example.org/talk.MP3?x=1")
    assert recording.source.kind is SourceKind.MEDIA


def test_a_file_is_identified_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "First talk.mp3").write_bytes(b"talk")
    (recording,) = found(tmp_path / "First talk.mp3")
    assert recording.metadata.title == "First talk"
    assert recording.metadata.published_at is None  # the time of its last change is that of a copy
    assert (recording.source.kind, recording.source.url) == (SourceKind.FILE, str(tmp_path / "First talk.mp3"))
    renamed = (tmp_path / "First talk.mp3").rename(tmp_path / "other.bin")
    assert found(renamed)[0].video_id == recording.video_id
    renamed.write_bytes(b"another talk")
    assert found(renamed)[0].video_id != recording.video_id


def test_a_folder_gives_its_media_files_in_order(tmp_path: Path) -> None:
    titles = "cadbfeg"
    for name in (*(f"{title}.mp3" for title in titles), "A.WAV", "notes.txt", "deep/er/x.opus"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "broken.mp3").symlink_to(tmp_path / "nowhere")
    assert [recording.metadata.title for recording in found(tmp_path)] == [
        "A",
        *sorted(titles[:4]),
        "x",
        *sorted(titles[4:]),
    ]


def test_a_folder_without_media_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert refused(tmp_path) is Code.NO_MEDIA_FOUND


def test_a_file_name_that_is_no_unicode_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "fine.mp3").write_bytes(b"fine")
    (tmp_path / os.fsdecode(b"Gr\xfc\xdfe.mp3")).write_bytes(b"Latin-1")
    assert "fine" in [recording.metadata.title for recording in found(tmp_path)]
    assert refused(tmp_path / os.fsdecode(b"Gr\xfc\xdfe.mp3")) is Code.BAD_URL


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("notaurl", id="a word"),
        pytest.param("ftp://example.org/a.mp3", id="another scheme"),
        pytest.param("file:///etc/passwd", id="a file as an address"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///a.mp3", id="no host but a path"),
        pytest.param("/no/such/file.mp3", id="no such file"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("http://[::1", id="half an IPv6 address"),
        pytest.param("https://[bad]/a.mp3", id="no IPv6 address"),
        pytest.param("~nobodyhere/a.mp3", id="home of an unknown user"),
        pytest.param("x" * 300, id="longer than a file name may be"),
        pytest.param(f"https://example.org/{'x' * 5000}.mp3", id="longer than an address may be"),
        pytest.param("/dev/null", id="a device"),
        pytest.param("feed:", id="a subscription to nothing"),
    ],
)
def test_a_text_that_is_no_source_is_a_bad_url(text: str) -> None:
    assert refused(text) is Code.BAD_URL


def test_a_pipe_is_named_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    with pytest.raises(IngestError, match="is a pipe or a device: save its content as a file"):
        found(tmp_path / "pipe.mp3")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("feed:https://a.org/1.mp3", "https://a.org/1.mp3"),
        ("feed://a.org/1.mp3", "http://a.org/1.mp3"),
        ("itpc://a.org/1.mp3", "http://a.org/1.mp3"),
        ("PCAST://a.org/1.mp3", "http://a.org/1.mp3"),
        ("podcast://https://a.org/1.mp3", "https://a.org/1.mp3"),
    ],
)
def test_the_link_of_an_application_for_podcasts_is_a_web_address(text: str, address: str) -> None:
    assert [recording.source.url for recording in found(text)] == [address]


def test_a_file_may_be_named_like_such_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "podcast: one.mp3").write_bytes(b"sound")
    assert [recording.source.kind for recording in found("podcast: one.mp3")] == [SourceKind.FILE]


@pytest.mark.parametrize(
    ("text", "is_host"),
    [
        ("www.example.org/feed", True),
        ("example.com", True),
        ("feeds.example.fm:8080/x.xml", True),
        ("youtu.be/dQw4w9WgXcQ", True),
        ("media.example.co.uk:8080/x.xml", True),
        ("talk.de", False),
        ("nope.ogg", False),
        ("folder/file.mp3", False),
        ("./example.org/x", False),
    ],
)
def test_a_host_without_scheme_is_hinted_at(text: str, *, is_host: bool) -> None:
    with pytest.raises(IngestError) as caught:
        found(text)
    assert (f"did you mean https://{text}?" in str(caught.value)) is is_host


def test_the_name_of_a_channel_is_hinted_at() -> None:
    with pytest.raises(IngestError, match=r"did you mean https://www\.youtube\.com/@SomeChannel/videos\?"):
        found("@SomeChannel/videos")
