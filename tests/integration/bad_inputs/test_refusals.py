"""Rows 11 to 20 and 30 of the bad inputs: the refusals of YouTube.

YouTube cannot be reached here. A small extractor replaces yt-dlp's: registered in a real YoutubeDL with our real
options, it fails as the real one does (yt_dlp/extractor/youtube/_video.py): with YouTube's sentences when there are no
formats, and with the fields `live_status`, `availability` and `release_timestamp`. Everything behind the extractor is
real: how yt-dlp wraps, warns and raises, and how the adapter reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from yt_dlp.extractor.common import InfoExtractor

from ingest.downloader.refusals import Refusal, code_of
from ingest.downloader.sources.announced import Announcement
from ingest.downloader.sources.session import session
from ingest.downloader.sources.ytdlp import inspect_with
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import EventKind, Metadata, SourceKind, Stage, VideoRequested
from ingest.shared.worker.stage import StageResult
from tests.integration.bad_inputs.conftest import GOOD_ID, OPTIONS, SITE_PAUSE_S, VIDEO_ID, requested
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import yt_dlp

    from ingest.shared.worker.stage import Report
    from tests.support.stage_line import Line

NOW = datetime(2026, 8, 1, tzinfo=UTC)
FILM = Metadata(title="A film", duration_s=600.0)
PREMIERE = NOW + timedelta(days=3)
FORMAT = {"format_id": "251", "url": "https://example.org/a.webm", "acodec": "opus", "vcodec": "none"}
SIGN_IN = "Use --cookies-from-browser or --cookies for the authentication. See https://github.com/yt-dlp/yt-dlp/wiki"
NO_RUNTIME = (
    "No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add "
    "--js-runtimes RUNTIME[:PATH] to your command/config. YouTube extraction without a JS runtime has been deprecated"
)
P, S, E, D, T = Outcome.PERMANENT, Outcome.SKIPPED, Outcome.POSTPONED, Outcome.DEFERRED, Outcome.TRANSIENT


@dataclass(frozen=True)
class Says:
    """The site's reply: the reason why there are no formats, warnings, countries (None: no block), fields."""

    reason: str | None = None
    warnings: tuple[str, ...] = ()
    countries: tuple[str, ...] | None = None
    has_metadata: bool = True
    drm: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class StandIn(InfoExtractor):  # type: ignore[misc] # yt-dlp has no types
    """Extracts `standin:<id>`, and fails as yt-dlp's extractor of YouTube does."""

    IE_NAME = "youtube:standin"
    _VALID_URL = r"standin:(?P<id>[a-z]+)"

    def __init__(self, says: Says) -> None:
        super().__init__()
        self._says = says

    def _real_extract(self, url: str) -> dict[str, Any]:
        video_id, says = self._match_id(url), self._says
        for warning in says.warnings:
            self.report_warning(warning, video_id, only_once=True)
        if says.drm:
            self.report_drm(video_id)
        if says.countries is not None:
            self.raise_geo_restricted(says.reason, list(says.countries), metadata_available=says.has_metadata)
        elif says.reason is not None:
            self.raise_no_formats(says.reason, expected=True)
        formats = [] if says.drm or says.reason is not None else [FORMAT]
        return {"id": video_id, "title": "A film", "duration": 600, "formats": formats, **says.info}


def test_cookies_that_have_ended_are_the_accounts_fault_although_a_guest_is_given_the_video(tmp_path: Path) -> None:
    """yt-dlp warns, and goes on as a guest; a guest is refused what the account may see."""
    file = tmp_path / "second.txt"
    file.write_text("# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tvalue-of-the-login\n")
    options = replace(OPTIONS, cookies_file=str(file))
    warning = "The provided YouTube account cookies are no longer valid. They have likely been rotated in the browser"
    for says in (Says(warnings=(warning,)), Says("Sign in to confirm your age", warnings=(warning,))):
        site = session(options, ignore_no_formats_error=True)
        site.add_info_extractor(StandIn(says))
        with pytest.raises(IngestError, match=r"login of second.txt has ended") as caught:
            inspect_with(site, "standin:abc", options, NOW)
        assert caught.value.code is Code.ENV_COOKIES
        assert "value-of-the-login" not in str(caught.value)


def site_that(says: Says, *, checks: bool = True) -> yt_dlp.YoutubeDL:
    """Return our yt-dlp with the stand-in, with the options of the check stage or else of the download stage."""
    extra = {"ignore_no_formats_error": True} if checks else {}
    site = session(OPTIONS, **extra)
    site.add_info_extractor(StandIn(says))
    return site


ROWS = [
    pytest.param(
        Says(f"Private video. Sign in if you've been granted access to this video. {SIGN_IN}"),
        Code.VIDEO_PRIVATE,
        S,
        id="13 private, in words",
    ),
    pytest.param(
        Says("Video unavailable", info={"availability": "private"}), Code.VIDEO_PRIVATE, S, id="13 private, as a field"
    ),
    pytest.param(
        Says(
            "This video is available to this channel's members on level: Fan (or any higher level). Join this channel "
            "to get access to members-only content and other exclusive perks."
        ),
        Code.MEMBERS_ONLY,
        S,
        id="14 members only, in words",
    ),
    pytest.param(
        Says("This video is not for you", info={"availability": "subscriber_only"}),
        Code.MEMBERS_ONLY,
        S,
        id="14 members only, as a field",
    ),
    pytest.param(
        Says("This video is not for you", info={"availability": "premium_only"}),
        Code.MEMBERS_ONLY,
        S,
        id="14 premium only, as a field",
    ),
    pytest.param(
        Says(f"Sign in to confirm your age. This video may be inappropriate for some users. {SIGN_IN}"),
        Code.AGE_RESTRICTED,
        S,
        id="15 age restricted, in words",
    ),
    pytest.param(
        Says("Sign in", info={"availability": "needs_auth", "age_limit": 18}),
        Code.AGE_RESTRICTED,
        S,
        id="15 age restricted, as a field",
    ),
    pytest.param(
        Says("The uploader has not made this video available in your country", countries=("DE", "FR")),
        Code.GEO_BLOCKED,
        S,
        id="16 geo-blocked",
    ),
    pytest.param(
        Says("Not available from your location", countries=("DE", "FR"), has_metadata=False),
        Code.GEO_BLOCKED,
        S,
        id="16 geo-blocked, with countries",
    ),
    pytest.param(
        Says(info={"_type": "playlist", "entries": [{"_type": "url", "url": "http://127.0.0.2/never.mp3"}]}),
        Code.IS_PLAYLIST,
        P,
        id="11 a channel, in its place",
    ),
    pytest.param(Says(drm=True), Code.DRM_PROTECTED, S, id="17 drm"),
    pytest.param(
        Says(info={"formats": [{**FORMAT, "has_drm": True}]}), Code.DRM_PROTECTED, S, id="17 drm, in every format"
    ),
    pytest.param(
        Says(
            "Premieres in 3 days",
            info={"live_status": "is_upcoming", "release_timestamp": PREMIERE.timestamp()},
        ),
        Code.NOT_YET_AVAILABLE,
        D,
        id="18 premiere",
    ),
    pytest.param(
        Says("This live event will begin in a few moments.", info={"live_status": "is_upcoming"}),
        Code.NOT_YET_AVAILABLE,
        D,
        id="18 premiere without a time",
    ),
    pytest.param(Says("Premieres in 3 days"), Code.NOT_YET_AVAILABLE, D, id="18 premiere, in words"),
    pytest.param(Says(info={"live_status": "is_live"}), Code.IS_LIVE, D, id="19 live now"),
    pytest.param(Says(info={"live_status": "post_live"}), Code.IS_LIVE, D, id="19 live until now"),
    pytest.param(
        Says(f"Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot. {SIGN_IN}"),
        Code.SOURCE_RATE_LIMITED,
        E,
        id="20 bot check",
    ),
    pytest.param(
        Says("Something went wrong. YouTube is requiring a captcha challenge before playback"),
        Code.SOURCE_RATE_LIMITED,
        E,
        id="20 captcha",
    ),
    pytest.param(
        Says(
            "Video unavailable. This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour."
        ),
        Code.SOURCE_RATE_LIMITED,
        E,
        id="20 session limit",
    ),
    pytest.param(
        Says("All player responses are invalid. Your IP is likely being blocked by Youtube"),
        Code.SOURCE_RATE_LIMITED,
        E,
        id="20 address blocked",
    ),
    pytest.param(
        Says("Requested format is not available", warnings=(NO_RUNTIME,)),
        Code.ENV_JS_RUNTIME,
        E,
        id="30 no JavaScript runtime",
    ),
    pytest.param(
        Says(
            "Requested format is not available", warnings=("n challenge solving failed: Some formats may be missing.",)
        ),
        Code.SITE_CHANGED,
        T,
        id="30 challenge not solved",
    ),
    pytest.param(Says("Video unavailable"), Code.VIDEO_GONE, S, id="12 unavailable"),
    pytest.param(
        Says("This video has been removed by the uploader"), Code.VIDEO_GONE, S, id="12 removed by the uploader"
    ),
    pytest.param(
        Says("Video unavailable. The YouTube account associated with this video has been terminated."),
        Code.VIDEO_GONE,
        S,
        id="12 account terminated",
    ),
]


@pytest.mark.parametrize(("says", "code", "outcome"), ROWS)
def test_a_video_that_cannot_be_downloaded_has_its_code(says: Says, code: Code, outcome: Outcome) -> None:
    with site_that(says) as site, pytest.raises(IngestError) as caught:
        inspect_with(site, "standin:film", OPTIONS, NOW)
    assert (caught.value.code, caught.value.rule.outcome) == (code, outcome)
    assert caught.value.message


@pytest.mark.parametrize(("says", "code", "outcome"), [row for row in ROWS if "field" not in str(row.id)])
def test_the_sentence_alone_has_the_same_code_where_yt_dlp_raises_it(says: Says, code: Code, outcome: Outcome) -> None:
    """In the download stage, yt-dlp raises an error for a film without formats instead of returning its fields."""
    with site_that(says, checks=False) as site, pytest.raises(IngestError) as caught:
        inspect_with(site, "standin:film", OPTIONS, NOW)
    assert caught.value.rule.outcome is outcome
    assert caught.value.code is code


@pytest.mark.parametrize("countries", [pytest.param(("DE", "FR"), id="16 with countries")])
def test_the_error_of_a_geo_blocked_video_names_the_countries(countries: tuple[str, ...]) -> None:
    says = Says("Not available from your location", countries=countries, has_metadata=False)
    with site_that(says) as site, pytest.raises(IngestError, match="available in DE, FR"):
        inspect_with(site, "standin:film", OPTIONS, NOW)


@pytest.mark.parametrize(
    ("says", "retry_at"),
    [
        pytest.param(
            Says(info={"live_status": "is_upcoming", "release_timestamp": PREMIERE.timestamp()}),
            PREMIERE + timedelta(seconds=600 + 3600),
            id="18 an hour after the premiere's end",
        ),
        pytest.param(Says(info={"live_status": "is_upcoming"}), None, id="18 at an unknown time"),
        pytest.param(
            Says(info={"live_status": "is_upcoming", "release_timestamp": 1e20}), None, id="18 at an impossible time"
        ),
        pytest.param(Says(info={"live_status": "is_live"}), NOW + timedelta(minutes=30), id="19 after half an hour"),
        pytest.param(
            Says("Sign in to confirm you're not a bot"), NOW + timedelta(seconds=SITE_PAUSE_S), id="20 after the pause"
        ),
    ],
)
def test_a_video_that_is_not_available_yet_has_a_retry_time(says: Says, retry_at: datetime | None) -> None:
    with site_that(says) as site, pytest.raises(IngestError) as caught:
        inspect_with(site, "standin:film", OPTIONS, NOW)
    assert caught.value.retry_at == retry_at


@pytest.mark.parametrize(
    "info",
    [
        pytest.param({"timestamp": 1.8e15}, id="3 published in microseconds"),
        pytest.param({"timestamp": float("nan")}, id="3 published at no number"),
        pytest.param({"release_timestamp": -1e20}, id="3 released before all years"),
    ],
)
def test_invalid_figures_do_not_exclude_a_video(info: dict[str, float]) -> None:
    with site_that(Says(info=info)) as site:
        assert inspect_with(site, "standin:film", OPTIONS, NOW) == Announcement(FILM, ("published_at",))


@pytest.mark.parametrize("words", [NO_RUNTIME, f"n challenge solving failed\n{NO_RUNTIME}"], ids=["30 one", "30 both"])
def test_a_missing_runtime_is_an_error_of_the_environment(words: str) -> None:
    assert code_of(Refusal(words)) is Code.ENV_JS_RUNTIME


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(Says(warnings=(NO_RUNTIME,)), id="30 only some formats are missing"),
        pytest.param(Says(info={"availability": "needs_auth", "age_limit": 18}), id="15 of age, by our cookies"),
        pytest.param(Says(info={"availability": "subscriber_only"}), id="14 a member, by our cookies"),
        pytest.param(Says(info={"formats": [FORMAT, {**FORMAT, "has_drm": True}]}), id="17 drm in one format of two"),
        pytest.param(Says(info={"live_status": "was_live"}), id="19 live no more"),
    ],
)
def test_a_video_with_a_downloadable_format_is_accessible_in_spite_of_other_fields(says: Says) -> None:
    with site_that(says) as site:
        assert inspect_with(site, "standin:film", OPTIONS, NOW) == Announcement(FILM)


@pytest.mark.parametrize(("says", "code"), [pytest.param(*row.values[:2], id=str(row.id)) for row in ROWS])
def test_the_next_message_is_handled(line: Line, wait_until: Callable[..., None], says: Says, code: Code) -> None:
    def check(message: VideoRequested, _report: Report) -> StageResult:
        with site_that(says if message.video_id == VIDEO_ID else Says()) as site:
            found = inspect_with(site, message.source.url, OPTIONS, datetime.now(UTC))
            return StageResult(None, metadata=found.metadata)

    line.start(Stage.CHECK, check)
    line.send(*(requested("standin:film", video_id, SourceKind.YOUTUBE) for video_id in (VIDEO_ID, GOOD_ID)))
    wait_until(lambda: GOOD_ID in line.answers())
    assert line.answers() == {VIDEO_ID: answer_to(code), GOOD_ID: (EventKind.FINISHED, None)}
