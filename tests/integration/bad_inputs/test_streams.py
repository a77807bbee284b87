"""Rows 6, 8, 19, 21, 22, 24, 26, 28 and 29 of the bad inputs: streams of fragments, as a real yt-dlp downloads them.

For each fault the stage raises exactly the code of the row, and the next stream is downloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.shared.errors import Code, Outcome
from ingest.shared.messages import EventKind, Stage
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import GOOD_ID, LARGEST_BYTES, VIDEO_ID, Downloader, accessible
from tests.integration.bad_inputs.recordings import encoded, tone
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.bad_inputs.site import Page, Site
    from tests.support.stage_line import Line


@pytest.fixture(scope="session")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Four fragments of 4 s of an HLS stream."""
    folder = tmp_path_factory.mktemp("pieces")
    return [encoded(folder / f"{number}.ts", "aac", tone(4.0)).read_bytes() for number in range(4)]


PIECES = [
    pytest.param(sites.status(404), Code.FRAGMENT_MISSING, id="28 fragment not found"),
    pytest.param(sites.status(410), Code.FRAGMENT_MISSING, id="28 fragment gone"),
    pytest.param(sites.file(b""), Code.TRUNCATED_DOWNLOAD, id="28 fragment empty"),
    pytest.param(sites.status(403), Code.SOURCE_FORBIDDEN, id="21 fragment forbidden"),
    pytest.param(sites.status(503), Code.SOURCE_UNAVAILABLE, id="22 fragment unavailable"),
    pytest.param(sites.stalled(b"x" * 1000, 10), Code.DOWNLOAD_TOO_SLOW, id="24 fragment stalls"),
    pytest.param(sites.short(b"x" * 1000, 10, length=True), Code.TRUNCATED_DOWNLOAD, id="26 fragment cut off"),
    pytest.param(sites.chunked(bytes(LARGEST_BYTES)), Code.TOO_LARGE, id="29 fragments too large together"),
]


@pytest.mark.parametrize(("third", "code"), PIECES)
def test_a_stream_with_a_faulty_fragment_is_not_complete(
    downloader: Downloader, site: Site, pieces: list[bytes], third: Page, code: Code
) -> None:
    pages = [sites.file(piece, "video/mp2t") for piece in pieces]
    assert downloader.refusal("download", sites.playlist(site, *pages[:2], third, pages[3])).code is code


@pytest.mark.parametrize("length_s", [pytest.param(16.0, id="28 no fragment missing")])
def test_a_stream_of_correct_fragments_is_complete(
    downloader: Downloader, site: Site, pieces: list[bytes], length_s: float
) -> None:
    url = sites.playlist(site, *(sites.file(piece, "video/mp2t") for piece in pieces))
    assert downloader.fetched(url).numbers["audio_s"] == pytest.approx(length_s, abs=0.2)


@pytest.mark.parametrize(
    "stage", [pytest.param("check", id="19 live when checked"), pytest.param("download", id="19 live since")]
)
def test_a_live_stream_is_not_recorded(downloader: Downloader, site: Site, pieces: list[bytes], stage: str) -> None:
    url = sites.playlist(site, *(sites.file(piece, "video/mp2t") for piece in pieces), ended=False)
    error = downloader.refusal(stage, url)
    assert (error.code, error.rule.outcome) == (Code.IS_LIVE, Outcome.DEFERRED)
    assert error.retry_at is not None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.2/a.ts", id="8 piece at a private address"),
        pytest.param("file:///etc/passwd", id="6 piece in a file"),
    ],
)
def test_a_fragment_at_a_forbidden_address_is_not_requested(
    downloader: Downloader, site: Site, pieces: list[bytes], url: str
) -> None:
    error = downloader.refusal("download", sites.playlist(site, sites.file(pieces[0], "video/mp2t"), url))
    assert (error.code, error.rule.outcome) == (Code.URL_NOT_ALLOWED, Outcome.PERMANENT)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        pytest.param("AES-128", Code.URL_NOT_ALLOWED, id="8 key that yt-dlp requests"),
        pytest.param("SAMPLE-AES", Code.NO_MEDIA_FOUND, id="8 key that yt-dlp leaves to ffmpeg"),
    ],
)
def test_a_key_at_a_forbidden_address_is_not_requested_by_yt_dlp_or_ffmpeg(
    downloader: Downloader, site: Site, forbidden_site: Site, pieces: list[bytes], method: str, code: Code
) -> None:
    key = forbidden_site.add(sites.file(bytes(16)), "key")
    piece = forbidden_site.add(sites.file(pieces[0], "video/mp2t"), "piece.ts")
    url = sites.playlist(site, piece, head=f'#EXT-X-KEY:METHOD={method},URI="{key}"')
    error = downloader.refusal("download", url)
    assert forbidden_site.asked == []
    assert (error.code, error.rule.outcome) == (code, Outcome.PERMANENT)


@pytest.mark.parametrize(("third", "code"), PIECES)
def test_the_next_stream_has_its_turn(
    downloader: Downloader,
    line: Line,
    site: Site,
    pieces: list[bytes],
    wait_until: Callable[..., None],
    third: Page,
    code: Code,
) -> None:
    good = [sites.file(piece, "video/mp2t") for piece in pieces]
    line.start(Stage.DOWNLOAD, downloader.fetch)
    line.send(accessible(sites.playlist(site, *good[:2], third)), accessible(sites.playlist(site, *good), GOOD_ID))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer_to(code), GOOD_ID: (EventKind.FINISHED, None)}
