"""Bad days of YouTube with the real downloader: yt-dlp and its extractor of YouTube, four proxies, the decoder.

The clock, the queue and the broker are simulated (`bad_days`), so that the limits of an hour are the real ones. The
site is a stand-in (`youtube_site`). `INGEST_TEST_RECORDINGS` names another number of recordings.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.check import Check
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.service import canary
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import HOUR_S, Budget
from ingest.downloader.sites.rate_limiter import REQUEST_COST
from ingest.shared.artifacts.volume import Volume
from ingest.shared.messages import Stage, VideoAccessible, VideoMessage, VideoRequested
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from tests.integration.downloader.youtube.conftest import ACCOUNT, SCHEMES, SECRETS, WITH_ACCOUNT
from tests.support.bad_days import Fleet, Plan
from tests.support.youtube_site import CHANGED, USUAL, Inquiry, YouTube

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ingest.downloader.sources.connector import Access
    from tests.integration.downloader.youtube.conftest import Ways

RECORDINGS = int(os.environ.get("INGEST_TEST_RECORDINGS", "30"))
pytestmark = [pytest.mark.long, pytest.mark.timeout(120 + 8 * RECORDINGS)]
PLAN = Plan(RECORDINGS, Budget(250, 2))
HEALTHY = (1, WITH_ACCOUNT)  # after two of four were refused


def downloaded_by(fleet: Fleet, access: Access, folder: Path) -> None:
    """Bring the recordings of a fleet onto a volume, with the handlers of the downloader."""
    volume = Volume(folder / "volume")
    check = Check(volume, access, max_duration_s=3600.0, permit=fleet.permit, has_accounts=True)
    fetch = Fetch(
        volume=volume,
        scratch=folder / "scratch",
        access=access,
        probe_limits=ChildLimits(60.0),
        decode_limits=DecodeLimits(max_duration_s=120.0),
        pace=Pace(min_bytes_s=1.0, window_s=60.0),
        permit=fleet.permit,
        has_accounts=True,
    )

    def checked(message: VideoMessage) -> VideoMessage:
        assert isinstance(message, VideoRequested)
        following = check(message, lambda _: None).message
        assert following is not None
        return following

    def fetched(message: VideoMessage) -> VideoMessage:
        assert isinstance(message, VideoAccessible)
        fetch(message, lambda _: None)
        assert volume.manifest(message.video_id, "audio") is not None
        return message

    fleet.run({Stage.CHECK: checked, Stage.DOWNLOAD: fetched})


@pytest.fixture
def fleet(youtube: YouTube, ways: Ways, access: Access) -> Fleet:
    """A fleet whose site changes, ends the cookies, refuses two exits, and forbids the first media address of half."""
    made = Fleet(PLAN, ways.exits, canary(access))
    rules, day = youtube.rules, made.day

    def happens(_inquiry: Inquiry) -> None:
        rules.kind = CHANGED if day.is_changed() else USUAL
        rules.ended = {ACCOUNT} if day.has_ended() else set()
        rules.refused = {f"127.0.1.{number}" for number in (2, 3) if day.is_refused(number)}

    def now() -> float:
        return made.keys.now.timestamp()

    youtube.before, rules.clock = happens, now
    rules.forbidden = lambda video_id, before: before == 0 and zlib.crc32(video_id.encode()) % 2 == 0
    return made


def test_every_recording_is_downloaded_without_a_hand_and_none_has_lost_an_attempt(
    youtube: YouTube, fleet: Fleet, access: Access, tmp_path: Path, log_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    downloaded_by(fleet, access, tmp_path)
    assert fleet.lost == []
    assert len(youtube.given) == len(fleet.day.downloaded) == PLAN.recordings
    assert set(fleet.counted) == {0}
    assert Troubles(fleet.keys).holds() == []
    with_account = f"127.0.1.{WITH_ACCOUNT}"
    assert {inquiry.account for inquiry in youtube.asked if inquiry.address == with_account} == {"", ACCOUNT}
    last = {inquiry.address for inquiry in youtube.given[PLAN.refuses_at :]}
    assert last == {f"127.0.1.{number}" for number in HEALTHY}
    shown = [
        log_file.read_text(),
        *capfd.readouterr(),
        *fleet.said,
        *(entry.data.decode() for entry in fleet.keys.values.values()),
    ]
    assert not [secret for secret in SECRETS for text in shown if secret in text]

    said = [f"{name}: {phase}" for name, phase in phases(fleet, youtube).items()]
    print("", figures(fleet, youtube), *said, sep="\n")  # noqa: T201 (pytest -s)
    assert not [one for one in phases(fleet, youtube).values() if not one.is_as_allowed()]


@dataclass(frozen=True)
class Phase:
    """How many requests were made within a time, what the healthy exits allow in it, and what at once before it."""

    exits: int
    asked: int
    allowed: float
    at_once: float

    def __str__(self) -> str:
        return f"{self.asked} requests; {self.exits} exits allow {self.allowed:.0f}, and {self.at_once:.0f} at once"

    def is_as_allowed(self) -> bool:
        return 0.98 * self.allowed - self.exits <= self.asked <= self.allowed + self.at_once + self.exits


def phases(fleet: Fleet, youtube: YouTube) -> dict[str, Phase]:
    """Return the pace without the half an hour in which the page is another one, and the pauses between the probes."""
    day = fleet.day
    assert day.changed_at is not None
    times = {
        "four exits": (day.downloaded[0], day.changed_at, len(SCHEMES)),
        "the page is back": (day.downloaded[PLAN.changes_at + 2], day.downloaded[PLAN.refuses_at - 1], len(SCHEMES)),
        "two exits are refused": (day.downloaded[PLAN.refuses_at], day.downloaded[-1], len(HEALTHY)),
    }
    return {name: phase(youtube, *time) for name, time in times.items()}


def phase(youtube: YouTube, since: datetime, until: datetime, exits: int) -> Phase:
    pages = [one for one in youtube.asked if one.what == "page" and since.timestamp() < one.at <= until.timestamp()]
    asked = {(one.video_id, one.at) for one in pages}  # a page that was asked again for its media is one request
    budget = PLAN.budget
    allowed = exits * budget.per_hour * (until - since).total_seconds() / HOUR_S / REQUEST_COST
    return Phase(exits, len(asked), allowed, exits * budget.burst / REQUEST_COST)


def figures(fleet: Fleet, youtube: YouTube) -> str:
    """Return what was asked for altogether."""
    day = fleet.day
    hours = (day.downloaded[-1] - day.downloaded[0]).total_seconds() / HOUR_S
    asked = Counter(one.what for one in youtube.asked)
    forbidden = asked["media"] - len(youtube.given)
    counted = sum(fleet.counted)
    return (
        f"{len(day.downloaded)} downloaded in {hours:.2f} h of the simulated clock, {len(fleet.lost)} failed, {counted}"
        f" attempts counted, {len(fleet.said)} times put off; {asked['page']} pages, {asked['player']} answers of the"
        f" player, {forbidden} media addresses forbidden"
    )
