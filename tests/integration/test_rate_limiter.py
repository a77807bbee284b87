"""The governor with a fleet of fifty real processes on a real broker."""

from __future__ import annotations

import json
import multiprocessing
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.runs.run import submit
from ingest.cli.runs.submissions import Choice
from ingest.cli.settings import AllSettings
from ingest.cli.status import held_until, show
from ingest.downloader import service
from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import KEY, LOOK_COST, YOUTUBE, Governor, GovernorWatch
from ingest.downloader.settings import DownloaderSettings
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import Source, SourceKind
from ingest.shared.settings import load
from tests.support.rate_limited import VIDEO, Part, play

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from ingest.downloader.check import Check
    from ingest.shared.broker.nats_bus import NatsBus

FLEET = 50
PER_SECOND = 4.0
BURST = 5.0
BUDGET = Budget(PER_SECOND * 3600, BURST)
PODCAST = Source(kind=SourceKind.MEDIA, url="https://podcasts.example.org/a.mp3")
Granted = list[tuple[float, float]]


@pytest.fixture
def part(nats_server: EmbeddedNats, bus: NatsBus) -> Part:
    empty(bus)
    options = BusOptions(nats_server.url, "fleet", user=NATS_USER, password=nats_server.password, patience_s=60.0)
    return Part(options, BUDGET, 6.0)


@pytest.fixture
def governor(bus: NatsBus) -> Governor:
    empty(bus)
    return Governor(bus, BUDGET)


def empty(bus: NatsBus) -> None:
    known = bus.read_key(GOVERNOR_BUCKET, KEY)
    bus.replace_key(GOVERNOR_BUCKET, KEY, b"{}", known.revision if known else 0)


def fleet(parts: list[Part]) -> list[Granted]:
    """Run the processes; return when each was let in. Nobody's attempt may be charged."""
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


def test_fifty_downloaders_never_ask_for_more_than_the_budget_and_a_burst(part: Part) -> None:
    granted = sorted(began for one in fleet([part] * FLEET) for began, _ in one)
    videos, window_s = len(granted) / 2, granted[-1] - granted[0]
    assert videos <= BURST + PER_SECOND * (window_s + 0.5)
    assert videos >= PER_SECOND * window_s / 2, "the budget is there to be used"


def test_a_downloader_as_it_comes_asks_for_250_videos_an_hour_and_ten_at_once(bus: NatsBus, tmp_path: Path) -> None:
    """A video is looked at twice, each time for half a token; of these, one comes each 7.2 s."""
    empty(bus)
    room = service.build(load(DownloaderSettings, state_path=tmp_path), bus)
    leave = cast("Check", room.stages[0].handle).leave
    try:
        began = datetime.now(UTC)
        for _ in range(2 * 10):
            with leave(VIDEO):
                pass
        with pytest.raises(IngestError, match="the hourly budget is spent") as refused, leave(VIDEO):
            pytest.fail("the site was asked")
    finally:
        room.stop()
    assert refused.value.retry_at is not None
    assert abs(refused.value.retry_at - began - timedelta(hours=0.5 / 250)) < timedelta(seconds=1)


def test_one_limit_holds_everybody_and_one_video_tries_the_door(part: Part, bus: NatsBus) -> None:
    look_s, pause_s = 0.5, 4.0
    parts = [replace(part, seconds=8.0, look_s=look_s, delay_s=2 * look_s)] * (FLEET - 1)  # the limit is told before
    results = fleet([replace(part, seconds=8.0, look_s=look_s, pause_s=pause_s), *parts])
    (refused_at,) = [ended for _, ended in results[0][:1]]
    until = refused_at + pause_s
    everybody = sorted(began for one in results for began, _ in one)
    assert [began for began in everybody if refused_at + 0.5 < began < until - 0.1] == []
    later = [began for began in everybody if began >= until - 0.1]
    assert later, "the door was tried"
    assert [began for began in later if began < later[0] + look_s - 0.1] == later[:1], "by one video alone"
    assert not Governor(bus, BUDGET).sites()[YOUTUBE].is_open


def limit(governor: Governor, source: Source, seconds: float) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    with pytest.raises(IngestError), governor.leave(source):
        raise IngestError(Code.SOURCE_RATE_LIMITED, "HTTP Error 429", retry_at=until)


def test_a_site_that_limits_us_holds_no_other_site(governor: Governor) -> None:
    limit(governor, PODCAST, 60)
    with pytest.raises(IngestError, match=r"podcasts\.example\.org: HTTP Error 429") as held, governor.leave(PODCAST):
        pytest.fail("the site was asked")
    assert held.value.rule.outcome is Outcome.POSTPONED
    assert held.value.retry_at is not None
    for other in (VIDEO, PODCAST.model_copy(update={"url": "https://example.com/b.mp3"})):
        with governor.leave(other):
            pass


def told(code: Code | None) -> None:
    if code is not None:
        raise IngestError(code, "the probe")


@pytest.mark.parametrize(
    ("code", "closes"),
    [
        pytest.param(None, True, id="an answer"),
        pytest.param(Code.VIDEO_PRIVATE, True, id="a refusal of one video is an answer"),
        pytest.param(Code.NETWORK_TIMEOUT, False, id="silence is none"),
    ],
)
def test_what_a_probe_learns_decides(governor: Governor, code: Code | None, closes: bool) -> None:  # noqa: FBT001 (a table)
    limit(governor, VIDEO, 0.0)
    with suppress(IngestError), governor.leave(VIDEO):
        told(code)
    assert governor.sites()[YOUTUBE].is_open is not closes


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
def test_a_channel_is_not_listed_while_its_site_is_left_alone(
    governor: Governor, settings: AllSettings, url: str
) -> None:
    limit(governor, VIDEO, 60)
    with pytest.raises(IngestError, match=r"youtube is left alone until .* UTC: HTTP Error 429") as held:
        submit(settings, [url], Choice(), wait=False, quiet=True)
    assert held.value.code is Code.SOURCE_RATE_LIMITED
    assert submit(settings, [VIDEO.url], Choice(), wait=False, quiet=True).asked_for == 1


def test_listing_goes_on_when_the_time_is_over_and_takes_the_probe_from_nobody(
    governor: Governor, bus: NatsBus
) -> None:
    governor.refuse_while_open()
    limit(governor, VIDEO, 0.0)
    before = bus.read_key(GOVERNOR_BUCKET, KEY)
    governor.refuse_while_open()
    assert bus.read_key(GOVERNOR_BUCKET, KEY) == before


def test_status_says_until_when_a_site_is_left_alone(
    governor: Governor, settings: AllSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*, as_json: bool) -> str:
        show(settings, None, states=None, codes=None, limit=50, as_json=as_json)
        return capsys.readouterr().out

    assert (json.loads(said(as_json=True))["held_until"], "held by" in said(as_json=False)) == ({}, False)
    limit(governor, PODCAST, 90)
    until = held_until(governor.sites())["podcasts.example.org"]
    assert json.loads(said(as_json=True))["held_until"] == {"podcasts.example.org": until.isoformat()}
    line = f"podcasts.example.org: held by the site's limit until {until:%Y-%m-%d %H:%M:%S} UTC"
    assert line in said(as_json=False).splitlines()


def test_metrics_say_until_when_a_site_is_left_alone(governor: Governor) -> None:
    limit(governor, VIDEO, 90)
    until = held_until(governor.sites())[YOUTUBE]
    assert timedelta(seconds=80) < until - datetime.now(UTC) < timedelta(seconds=100)
    watch = GovernorWatch(governor)
    watch.look()
    assert REGISTRY.get_sample_value("ingest_site_circuit_open", {"site": YOUTUBE}) == 1
    assert REGISTRY.get_sample_value("ingest_site_held_until_seconds", {"site": YOUTUBE}) == until.timestamp()
    limit(governor, PODCAST, 0.0)
    watch.look()
    with governor.leave(PODCAST):
        pass
    watch.look()
    assert REGISTRY.get_sample_value("ingest_site_circuit_open", {"site": "podcasts.example.org"}) is None


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(Source(kind=SourceKind.FILE, url="/a.mp3"), id="a file of our own"),
        pytest.param(Source(kind=SourceKind.MEDIA, url="http://[bad/a.mp3"), id="an address that is none"),
    ],
)
def test_what_no_site_is_asked_for_needs_nobodys_leave(governor: Governor, source: Source) -> None:
    with governor.leave(source):
        pass
    assert governor.sites()[YOUTUBE].tokens == BUDGET.burst


def test_metrics_say_what_is_left_of_the_budget(bus: NatsBus) -> None:
    empty(bus)
    governor = Governor(bus, Budget(1.0, BURST))
    watch = GovernorWatch(governor)
    watch.look()
    assert REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE}) == BURST
    with governor.leave(VIDEO):
        pass
    watch.look()
    left = REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE})
    assert left is not None
    assert BURST - LOOK_COST <= left < BURST
    limit(governor, VIDEO, 90)
    watch.look()
    assert REGISTRY.get_sample_value("ingest_site_budget_left", {"site": YOUTUBE}) == 0


def test_a_state_that_cannot_be_read_is_learned_again(governor: Governor, bus: NatsBus) -> None:
    for nonsense in (b"\xff", b"[]", b'{"youtube": {"tokens": 1, "colour": "red"}}'):
        known = bus.read_key(GOVERNOR_BUCKET, KEY)
        assert known is not None
        assert bus.replace_key(GOVERNOR_BUCKET, KEY, nonsense, known.revision)
        with governor.leave(VIDEO):
            pass


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
