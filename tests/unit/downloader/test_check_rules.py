"""The rules of the check stage: the submitter's limits, the origin of metadata, the files that may be read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.downloader import javascript
from ingest.downloader.check import apply_policy
from ingest.downloader.sources import youtube
from ingest.downloader.sources.announced import Announcement
from ingest.downloader.sources.connector import Access, Download, SiteOptions, in_folder
from ingest.downloader.sources.file import allowed_file
from ingest.downloader.sources.registry import connector_of
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Policy, Source, SourceKind, VideoRequested, decode
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_S = 3600.0
OPTIONS = SiteOptions(("youtube",), socket_timeout_s=1.0, max_bytes=1000, site_pause_s=60.0)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "metadata"),
    [
        pytest.param(Policy(), Metadata(), id="nothing wanted, nothing known"),
        pytest.param(Policy(min_duration_s=60, max_duration_s=60), Metadata(duration_s=60), id="exactly as long"),
        pytest.param(Policy(), Metadata(duration_s=LONGEST_S), id="as long as may be"),
        pytest.param(Policy(min_duration_s=60, max_duration_s=60), Metadata(), id="unknown length"),
        pytest.param(Policy(published_after=NEW_YEAR), Metadata(published_at=NEW_YEAR), id="on the day"),
        pytest.param(Policy(published_after=NEW_YEAR), Metadata(), id="unknown day"),
        pytest.param(Policy(), Metadata(published_at=NEW_YEAR.replace(year=1990)), id="any day"),
    ],
)
def test_a_recording_within_the_limits_passes(policy: Policy, metadata: Metadata) -> None:
    apply_policy(policy, metadata, LONGEST_S)


@pytest.mark.parametrize(
    ("policy", "metadata", "code", "says"),
    [
        pytest.param(
            Policy(min_duration_s=60),
            Metadata(duration_s=59.4),
            Code.TOO_SHORT,
            "59 s, wanted at least 60 s",
            id="short",
        ),
        pytest.param(
            Policy(max_duration_s=1800), Metadata(duration_s=1801), Code.TOO_LONG, "0.5 h > limit 0.5 h", id="long"
        ),
        pytest.param(Policy(), Metadata(duration_s=7200), Code.TOO_LONG, "2.0 h > limit 1.0 h", id="too long for us"),
        pytest.param(
            Policy(max_duration_s=9000),
            Metadata(duration_s=7200),
            Code.TOO_LONG,
            "limit 1.0 h",
            id="wanted, not allowed",
        ),
        pytest.param(
            Policy(published_after=NEW_YEAR),
            Metadata(published_at=datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
            Code.TOO_OLD,
            "published 2025-12-31, wanted since 2026-01-01",
            id="old",
        ),
    ],
)
def test_a_recording_outside_the_limits_is_skipped_with_the_reason(
    policy: Policy, metadata: Metadata, code: Code, says: str
) -> None:
    with pytest.raises(IngestError) as caught:
        apply_policy(policy, metadata, LONGEST_S)
    assert caught.value.code is code
    assert says in caught.value.message


def test_a_time_without_a_zone_is_compared_as_utc() -> None:
    payload = {
        "video_id": "abcdefghijk",
        "source": {"kind": "media", "url": "http://example.org/a.mp3"},
        "metadata": {"published_at": "2020-01-01T00:00:00"},
        "policy": {"published_after": "2026-01-01T00:00:00Z"},
    }

    def check() -> None:
        message = decode(VideoRequested, json.dumps(payload).encode())
        apply_policy(message.policy, message.metadata, LONGEST_S)

    with pytest.raises(IngestError) as caught:
        check()
    assert caught.value.code is Code.TOO_OLD


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        pytest.param(SourceKind.YOUTUBE, "found", id="the site of a video has priority"),
        pytest.param(SourceKind.MEDIA, "submitted", id="the feed of a media file has priority"),
        pytest.param(SourceKind.FILE, "submitted", id="the submitter of a local file has priority"),
    ],
)
def test_metadata_come_from_the_origin_with_priority_and_gaps_from_the_other(kind: SourceKind, title: str) -> None:
    submitted = Metadata(title="submitted", channel="channel")
    found = Metadata(title="found", duration_s=5.0)
    assert connector_of(kind).combine(submitted, found) == Metadata(title=title, channel="channel", duration_s=5.0)


def file_source(path: Path | str) -> Source:
    return Source(kind=SourceKind.FILE, url=str(path))


def refusal(path: Path | str, *roots: Path) -> Code:
    with pytest.raises(IngestError) as caught:
        allowed_file(file_source(path), roots)
    return caught.value.code


def test_a_file_in_one_of_the_allowed_folders_may_be_read(tmp_path: Path) -> None:
    talk = tmp_path / "talks" / "deep" / "a.mp3"
    talk.parent.mkdir(parents=True)
    talk.touch()
    assert allowed_file(file_source(talk), (tmp_path / "music", tmp_path / "talks")) == talk


def test_a_file_in_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    (tmp_path / "talks2").mkdir()
    (tmp_path / "talks2" / "a.mp3").touch()
    allowed = tmp_path / "talks"
    assert refusal(tmp_path / "talks2" / "a.mp3", allowed) is Code.URL_NOT_ALLOWED
    assert refusal(allowed / ".." / "talks2" / "a.mp3", allowed) is Code.URL_NOT_ALLOWED
    (allowed / "link.mp3").symlink_to(tmp_path / "talks2" / "a.mp3")
    assert refusal(allowed / "link.mp3", allowed) is Code.URL_NOT_ALLOWED
    assert refusal("/etc/passwd") is Code.URL_NOT_ALLOWED


def test_an_allowed_folder_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").touch()
    (tmp_path / "talks").symlink_to(tmp_path / "real")
    assert allowed_file(file_source(tmp_path / "talks" / "a.mp3"), (tmp_path / "talks",)) == tmp_path / "real" / "a.mp3"


def test_the_error_of_a_missing_file_has_its_name_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no such file: a\.mp3$") as caught:
        allowed_file(file_source(tmp_path / "a.mp3"), (tmp_path,))
    assert caught.value.code is Code.VIDEO_GONE
    assert refusal(tmp_path, tmp_path) is Code.VIDEO_GONE


def test_files_of_a_folder_that_is_not_mounted_are_not_gone(tmp_path: Path) -> None:
    talks = tmp_path / "talks"
    assert refusal(talks / "a.mp3", tmp_path / "music", talks) is Code.ENV_VOLUME
    talks.mkdir()
    assert refusal(talks / "a.mp3", tmp_path / "music", talks) is Code.VIDEO_GONE


def test_a_file_that_is_itself_allowed_may_be_gone_or_its_folder_not_mounted(tmp_path: Path) -> None:
    talk = tmp_path / "talks" / "a.mp3"
    assert refusal(talk, talk) is Code.ENV_VOLUME
    talk.parent.mkdir()
    assert refusal(talk, talk) is Code.VIDEO_GONE


def test_youtube_may_start_the_javascript_engine_and_read_the_cookies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = tmp_path / "deno"
    engine.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    access = Access(replace(OPTIONS, cookies_file="/cookies"), ChildLimits(30.0, network=True))
    limits = youtube.engine_limits(access)
    assert (limits.programs, limits.reads, limits.writes) == ((javascript.path(),), ("/cookies",), ())
    assert limits.memory_bytes == youtube.ENGINE_MEMORY_BYTES


@pytest.mark.parametrize("named", ["../other/talk.mp3", "link.mp3", "gone.mp3", "/etc/passwd", "."])
def test_a_download_is_a_file_of_its_own_folder(tmp_path: Path, named: str) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for created in (folder, other):
        created.mkdir()
        (created / "talk.mp3").write_bytes(b"x")
    (folder / "link.mp3").symlink_to(other / "talk.mp3")
    with pytest.raises(IngestError, match="not downloaded") as caught:
        in_folder(folder, Download(str(folder / named), None, Announcement()))
    assert caught.value.code is Code.JOB_CRASHED
    kept = Download(str(folder / "talk.mp3"), None, Announcement())
    assert in_folder(folder, kept) is kept
