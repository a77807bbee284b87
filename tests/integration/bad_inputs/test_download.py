"""Rows 23 to 27, 29, 31 to 34, 36 to 38, 43 and 46 of the bad inputs: downloads that fail, or are incomplete.

A real yt-dlp downloads whole files from a web server with faulty replies; `test_streams.py` has the streams. For each
fault the stage raises exactly the code of the row, and leaves neither a file nor a folder behind.
"""

from __future__ import annotations

import itertools
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from ingest.downloader.refusals import Refusal, code_of
from ingest.downloader.telemetry import counting_downloads
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.topology import INPUT_OF, SUBJECT_OF
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import (
    AudioReady,
    EventKind,
    Metadata,
    Source,
    SourceKind,
    Stage,
    VideoAccessible,
    VideoMessage,
    VideoRequested,
    decode,
)
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import GOOD_ID, LARGEST_BYTES, VIDEO_ID, Downloader, accessible
from tests.integration.bad_inputs.recordings import encoded, holed, pictures_only, truncated, written
from tests.support.on_disk import on_disk
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.bad_inputs.site import Page, Site
    from tests.support.stage_line import Line

HTML = b"<!doctype html><html><head><title>A page</title></head><body>Nothing to hear.</body></html>"
P, S, T, E = Outcome.PERMANENT, Outcome.SKIPPED, Outcome.TRANSIENT, Outcome.POSTPONED

# -- network and server -----------------------------------------------------------------------------------------------


DOWNLOADS = [
    pytest.param(partial(sites.reset, sent=0), Code.NETWORK_ERROR, T, "reset by peer", id="23 reset at the body"),
    pytest.param(partial(sites.reset, sent=50_000), Code.NETWORK_ERROR, T, "reset by peer", id="23 reset midway"),
    pytest.param(partial(sites.stalled, sent=0), Code.NETWORK_TIMEOUT, T, "timed out", id="24 stalls at the body"),
    pytest.param(partial(sites.stalled, sent=50_000), Code.DOWNLOAD_TOO_SLOW, T, "0 B/s", id="24 stalls midway"),
    pytest.param(
        partial(sites.trickle, bytes_a_second=50, at_once=4096),
        Code.DOWNLOAD_TOO_SLOW,
        T,
        "B/s < 1000 B/s",
        id="25 trickle of 50 B a second",
    ),
    pytest.param(
        partial(sites.short, sent=60_000, length=True),
        Code.TRUNCATED_DOWNLOAD,
        T,
        "more expected",
        id="26 short body with content-length",
    ),
    pytest.param(
        partial(sites.short, sent=60_000, length=False),
        Code.TRUNCATED_DOWNLOAD,
        T,
        "container 12.0 s",
        id="27 short body without content-length",
    ),
    pytest.param(lambda _: sites.file(b""), Code.TRUNCATED_DOWNLOAD, T, "not get any data", id="32 zero bytes"),
    pytest.param(
        lambda webm: sites.file(webm + bytes(LARGEST_BYTES)),
        Code.TOO_LARGE,
        P,
        f"> {LARGEST_BYTES} bytes",
        id="29 too large, and says so",
    ),
    pytest.param(
        lambda webm: sites.chunked(webm + bytes(LARGEST_BYTES)),
        Code.TOO_LARGE,
        P,
        f"more than {LARGEST_BYTES} bytes",
        id="29 too large, in chunks",
    ),
    pytest.param(lambda _: sites.file(HTML), Code.NOT_AUDIO, T, "text/html", id="33 html called audio"),
    pytest.param(lambda _: sites.file(b'{"error": 1}'), Code.NOT_AUDIO, T, "json", id="33 json called audio"),
    pytest.param(
        lambda _: sites.file(b"%PDF-1.7\n" * 99),
        Code.NOT_AUDIO,
        T,
        "not a supported audio format",
        id="34 another file",
    ),
]


def page_with_media(site: Site, data: bytes, refused: set[int]) -> str:
    """Return a page that names a new media address in each reply; those whose numbers are refused answer 403."""
    numbers = itertools.count()
    media = [site.add(sites.status(403) if number in refused else sites.file(data)) for number in range(6)]

    def page(request: sites.Request) -> None:
        html = f'<html><title>A talk</title><meta property="og:audio" content="{media[next(numbers)]}"></html>'
        sites.file(html.encode(), "text/html")(request)

    return site.add(page, "talk.html")


@pytest.mark.parametrize(
    ("refused", "asked"),
    [
        pytest.param(set(), 1, id="none"),
        pytest.param({0, 2, 4}, 2, id="every other one"),
        pytest.param({0, 1, 4}, 3, id="the first two"),
    ],
)
def test_the_page_is_asked_again_for_another_media_address_when_one_is_refused(
    downloader: Downloader, site: Site, webm: bytes, refused: set[int], asked: int
) -> None:
    done = downloader.fetched(page_with_media(site, webm, refused))
    assert isinstance(done.message, AudioReady)
    assert on_disk(downloader.volume).resolve(done.message.audio.path).read_bytes() == webm
    assert sum(path.endswith("/talk.html") for path in site.asked) == asked


def test_a_page_whose_media_are_refused_three_times_counts_as_one_attempt(
    downloader: Downloader, site: Site, webm: bytes
) -> None:
    error = downloader.refusal("download", page_with_media(site, webm, set(range(6))))
    assert (error.code, sum(path.endswith("/talk.html") for path in site.asked)) == (Code.SOURCE_FORBIDDEN, 3)


def test_a_page_that_is_refused_itself_is_asked_once(downloader: Downloader, site: Site) -> None:
    error = downloader.refusal("download", site.add(sites.status(403), "talk.html"))
    assert (error.code, len(site.asked)) == (Code.SOURCE_FORBIDDEN, 1)


@pytest.mark.parametrize(("page", "code", "outcome", "words"), DOWNLOADS)
def test_an_incomplete_download_has_its_code(
    downloader: Downloader,
    site: Site,
    webm: bytes,
    page: Callable[[bytes], Page],
    code: Code,
    outcome: Outcome,
    words: str,
) -> None:
    error = downloader.refusal("download", site.add(page(webm)))
    assert (error.code, error.rule.outcome) == (code, outcome)
    assert words in error.message


@pytest.mark.parametrize(
    ("announced_s", "off_s"),
    [
        pytest.param(15.0, 3.0, id="27 announced longer, as by a feed with the advertisements of another day"),
        pytest.param(8.0, -4.0, id="27 announced shorter"),
        pytest.param(13.9, 0.0, id="27 about as announced"),
    ],
)
def test_an_announced_length_is_only_compared(
    downloader: Downloader, site: Site, webm: bytes, announced_s: float, off_s: float
) -> None:
    done = downloader.fetched(site.add(sites.file(webm)), announced_s=announced_s)
    assert isinstance(done.message, AudioReady)
    assert done.message.metadata.duration_s == pytest.approx(12.0, abs=0.1)
    assert done.numbers["announced_off_s"] == pytest.approx(off_s, abs=0.1)


PLAYLISTS = [
    pytest.param(b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", id="45 hls called audio"),
    pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", id="45 ffconcat called audio"),
]


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_a_playlist_instead_of_audio_is_refused_permanently_and_counted(
    downloader: Downloader, line: Line, site: Site, wait_until: Callable[..., None], playlist: bytes
) -> None:
    before = REGISTRY.get_sample_value("ingest_downloads_total", {"verdict": "playlist"}) or 0
    line.start(Stage.DOWNLOAD, counting_downloads(downloader.fetch))
    line.send(accessible(site.add(sites.file(playlist))))
    wait_until(lambda: VIDEO_ID in line.answers())
    assert line.answers() == {VIDEO_ID: (EventKind.FAILED, Code.NOT_AUDIO)}
    assert [letter.text for letter in line.letters()] == ["playlist not allowed"]
    assert REGISTRY.get_sample_value("ingest_downloads_total", {"verdict": "playlist"}) == before + 1


# -- the disk, and files on the volume --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scratch", "volume"),
    [
        pytest.param("small", "large", id="31 no room for the download"),
        pytest.param("large", "small", id="31 no room on the volume"),
    ],
)
def test_a_full_disk_is_an_error_of_the_environment(
    downloader: Downloader, site: Site, webm: bytes, small_disk: Path, tmp_path: Path, scratch: str, volume: str
) -> None:
    folders = {"small": small_disk, "large": tmp_path}
    full = Downloader(Volume(folders[volume] / "volume"), folders[scratch] / "scratch", downloader.files)
    error = full.refusal("download", site.add(sites.file(webm)))
    assert (error.code, error.rule.outcome) == (Code.ENV_DISK_FULL, E)
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_a_link_in_the_place_of_the_scratch_folder_is_not_followed(
    downloader: Downloader, site: Site, webm: bytes, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    downloader.scratch.symlink_to(tmp_path / "outside")
    with pytest.raises(IngestError) as caught:
        downloader.fetched(site.add(sites.file(webm)))
    assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_VOLUME, E)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("device", [pytest.param("/dev/full", id="31 the device that is always full")])
def test_a_full_disk_has_the_same_code_from_the_system_and_from_yt_dlp(device: str) -> None:
    with pytest.raises(IngestError) as caught, translate_os_errors("keep"), open(device, "wb", buffering=0) as full:  # noqa: PTH123 (unbuffered)
        full.write(b"x")
    assert caught.value.code is Code.ENV_DISK_FULL
    words = f"unable to write data: {caught.value.__cause__}"  # the text of yt-dlp
    assert code_of(Refusal(words)) is Code.ENV_DISK_FULL


@pytest.mark.parametrize("what", [pytest.param("audio", id="46 file gone from the volume")])
def test_a_recording_that_is_missing_on_the_volume_is_downloaded_again(
    downloader: Downloader, site: Site, webm: bytes, what: str
) -> None:
    url = site.add(sites.file(webm))
    first = downloader.fetched(url)
    assert downloader.fetched(url).numbers["fresh"] == 0.0
    for path in on_disk(downloader.volume).folder(VIDEO_ID).glob(f"{what}-*"):
        path.unlink()
    again = downloader.fetched(url)
    assert again.numbers["fresh"] == 1.0
    assert again.message == first.message


# -- local files ------------------------------------------------------------------------------------------------------


def link(path: Path) -> Path:
    path.symlink_to("/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda path: path, Code.VIDEO_GONE, id="46 missing file"),
        pytest.param(lambda path: path.parent, Code.VIDEO_GONE, id="46 a folder"),
        pytest.param(lambda path: path.parent.parent / "x", Code.URL_NOT_ALLOWED, id="6 file outside its folder"),
        pytest.param(lambda path: path.parent / "../../etc/passwd", Code.URL_NOT_ALLOWED, id="6 traversal"),
        pytest.param(link, Code.URL_NOT_ALLOWED, id="6 link to elsewhere"),
        pytest.param(lambda path: written(path, b""), Code.AUDIO_EMPTY_FILE, id="32 zero bytes in a file"),
        pytest.param(lambda path: written(path, HTML), Code.NOT_AUDIO, id="33 html in a file"),
        pytest.param(lambda path: truncated(encoded(path, "libopus")), Code.AUDIO_TRUNCATED, id="36 half a file"),
        pytest.param(lambda path: holed(encoded(path, "libopus")), Code.AUDIO_CORRUPT, id="37 hole in a file"),
        pytest.param(
            lambda path: pictures_only(path.with_suffix(".mp4")), Code.NO_AUDIO_STREAM, id="38 film without sound"
        ),
    ],
)
def test_a_local_file_is_checked_like_any_other(
    downloader: Downloader, make: Callable[[Path], Path], code: Code
) -> None:
    path = make(downloader.files / "recording.webm")
    assert downloader.refusal("download", str(path), SourceKind.FILE).code is code


@pytest.mark.parametrize("announced_s", [pytest.param(10 * 3600.0, id="43 announced as 10 h")])
def test_a_recording_announced_as_too_long_is_skipped_before_it_is_downloaded(
    downloader: Downloader, site: Site, webm: bytes, announced_s: float
) -> None:
    source = Source(kind=SourceKind.MEDIA, url=site.add(sites.file(webm)))
    message = VideoRequested(video_id=VIDEO_ID, source=source, metadata=Metadata(duration_s=announced_s))
    with pytest.raises(IngestError, match=r"10\.0 h > limit 1\.0 h") as caught:
        downloader.check(message, lambda _: None)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.TOO_LONG, S)


# -- the queue continues ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.DOWNLOAD])
def test_poison_messages_do_not_stop_the_queue(
    downloader: Downloader, line: Line, site: Site, webm: bytes, wait_until: Callable[..., None], stage: Stage
) -> None:
    urls = {
        "goodfirst01": site.add(sites.file(webm)),
        "scheme00006": "file:///etc/passwd",
        "redirect008": site.add(sites.redirect("http://127.0.0.2/a.mp3")),
        "htmlpage010": site.add(sites.file(HTML, "text/html")),
        "notfound012": site.add(sites.status(404)),
        "goodlast099": site.add(sites.chunked(webm)),
    }
    checks = stage is Stage.CHECK
    read: type[VideoMessage] = VideoRequested if checks else VideoAccessible
    line.start(stage, downloader.check if checks else downloader.fetch)
    for video_id, url in urls.items():
        line.send(b"poison", read(video_id=video_id, source=Source(kind=SourceKind.MEDIA, url=url)))
    wait_until(lambda: len(line.ended()) == len(urls), 60.0)
    wait_until(lambda: line.queued(INPUT_OF[stage]) == [])
    assert line.ended() == {
        "goodfirst01": (EventKind.FINISHED, None),
        "scheme00006": (EventKind.FAILED, Code.URL_NOT_ALLOWED),
        "redirect008": (EventKind.FAILED, Code.URL_NOT_ALLOWED),
        "htmlpage010": (EventKind.FAILED, Code.NO_MEDIA_FOUND),
        "notfound012": (EventKind.SKIPPED, Code.VIDEO_GONE),
        "goodlast099": (EventKind.FINISHED, None),
    }
    codes = [letter.code for letter in line.letters()]
    assert codes.count(Code.BAD_MESSAGE) == len(urls)
    assert len(codes) == len(urls) + 3
    made: type[VideoMessage] = VideoAccessible if checks else AudioReady
    assert [decode(made, data).video_id for data in line.queued(SUBJECT_OF[made])] == ["goodfirst01", "goodlast099"]


@pytest.mark.parametrize(("page", "code"), [pytest.param(*row.values[:2], id=str(row.id)) for row in DOWNLOADS])
def test_the_next_download_is_handled(
    downloader: Downloader,
    line: Line,
    site: Site,
    webm: bytes,
    wait_until: Callable[..., None],
    page: Callable[[bytes], Page],
    code: Code,
) -> None:
    line.start(Stage.DOWNLOAD, downloader.fetch)
    line.send(accessible(site.add(page(webm))), accessible(site.add(sites.file(webm)), GOOD_ID))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer_to(code), GOOD_ID: (EventKind.FINISHED, None)}


@pytest.mark.parametrize("size", [pytest.param("size=16m", id="31 room is made")])
def test_a_video_waits_for_room_on_the_disk_and_is_not_charged(
    downloader: Downloader,
    line: Line,
    site: Site,
    webm: bytes,
    small_disk: Path,
    wait_until: Callable[..., None],
    size: str,
) -> None:
    waiting = Downloader(Volume(small_disk / "volume"), small_disk / "scratch", downloader.files)
    line.start(Stage.DOWNLOAD, waiting.fetch)
    line.send(accessible(site.add(sites.file(webm))))
    wait_until(lambda: len([event for event in line.events() if event.kind is EventKind.POSTPONED]) > 1)
    assert line.answers() == {VIDEO_ID: answer_to(Code.ENV_DISK_FULL)}
    subprocess.run(["/bin/mount", "-o", f"remount,{size}", str(small_disk)], check=True)
    wait_until(lambda: line.ended() == {VIDEO_ID: (EventKind.FINISHED, None)})
    assert {event.attempt for event in line.events()} == {1}
