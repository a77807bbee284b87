"""A local file that gets other content after it was named: nothing of it is stored as the recording that was named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.cli.runs.again import Reason, decide
from ingest.downloader.sources.file import recording_of
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import AudioReady, SourceKind
from ingest.shared.sandbox import child
from ingest.shared.video_state import VideoRecord, VideoState
from tests.integration.bad_inputs.conftest import accessible
from tests.integration.bad_inputs.recordings import encoded, tone
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.messages import VideoAccessible
    from tests.integration.bad_inputs.conftest import Downloader


def write_anew(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def rename_over(path: Path, data: bytes) -> None:
    other = path.with_suffix(".part")
    other.write_bytes(data)
    other.replace(path)


def link_to_another(path: Path, data: bytes) -> None:
    other = path.with_name("other.webm")
    other.write_bytes(data)
    path.unlink()
    path.symlink_to(other)


REPLACED = [
    pytest.param(write_anew, id="written anew"),
    pytest.param(rename_over, id="another file renamed to it"),
    pytest.param(link_to_another, id="a link to another file"),
]


@pytest.fixture
def contents(tmp_path: Path) -> tuple[bytes, bytes]:
    """Two recordings."""
    folder = tmp_path / "contents"
    folder.mkdir()
    one, other = (encoded(folder / f"{seconds}.webm", "libopus", tone(seconds)) for seconds in (3.0, 4.0))
    return one.read_bytes(), other.read_bytes()


@pytest.fixture
def named(downloader: Downloader, contents: tuple[bytes, bytes]) -> tuple[Path, VideoAccessible]:
    """A file, and the message about it."""
    path = downloader.files / "talk.webm"
    path.write_bytes(contents[0])
    return path, accessible(str(path), recording_of(path).video_id, SourceKind.FILE)


def refused(downloader: Downloader, message: VideoAccessible) -> None:
    with pytest.raises(IngestError, match=r": talk\.webm has other content") as caught:
        downloader.fetch(message, lambda _numbers: None)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.FILE_CHANGED, Outcome.SKIPPED)
    assert [path for path in on_disk(downloader.volume).root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("replace", REPLACED)
def test_a_file_that_was_replaced_is_another_recording(
    downloader: Downloader,
    named: tuple[Path, VideoAccessible],
    contents: tuple[bytes, bytes],
    replace: Callable[[Path, bytes], None],
) -> None:
    path, message = named
    replace(path, contents[1])
    refused(downloader, message)
    again = recording_of(path)
    assert again.video_id != message.video_id
    done = downloader.fetch(accessible(again.source.url, again.video_id, SourceKind.FILE), lambda _numbers: None)
    assert isinstance(done.message, AudioReady)
    assert on_disk(downloader.volume).resolve(done.message.audio.path).read_bytes() == contents[1]


def test_a_file_that_is_replaced_after_it_was_decoded_is_another_recording(
    downloader: Downloader,
    named: tuple[Path, VideoAccessible],
    contents: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, message = named
    decode: Callable[..., object] = child.run

    def replaced_afterwards(*args: object) -> object:
        decoded = decode(*args)
        rename_over(path, contents[1])
        return decoded

    monkeypatch.setattr(child, "run", replaced_afterwards)
    refused(downloader, message)


def test_a_file_that_has_its_content_again_is_requested_again_by_the_next_listing(
    downloader: Downloader, named: tuple[Path, VideoAccessible], contents: tuple[bytes, bytes]
) -> None:
    path, message = named
    path.write_bytes(contents[1])
    refused(downloader, message)
    path.write_bytes(contents[0])
    now = datetime.now(UTC)
    known = VideoRecord(
        video_id=message.video_id,
        source=message.source,
        state=VideoState.SKIPPED,
        code=Code.FILE_CHANGED,
        updated_at=now,
    )
    assert decide(known, recording_of(path).source, now).reason is Reason.TRANSIENT
    assert isinstance(downloader.fetch(message, lambda _numbers: None).message, AudioReady)
