"""The rate limiter with a fleet of fifty real processes on a real broker."""

from __future__ import annotations

import json
import multiprocessing
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from ingest.cli.find.status import held_until, show_totals
from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs.run import submit
from ingest.cli.selection import Selection
from ingest.cli.settings import AllSettings
from ingest.downloader.exits import YOUTUBE
from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sites import holds
from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import Budget
from ingest.downloader.sites.rate_limiter import KEY, REQUEST_COST, RateLimiter, limiter_of
from ingest.downloader.sites.trouble import ROW
from ingest.downloader.telemetry import SiteGauges
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import Source, SourceKind, Stage, VideoRequested
from ingest.shared.settings import load
from tests.support.rate_limited import Part, play

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ingest.shared.broker.nats_bus import NatsBus

FLEET = 50
PER_SECOND = 4.0
BURST = 5.0
BUDGET = Budget(PER_SECOND * 3600, BURST)
PODCASTS = "podcasts.example.org"
VIDEO_URL = "https://www.youtube.com/watch?v=abcdefghijk"
Granted = list[tuple[float, float]]


@pytest.fixture
def part(nats_server: EmbeddedNats, bus: NatsBus) -> Part:
    empty(bus)
    options = BusOptions(nats_server.url, "fleet", user=NATS_USER, password=nats_server.password, patience_s=60.0)
    return Part(options, BUDGET, 6.0)


@pytest.fixture
def limiter(bus: NatsBus) -> RateLimiter:
    empty(bus)
    return RateLimiter(bus, BUDGET)


def empty(bus: NatsBus) -> None:
    for key in (KEY, holds.KEY):
        known = bus.read_key(GOVERNOR_BUCKET, key)
        bus.replace_key(GOVERNOR_BUCKET, key, b"{}", known.revision if known else 0)


def fleet(parts: list[Part]) -> list[Granted]:
    """Run the processes; return the times at which each got permits. No refused request may count as an attempt."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.rate_limited"])
    with ExitStack() as ended:
        ends: list[Connection] = []
        for one in parts:
            ours, theirs = context.Pipe()
            process = context.Process(target=play, args=(one, theirs), daemon=True)
            process.start()
            ended.callback(process.join)
            ends.append(ours)
        for end in ends:
            assert end.recv() == "ready"
        for end in ends:
            end.send("go")
        results = [end.recv() for end in ends]
    assert [charged for _, charged in results if charged] == []
    return [granted for granted, _ in results]


@pytest.mark.long
def test_fifty_downloaders_never_make_more_requests_than_the_budget_and_a_burst(part: Part) -> None:
    granted = sorted(began for one in fleet([part] * FLEET) for began, _ in one)
    videos, window_s = len(granted) / 2, granted[-1] - granted[0]
    assert videos <= BURST + PER_SECOND * (window_s + 0.5)
    assert videos >= PER_SECOND * window_s / 2, "the fleet uses its budget"


def test_by_default_a_downloader_requests_150_videos_an_hour_and_ten_at_once(bus: NatsBus) -> None:
    """A video makes two requests of half a token each; half a token is added every 12 s."""
    empty(bus)
    permit = limiter_of(load(DownloaderSettings), bus).permit
    began = datetime.now(UTC)
    for _ in range(2 * 10):
        with permit(YOUTUBE):
            pass
    with pytest.raises(IngestError, match="the hourly budget is spent") as refused, permit(YOUTUBE):
        pytest.fail("a request was permitted")
    assert refused.value.retry_at is not None
    assert abs(refused.value.retry_at - began - timedelta(hours=0.5 / 150)) < timedelta(seconds=3)


@pytest.mark.alone
def test_one_throttled_request_stops_the_fleet_and_then_one_video_probes(part: Part, bus: NatsBus) -> None:
    request_s, pause_s = 0.5, 4.0
    later_part = replace(part, seconds=8.0, request_s=request_s, delay_s=2 * request_s)  # after the throttled request
    results = fleet([replace(part, seconds=8.0, request_s=request_s, pause_s=pause_s), *[later_part] * (FLEET - 1)])
    (refused_at,) = [ended for _, ended in results[0][:1]]
    until = refused_at + pause_s
    fleet_wide = sorted(began for one in results for began, _ in one)
    assert [began for began in fleet_wide if refused_at + 0.5 < began < until - 0.1] == []
    later = [began for began in fleet_wide if began >= until - 0.1]
    assert later, "a video has probed"
    assert [began for began in later if began < later[0] + request_s - 0.1] == later[:1], "one video alone has probed"
    assert not RateLimiter(bus, BUDGET).sites()[YOUTUBE].is_open


def throttle(limiter: RateLimiter, site: str, seconds: float) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    with pytest.raises(IngestError), limiter.permit(site):
        raise IngestError(Code.SOURCE_RATE_LIMITED, "HTTP Error 429", retry_at=until)


def test_a_site_that_throttles_us_stops_no_other_site(limiter: RateLimiter) -> None:
    throttle(limiter, PODCASTS, 60)
    with pytest.raises(IngestError, match=r"podcasts\.example\.org: HTTP Error 429") as held, limiter.permit(PODCASTS):
        pytest.fail("a request was permitted")
    assert held.value.rule.outcome is Outcome.POSTPONED
    assert held.value.retry_at is not None
    for other in (YOUTUBE, "example.com"):
        with limiter.permit(other):
            pass


def probe_result(code: Code | None) -> None:
    if code is not None:
        raise IngestError(code, "the probe")


@pytest.mark.parametrize(
    ("code", "closes"),
    [
        pytest.param(None, True, id="a success"),
        pytest.param(Code.VIDEO_PRIVATE, True, id="a refusal of one video"),
        pytest.param(Code.NETWORK_TIMEOUT, False, id="no reply"),
    ],
)
def test_a_probe_that_reached_the_site_closes_the_circuit(
    limiter: RateLimiter,
    code: Code | None,
    closes: bool,  # noqa: FBT001 (a table)
) -> None:
    throttle(limiter, YOUTUBE, 0.0)
    with suppress(IngestError), limiter.permit(YOUTUBE):
        probe_result(code)
    assert limiter.sites()[YOUTUBE].is_open is not closes


CHANNEL = "https://www.youtube.com/@channel"


@pytest.fixture
def settings(nats_server: EmbeddedNats, database_url: str) -> AllSettings:
    return load(
        AllSettings,
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=SecretStr(nats_server.password),
        database_url=SecretStr(database_url),
    )


@pytest.mark.parametrize("url", [CHANNEL, "https://www.youtube.com/playlist?list=PL123"])
def test_a_channel_is_not_listed_while_its_site_is_rate_limited(
    limiter: RateLimiter, settings: AllSettings, url: str
) -> None:
    throttle(limiter, YOUTUBE, 60)
    with pytest.raises(IngestError, match=r"youtube is rate limited until .* UTC: HTTP Error 429") as held:
        submit(settings, [url], Selection(), wait=False, quiet=True)
    assert held.value.code is Code.SOURCE_RATE_LIMITED
    assert submit(settings, [VIDEO_URL], Selection(), wait=False, quiet=True).requested == 1


def test_a_channel_is_listed_when_the_time_is_over_and_the_probe_is_left_to_a_downloader(
    limiter: RateLimiter, bus: NatsBus
) -> None:
    limiter.refuse_while_open()
    throttle(limiter, YOUTUBE, 0.0)
    before = bus.read_key(GOVERNOR_BUCKET, KEY)
    limiter.refuse_while_open()
    assert bus.read_key(GOVERNOR_BUCKET, KEY) == before


def test_status_shows_until_when_a_site_is_rate_limited(
    limiter: RateLimiter, settings: AllSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*, as_json: bool) -> str:
        with open_connections(settings) as connections:
            show_totals(connections, as_json=as_json)
        return capsys.readouterr().out

    assert (json.loads(said(as_json=True))["held_until"], "held by" in said(as_json=False)) == ({}, False)
    throttle(limiter, PODCASTS, 90)
    until = held_until(limiter.sites())["podcasts.example.org"]
    assert json.loads(said(as_json=True))["held_until"] == {"podcasts.example.org": until.isoformat()}
    line = f"podcasts.example.org: held by the site's limit until {until:%Y-%m-%d %H:%M:%S} UTC"
    assert line in said(as_json=False).splitlines()


def test_metrics_show_until_when_a_site_is_rate_limited(limiter: RateLimiter, bus: NatsBus) -> None:
    throttle(limiter, YOUTUBE, 90)
    until = held_until(limiter.sites())[YOUTUBE]
    assert timedelta(seconds=80) < until - datetime.now(UTC) < timedelta(seconds=100)
    gauges = SiteGauges(limiter, Troubles(bus))
    gauges.update()
    assert REGISTRY.get_sample_value("ingest_site_circuit_open", {"site": YOUTUBE}) == 1
    assert REGISTRY.get_sample_value("ingest_site_held_until_seconds", {"site": YOUTUBE}) == until.timestamp()
    throttle(limiter, PODCASTS, 0.0)
    gauges.update()
    with limiter.permit(PODCASTS):
        pass
    gauges.update()
    assert REGISTRY.get_sample_value("ingest_site_circuit_open", {"site": "podcasts.example.org"}) is None


def test_status_and_metrics_say_since_when_and_why_a_site_is_held(
    limiter: RateLimiter, bus: NatsBus, settings: AllSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    breaker = Breaker(bus, Stage.CHECK, limiter.permit)
    for number in range(ROW):
        source = Source(kind=SourceKind.MEDIA, url=f"https://{PODCASTS}/{number}.mp3")
        with pytest.raises(IngestError), breaker.permit(VideoRequested(video_id=f"{number:011}", source=source)):
            raise IngestError(Code.SITE_CHANGED, "Failed to extract any player response")
    (hold,) = Troubles(bus).holds()
    SiteGauges(limiter, Troubles(bus)).update()
    labels = {"site": PODCASTS, "stage": "check", "code": "SITE_CHANGED"}
    assert REGISTRY.get_sample_value("ingest_site_fails_since_seconds", labels) == hold.since.timestamp()
    with open_connections(settings) as connections:
        show_totals(connections, as_json=False)
        said = " ".join(capsys.readouterr().out.split())
        show_totals(connections, as_json=True)
    assert f"{PODCASTS} is held since {hold.since:%Y-%m-%d %H:%M} UTC" in said
    assert "SITE_CHANGED: Failed to extract any player response" in said
    assert "install the newest yt-dlp" in said
    assert [held["site"] for held in json.loads(capsys.readouterr().out)["holds"]] == [PODCASTS]


def test_a_request_without_a_site_needs_no_permit(limiter: RateLimiter) -> None:
    with limiter.permit(None):
        pass
    assert limiter.sites()[YOUTUBE].tokens == BUDGET.burst


def test_metrics_show_the_budget_left(bus: NatsBus) -> None:
    empty(bus)
    limiter = RateLimiter(bus, Budget(1.0, BURST))
    gauges = SiteGauges(limiter, Troubles(bus))
    gauges.update()
    assert REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE}) == BURST
    with limiter.permit(YOUTUBE):
        pass
    gauges.update()
    left = REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE})
    assert left is not None
    assert BURST - REQUEST_COST <= left < BURST
    throttle(limiter, YOUTUBE, 90)
    gauges.update()
    assert REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE}) == 0


def test_an_unreadable_state_is_replaced(limiter: RateLimiter, bus: NatsBus) -> None:
    for nonsense in (b"\xff", b"[]", b'{"youtube": {"tokens": 1, "colour": "red"}}'):
        known = bus.read_key(GOVERNOR_BUCKET, KEY)
        assert known is not None
        assert bus.replace_key(GOVERNOR_BUCKET, KEY, nonsense, known.revision)
        with limiter.permit(YOUTUBE):
            pass


FOREIGN = [
    pytest.param('{"tokens": 1, "at": 1, "open_until": 1e300}', id="open for ever"),
    pytest.param('{"tokens": 1, "at": 1, "open_until": 1, "probe_until": 1e18}', id="probed for ever"),
    pytest.param('{"tokens": -1e308, "at": 1e308, "promised_at": 1e308}', id="endless numbers"),
    pytest.param('{"tokens": NaN, "at": NaN, "open_until": Infinity}', id="no numbers"),
    pytest.param('{"tokens": "x", "at": null}', id="other types"),
    pytest.param('{"tokens": 1, "at": 1, "reason": ["x"], "promised_at": -5}', id="a reason that is none"),
    pytest.param("[" * 100_000, id="nested"),
]


@pytest.mark.parametrize("stored", FOREIGN)
def test_what_another_program_writes_into_the_state_ends_within_a_week(
    limiter: RateLimiter, bus: NatsBus, stored: str
) -> None:
    known = bus.read_key(GOVERNOR_BUCKET, KEY)
    assert bus.replace_key(GOVERNOR_BUCKET, KEY, f'{{"{YOUTUBE}": {stored}}}'.encode(), known.revision if known else 0)
    latest = datetime.now(UTC) + timedelta(days=7, hours=2)
    assert all(until < latest for until in held_until(limiter.sites()).values())
    for request in (limiter.refuse_while_open, limiter.permit(YOUTUBE).__enter__):
        with suppress(IngestError):
            request()


def test_a_feed_with_a_site_for_each_episode_does_not_fill_the_state(limiter: RateLimiter, bus: NatsBus) -> None:
    now = datetime.now(UTC).timestamp()
    site = {"tokens": 0.0, "at": now, "open_until": now + 60, "reason": "x" * 200}
    sites = {f"{number}.{'x' * 200}.example": site for number in range(1500)}
    known = bus.read_key(GOVERNOR_BUCKET, KEY)
    assert bus.replace_key(GOVERNOR_BUCKET, KEY, json.dumps(sites).encode(), known.revision if known else 0)
    for number in range(3):
        throttle(limiter, f"late{number}.example", 3600)
    with limiter.permit(YOUTUBE):
        pass
    kept = set(limiter.sites())
    assert {YOUTUBE, *(f"late{number}.example" for number in range(3))} <= kept
    assert len(kept) == 500


def test_of_many_writers_of_one_revision_one_wins(bus: NatsBus) -> None:
    empty(bus)
    known = bus.read_key(GOVERNOR_BUCKET, KEY)
    assert known is not None
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(bus.replace_key(GOVERNOR_BUCKET, KEY, b"{}", known.revision)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
