"""The real extractor of YouTube against the stand-in, through proxies: what it is refused, and whose fault that is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.sources import youtube as connector
from ingest.shared.errors import Code, IngestError
from tests.integration.downloader.youtube.conftest import ACCOUNT, SECRETS, WITH_ACCOUNT
from tests.support.youtube_site import CHANGED, IMAGES, SABR, SCRAMBLED, UNSOLVED, USUAL, YouTube

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.downloader.sources.connector import Access
    from tests.integration.downloader.youtube.conftest import Ways

VIDEO = "dQw4w9WgXcQ"
SOURCE = connector.video(VIDEO).source


def refusal(ask: Callable[[], object]) -> IngestError:
    with pytest.raises(IngestError) as caught:
        ask()
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    return caught.value


def test_a_video_is_checked_and_downloaded_through_each_exit(
    youtube: YouTube, ways: Ways, access: Access, tmp_path: Path, media: bytes
) -> None:
    for way in ways.exits:
        assert connector.check(SOURCE, access.through(way)).metadata.title == f"Talk {VIDEO}"
    folder = tmp_path / "download"
    folder.mkdir()
    download = connector.fetch(SOURCE, folder, access.through(ways.exits[1]), None)
    assert (folder / f"{VIDEO}.webm").read_bytes() == media
    assert download.announced_s == 2.0
    assert {(asked.address, asked.account) for asked in youtube.asked} == {
        *((f"127.0.1.{number}", "") for number in (1, 2, 3)),
        ("127.0.1.4", ACCOUNT),
    }
    assert {host for proxy in ways.proxies for host, _ in proxy.asked} == {
        "www.youtube.com",
        "rr1---sn-a.googlevideo.com",
    }


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        pytest.param(CHANGED, "default", id="a changed page"),
        pytest.param(SABR, "default", id="a day of SABR: formats without addresses"),
        pytest.param(IMAGES, "default", id="only images"),
        pytest.param(USUAL, "mweb", id="a client without its token"),
        pytest.param(UNSOLVED, "default", id="a script whose challenges yt-dlp cannot solve"),
    ],
)
def test_a_day_on_which_the_site_has_changed_is_the_sites_fault(
    youtube: YouTube, ways: Ways, access: Access, tmp_path: Path, kind: str, client: str
) -> None:
    """Of the warnings about pages that are not there (HTTP 404), none is the reason."""
    youtube.rules.kind = kind
    options = replace(access.options, extractor_args=f"youtube:player_client={client}")
    through = replace(access, options=options).through(ways.exits[0])
    assert refusal(lambda: connector.check(SOURCE, through)).code is Code.SITE_CHANGED
    assert refusal(lambda: connector.fetch(SOURCE, tmp_path, through, None)).code is Code.SITE_CHANGED


def test_the_challenges_of_the_players_script_are_solved_by_deno(
    youtube: YouTube, ways: Ways, access: Access, tmp_path: Path, media: bytes
) -> None:
    youtube.rules.kind = SCRAMBLED
    folder = tmp_path / "download"
    folder.mkdir()
    connector.fetch(SOURCE, folder, access.through(ways.exits[0]), None)
    assert (folder / f"{VIDEO}.webm").read_bytes() == media


@pytest.mark.parametrize(
    ("limited", "number", "words"),
    [
        pytest.param("127.0.1.1", 1, "not a bot", id="an address"),
        pytest.param(ACCOUNT, WITH_ACCOUNT, "rate-limited by YouTube", id="an account"),
    ],
)
def test_the_limit_of_an_address_or_an_account_is_no_fault_of_the_recording(
    youtube: YouTube, ways: Ways, access: Access, limited: str, number: int, words: str
) -> None:
    youtube.rules.per_hour = {limited: 1}
    through = access.through(ways.exits[number - 1])
    connector.check(SOURCE, through)
    error = refusal(lambda: connector.check(SOURCE, through))
    assert (error.code, words in error.message) == (Code.SOURCE_RATE_LIMITED, True)


def test_cookies_that_the_site_ends_are_the_accounts_fault(youtube: YouTube, ways: Ways, access: Access) -> None:
    youtube.rules.ended = {ACCOUNT}
    error = refusal(lambda: connector.check(SOURCE, access.through(ways.exits[WITH_ACCOUNT - 1])))
    assert (error.code, error.message) == (Code.ENV_COOKIES, "the login of second.txt has ended")


@pytest.mark.parametrize(
    ("forbidden", "pages", "is_given"),
    [
        pytest.param(1, 2, True, id="one address of two"),
        pytest.param(2, 3, True, id="two addresses in a row"),
        pytest.param(99, 3, False, id="every address"),
    ],
)
def test_a_forbidden_media_address_is_asked_for_again_twice(
    youtube: YouTube, ways: Ways, access: Access, tmp_path: Path, forbidden: int, pages: int, *, is_given: bool
) -> None:
    """yt-dlp itself does not ask the page again."""
    youtube.rules.forbidden = lambda _video, before: before < forbidden
    through = access.through(ways.exits[0])
    folder = tmp_path / "download"
    folder.mkdir()
    if is_given:
        assert connector.fetch(SOURCE, folder, through, None)
    else:
        assert refusal(lambda: connector.fetch(SOURCE, folder, through, None)).code is Code.SOURCE_FORBIDDEN
    assert [asked.what for asked in youtube.asked if asked.what != "player"] == ["page", "media"] * pages
