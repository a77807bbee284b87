"""Row 20 of the bad inputs, for the fleet: after "too many requests", a real web server gets no more requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import KEY, RateLimiter
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.errors import Code
from ingest.shared.messages import Stage, VideoRequested
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import Downloader, requested
from tests.support.stage_line import answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus
    from tests.integration.bad_inputs.site import Site
    from tests.support.stage_line import Line


def test_20_a_site_that_throttles_us_gets_no_further_requests(
    downloader: Downloader, line: Line, site: Site, bus: NatsBus, wait_until: Callable[..., None]
) -> None:
    known = bus.read_key(GOVERNOR_BUCKET, KEY)
    bus.replace_key(GOVERNOR_BUCKET, KEY, b"{}", known.revision if known else 0)
    limiter = RateLimiter(bus, Budget(250, 10))
    url = site.add(sites.status(429, Retry_After=3600))
    line.start(Stage.CHECK, VideoRequested, replace(downloader.check, permit=limiter.permit))
    line.send(requested(url))
    wait_until(lambda: len(line.answers()) == 1)
    asked = len(site.asked)
    line.send(*(requested(url, f"later{number:06}") for number in range(5)))
    wait_until(lambda: len(line.answers()) == 6)
    assert set(line.answers().values()) == {answer_to(Code.SOURCE_RATE_LIMITED)}
    assert len(site.asked) == asked
    assert {event.attempt for event in line.events()} == {1}
