"""Logins of proxies and cookies are in no log, status, metric, event, state or dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from ingest.cli.find.status import show_totals
from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.local.state_folder import open_connections
from ingest.cli.settings import AllSettings
from ingest.downloader.check import Check
from ingest.downloader.exits import Exit
from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.holds import KEY as HOLDS
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import Budget
from ingest.downloader.sites.rate_limiter import KEY as SITES
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.downloader.telemetry import SiteGauges
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.messages import EventKind, Source, SourceKind, Stage, VideoRequested, encode
from ingest.shared.settings import load
from tests.integration.downloader.youtube.conftest import ACCOUNT, SECRETS
from tests.support.stage_line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.downloader.sources.connector import Access
    from ingest.shared.broker.nats_bus import NatsBus
    from tests.integration.downloader.youtube.conftest import Ways
    from tests.support.youtube_site import YouTube

VIDEOS = [f"video{number:05}A" for number in range(6)]
BROKEN = "broken0000A"
WRONG = "wrong-and-secret"


@dataclass(frozen=True)
class Night:
    """A stage that has worked through bad exits, and its limiter."""

    line: Line
    limiter: RateLimiter
    exits: tuple[Exit, ...]
    access: Access


@pytest.fixture
def line(bus: NatsBus, tmp_path: Path, log_file: Path) -> Iterator[Line]:
    assert log_file.exists()  # it is closed after the line has stopped
    for key in (SITES, HOLDS):
        known = bus.read_key(GOVERNOR_BUCKET, key)
        bus.replace_key(GOVERNOR_BUCKET, key, b"{}", known.revision if known else 0)
    made = Line(bus, tmp_path / "journal")
    yield made
    made.stop()


@pytest.fixture
def night(line: Line, youtube: YouTube, ways: Ways, access: Access, tmp_path: Path) -> Night:
    """One exit works. One has a wrong password, one gets a bot check, and the cookies of the last are ended."""
    wrong = Exit(2, ways.proxies[1].address(WRONG), is_one_of_several=True)
    exits = (ways.exits[0], wrong, *ways.exits[2:])
    youtube.rules.refused, youtube.rules.ended = {ways.proxies[2].source}, {ACCOUNT}
    limiter = RateLimiter(line.bus, Budget(1, 100), exits)
    breaker = Breaker(line.bus, Stage.CHECK, limiter.permit)
    check = Check(Volume(tmp_path / "volume"), access, 3600.0, breaker.permit, has_accounts=True)
    line.start(Stage.CHECK, check, gave_up=breaker.gave_up)
    return Night(line, limiter, exits, access)


def requested(video_id: str, host: str = "youtu.be") -> VideoRequested:
    source = Source(kind=SourceKind.YOUTUBE, url=f"https://{host}/{video_id}")
    return VideoRequested(video_id=video_id, source=source)


@pytest.fixture
def settings(nats_server: EmbeddedNats, database_url: str, ways: Ways) -> AllSettings:
    return load(
        AllSettings,
        site_proxies=ways.file,
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=SecretStr(nats_server.password),
        database_url=SecretStr(database_url),
    )


def test_no_login_and_no_cookie_is_shown_anywhere(
    night: Night,
    settings: AllSettings,
    log_file: Path,
    capfd: pytest.CaptureFixture[str],
    wait_until: Callable[..., None],
) -> None:
    line, bus = night.line, night.line.bus
    line.send(*map(requested, VIDEOS), requested(BROKEN, "www.youtube.com:99999"))
    wait_until(lambda: set(line.ended()) == {*VIDEOS, BROKEN})
    assert {line.ended()[one][0] for one in VIDEOS} == {EventKind.FINISHED}
    rests = {site: state.reason or state.account for site, state in night.limiter.sites().items()}
    assert [bool(rests[way.site]) for way in night.exits] == [False, True, True, True]
    assert line.letters()
    SiteGauges(night.limiter, Troubles(bus)).update()
    with open_connections(settings) as connections:
        for as_json in (True, False):
            show_totals(connections, as_json=as_json)
    shown = [log_file.read_text(), *capfd.readouterr(), generate_latest().decode(), repr(night)]
    shown += [encode(one).decode() for one in (*line.events(), *line.letters())]
    shown += [entry.data.decode() for key in (SITES, HOLDS) if (entry := bus.read_key(GOVERNOR_BUCKET, key))]
    for expected in ("site_limits_us", "PROXY_REFUSED", "second.txt"):  # the log and the state are among it
        assert expected in " ".join(shown)
    assert not [secret for secret in (*SECRETS, WRONG) for text in shown if secret in text]
