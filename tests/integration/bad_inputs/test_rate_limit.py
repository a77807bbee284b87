"""A real web server that throttles us (row 20 of the bad inputs), or refuses every recording, gets no more requests."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.downloader.sites import given_up, holds
from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.given_up import GivenUp
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limit import Budget
from ingest.downloader.sites.rate_limiter import KEY, RateLimiter
from ingest.shared.broker.topology import GOVERNOR_BUCKET, LATER_STREAM, later_subject
from ingest.shared.errors import Code
from ingest.shared.messages import EventKind, Stage, VideoRequested, decode
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import Downloader, requested
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus
    from tests.integration.bad_inputs.site import Site
    from tests.support.stage_line import Line


def empty(bus: NatsBus) -> None:
    """Forget what earlier tests have stored about sites."""
    for key in (KEY, holds.KEY, given_up.KEY):
        known = bus.read_key(GOVERNOR_BUCKET, key)
        bus.replace_key(GOVERNOR_BUCKET, key, b"{}", known.revision if known else 0)


def test_20_a_site_that_throttles_us_gets_no_further_requests(
    downloader: Downloader, line: Line, site: Site, bus: NatsBus, wait_until: Callable[..., None]
) -> None:
    empty(bus)
    permit = Breaker(bus, Stage.CHECK, RateLimiter(bus, Budget(250, 10)).permit).permit
    url = site.add(sites.status(429, Retry_After=3600))
    line.start(Stage.CHECK, replace(downloader.check, permit=permit))
    line.send(requested(url))
    wait_until(lambda: len(line.answers()) == 1)
    asked = len(site.asked)
    line.send(*(requested(url, f"later{number:06}") for number in range(5)))
    wait_until(lambda: len(line.answers()) == 6)
    assert set(line.answers().values()) == {answer_to(Code.SOURCE_RATE_LIMITED)}
    assert len(site.asked) == asked
    assert {event.attempt for event in line.events()} == {1}


def start_checks(line: Line, downloader: Downloader, bus: NatsBus) -> None:
    """Start the check stage as the service does, with four slots."""
    limited = RateLimiter(bus, Budget(250, 10)).permit
    breaker = Breaker(bus, Stage.CHECK, limited, given_up=GivenUp(bus, Stage.CHECK))
    line.start(Stage.CHECK, replace(downloader.check, permit=breaker.permit), slots=4, gave_up=breaker.gave_up)


def test_a_host_that_refuses_every_recording_is_held_and_costs_no_attempt(
    downloader: Downloader, line: Line, site: Site, bus: NatsBus, webm: bytes, wait_until: Callable[..., None]
) -> None:
    empty(bus)
    is_whole = threading.Event()
    pages = {True: sites.file(webm), False: sites.status(403)}

    def page(request: sites.Request) -> None:
        pages[is_whole.is_set()](request)

    url = site.add(page)
    troubles = Troubles(bus)
    start_checks(line, downloader, bus)
    first = requested(url, "thefirstone")
    line.send(first)
    wait_until(lambda: line.ended() == {first.video_id: (EventKind.FAILED, Code.SOURCE_FORBIDDEN)})
    videos = [f"recording{number:02}" for number in range(12)]
    line.send(*(requested(url, video) for video in videos))

    def held() -> set[str]:
        return {event.video_id for event in line.events() if event.code is Code.SITE_HELD}

    wait_until(lambda: held() == set(videos))
    (hold,) = troubles.holds()
    assert (hold.site, hold.stage, hold.code) == ("127.0.0.1", Stage.CHECK, Code.SOURCE_FORBIDDEN)
    asked = len(site.asked)
    is_whole.set()
    troubles.states.update(
        lambda states, now: ({name: replace(one, next_at=now) for name, one in states.items()}, None)
    )
    probe = requested(url, "newrecordin")
    line.send(probe)
    wait_until(lambda: line.ended().get(probe.video_id, ("", ""))[0] is EventKind.FINISHED)
    wait_until(lambda: line.ended()[first.video_id][0] is EventKind.FINISHED)
    assert len(site.asked) == asked + 2, "while it was held, it got no request"
    assert troubles.holds() == []
    waiting = [data for _, data in bus.read(LATER_STREAM, later_subject(Stage.CHECK))]
    assert {decode(VideoRequested, data).video_id for data in waiting} == set(videos)
    assert [letter.video_id for letter in line.letters()] == [first.video_id]
    assert {event.attempt for event in line.events() if event.code is Code.SITE_HELD} <= {1, 2}
