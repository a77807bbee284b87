"""The exits to YouTube: how they are written, and that each has a budget, a pause and an account of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.check import LOGIN_HELPS, asked
from ingest.downloader.exits import ONLY, YOUTUBE, Exit, exits, parsed
from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sites.rate_limit import HOUR_S, Budget, halved, initial, take
from ingest.downloader.sites.rate_limiter import ACCOUNT_REST_S, KEY, PROXY_REST_S, RateLimiter
from ingest.downloader.sources.connector import Access, through
from ingest.downloader.sources.media import generic
from ingest.shared.errors import Code, ConfigurationError, IngestError, Outcome
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.settings import load
from tests.support.site_keys import Keys
from tests.unit.downloader.sources.test_session import OPTIONS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

LINES = """
# ours, then those that we rent
direct cookies=/run/secrets/home.txt
http://anna:s3cret%40@proxy.example:8080
socks5://ben:hidden@[2001:db8::7] cookies=/run/secrets/a file.txt
https://proxy.example
"""
THREE = parsed("direct\nhttp://a:secret@one.example:1\nsocks5://two.example:2")
BUDGET = Budget(per_hour=360.0, burst=2.0)


def test_a_file_names_the_exits_and_their_accounts() -> None:
    found = parsed(LINES)
    assert [(one.number, one.site, one.endpoint, one.account) for one in found] == [
        (1, "youtube", None, "home.txt"),
        (2, "youtube exit 2", "proxy.example:8080", None),
        (3, "youtube exit 3", "2001:db8::7:1080", "a file.txt"),
        (4, "youtube exit 4", "proxy.example:443", None),
    ]
    assert "s3cret" not in repr(found)
    assert "hidden" not in repr(Access(OPTIONS, ChildLimits(1.0)).through(found[2]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "has 0 exits", id="empty"),
        pytest.param("direct\n" * 101, "has 101 exits", id="too many"),
        pytest.param("direct\n\nftp://x:hidden@y", "line 3 is no `direct`", id="scheme"),
        pytest.param("user:hidden@host:1", "line 1", id="no scheme"),
        pytest.param("http://user:hidden@host:port", "line 1", id="port"),
        pytest.param("http://user:hidden@[host:1", "line 1", id="brackets"),
        pytest.param("socks5://user:hidden@host/path", "line 1", id="path"),
        pytest.param("direct hidden", "line 1: after the exit", id="words"),
        pytest.param("direct\ndirect", "twice", id="an exit twice"),
        pytest.param("direct cookies=/a\nhttp://hidden@b cookies=/a", "twice", id="an account twice"),
    ],
)
def test_a_mistake_is_named_by_its_line_and_no_login_is_shown(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"INGEST_SITE_PROXIES.*{said}") as caught:
        parsed(text)
    assert "hidden" not in str(caught.value)


def test_the_cookies_file_is_the_account_of_the_direct_exit(tmp_path: Path) -> None:
    file = tmp_path / "exits"
    file.write_text("http://one.example\ndirect\n")
    settings = load(DownloaderSettings, cookies_file=tmp_path / "home.txt", site_proxies=file)
    assert [one.account for one in exits(settings)] == [None, "home.txt"]
    file.write_text("http://one.example\n")
    with pytest.raises(ConfigurationError, match="has no `direct` for INGEST_COOKIES_FILE"):
        exits(settings)
    with pytest.raises(ConfigurationError, match="No such file"):
        exits(load(DownloaderSettings, site_proxies=tmp_path / "none"))
    assert exits(load(DownloaderSettings)) == ONLY


def test_only_youtube_is_asked_through_a_proxy_and_with_an_account() -> None:
    access = Access(OPTIONS, ChildLimits(1.0)).through(parsed(LINES)[2])
    assert access.limits.endpoints == ("2001:db8::7:1080",)
    assert (generic(access.options).proxy, generic(access.options).cookies_file) == (None, None)
    assert through(ChildLimits(1.0), Exit()).endpoints == ()


class Fleet:
    """Downloaders with three exits."""

    def __init__(self, ways: tuple[Exit, ...] = THREE) -> None:
        self.keys = Keys()
        self.limiter = RateLimiter(self.keys, BUDGET, ways)

    def ask(self, code: Code | None = None, wanted: int | None = None, pause_s: float | None = None) -> int:
        """Make a request that fails with a code; return the number of its exit."""
        used = 0
        try:
            with self.limiter.permit(YOUTUBE, wanted) as way:
                assert way is not None
                used = way.number
                self.answer(code, pause_s)
        except IngestError as error:
            self.error = error
        return used

    def answer(self, code: Code | None, pause_s: float | None) -> None:
        if code is not None:
            at = self.keys.now + timedelta(seconds=pause_s) if pause_s else None
            raise IngestError(code, "no", retry_at=at)


def test_the_exits_share_the_work_and_each_has_the_whole_budget() -> None:
    fleet = Fleet()
    assert sorted(fleet.ask() for _ in range(12)) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    assert fleet.ask() == 0
    assert "the hourly budget is spent" in str(fleet.error)


def test_a_recording_keeps_its_exit_and_waits_for_its_budget() -> None:
    fleet = Fleet()
    assert [fleet.ask(wanted=2) for _ in range(5)] == [2, 2, 2, 2, 0]
    assert Fleet().ask(wanted=77) == 1, "the exit is gone"


@pytest.mark.parametrize("code", [Code.SOURCE_RATE_LIMITED, Code.PROXY_REFUSED])
def test_an_exit_at_fault_rests_alone_and_its_recordings_go_through_another_uncounted(code: Code) -> None:
    fleet = Fleet()
    assert fleet.ask(code, wanted=2) == 2
    assert fleet.error.code is Code.SOURCE_RATE_LIMITED
    assert fleet.error.retry_at == fleet.keys.now + timedelta(seconds=1)
    assert {fleet.ask(wanted=2) for _ in range(8)} == {1, 3}
    fleet.keys.wait(HOUR_S)
    assert fleet.ask() == 2, "the exit that rested is probed first"
    fleet.keys.wait(60.0)
    assert fleet.ask(wanted=2) == 2


def test_an_account_whose_cookies_have_ended_rests_and_its_exit_goes_on_as_a_guest() -> None:
    fleet = Fleet(parsed("direct cookies=/run/home.txt"))
    with pytest.raises(IngestError) as ended, fleet.limiter.permit(YOUTUBE):
        raise IngestError(Code.ENV_COOKIES, "the login of home.txt has ended")
    assert (ended.value.code, ended.value.rule.outcome) == (Code.SOURCE_RATE_LIMITED, Outcome.POSTPONED)
    with fleet.limiter.permit(YOUTUBE) as way:
        assert way == Exit(1)
    assert fleet.limiter.sites()["youtube"].account == "the login of home.txt has ended"
    fleet.keys.wait(ACCOUNT_REST_S)
    with fleet.limiter.permit(YOUTUBE) as way:
        assert way is not None
        assert way.account == "home.txt", "it is tried again: the file may have been renewed"
    assert fleet.limiter.sites()["youtube"].account == ""


def test_when_all_exits_rest_the_first_that_is_free_again_is_named() -> None:
    fleet = Fleet()
    for number, pause_s in ((1, 300.0), (2, 100.0), (3, 200.0)):
        fleet.ask(Code.SOURCE_RATE_LIMITED, number, pause_s)
    assert fleet.error.retry_at == fleet.keys.now + timedelta(seconds=200)
    assert fleet.ask() == 0
    assert fleet.error.retry_at == fleet.keys.now + timedelta(seconds=100)
    with pytest.raises(IngestError, match="youtube exit 2 is rate limited"):
        fleet.limiter.refuse_while_open()
    fleet.keys.wait(100)
    assert fleet.limiter.refuse_while_open().number == 2


def test_a_single_proxy_that_refuses_costs_an_attempt_so_that_every_recording_ends() -> None:
    fleet = Fleet(parsed("http://one.example"))
    assert fleet.ask(Code.PROXY_REFUSED) == 1
    assert fleet.error.code is Code.PROXY_REFUSED
    assert fleet.ask() == 0
    fleet.keys.wait(PROXY_REST_S)
    assert fleet.ask() == 1


@pytest.mark.parametrize("code", [Code.SITE_CHANGED, Code.VIDEO_PRIVATE, Code.NETWORK_ERROR])
def test_other_faults_rest_no_exit(code: Code) -> None:
    fleet = Fleet()
    assert fleet.ask(code, wanted=2) == fleet.ask(wanted=2) == 2
    assert fleet.error.code is code


@pytest.mark.parametrize("code", sorted(LOGIN_HELPS))
def test_what_a_guest_is_refused_is_asked_for_with_an_account(code: Code) -> None:
    fleet = Fleet(parsed("direct\nhttp://one.example cookies=/a\nhttp://two.example"))
    asks: list[int] = []

    def ask(way: Exit | None) -> str:
        assert way is not None
        asks.append(way.number)
        if not way.cookies_file:
            raise IngestError(code, "sign in")
        return "given"

    def permit(_message: str, login: bool) -> AbstractContextManager[Exit | None]:  # noqa: FBT001 (a permit)
        return fleet.limiter.permit(YOUTUBE, 3, login)

    assert asked("", permit, ask, has_accounts=True)[0] == "given"
    assert asks == [3, 2]
    with pytest.raises(IngestError, match=code):
        asked("", permit, ask, has_accounts=False)
    fleet.ask(Code.ENV_COOKIES, 2)
    with pytest.raises(IngestError, match="youtube exit 2: no") as waits:
        asked("", permit, ask, has_accounts=True)
    assert waits.value.code is Code.SOURCE_RATE_LIMITED, "it waits for the account, and is not skipped"


def test_a_limit_halves_the_budget_of_its_exit_once_and_permits_raise_it_slowly() -> None:
    state = initial(BUDGET, 0.0)
    state = halved(state, BUDGET, 0.0)
    assert BUDGET.learned(state).per_hour == 180.0
    fleet = Fleet()
    at = fleet.keys.now + timedelta(seconds=60)
    with pytest.raises(IngestError), fleet.limiter.permit(YOUTUBE, 1), fleet.limiter.permit(YOUTUBE, 1):
        raise IngestError(Code.SOURCE_RATE_LIMITED, "429", retry_at=at)  # both were in flight
    stored = json.loads(fleet.keys.values[KEY].data)
    assert stored["youtube"]["per_hour"] == 180.0
    assert "per_hour" not in stored.get("youtube exit 2", {})
    now, permits = 0.0, 0
    while state.per_hour and now < 10 * HOUR_S:
        now += 5.0
        state, permit = take(state, BUDGET, now, 0.5)
        permits += permit.is_granted
    assert permits == pytest.approx(500, abs=1)
    assert HOUR_S / 2 < now < 3 * HOUR_S


def test_limit_upon_limit_leaves_a_sixteenth() -> None:
    state = initial(BUDGET, 0.0)
    for _ in range(20):
        state = halved(state, BUDGET, 0.0)
    assert BUDGET.learned(state).per_hour == BUDGET.per_hour / 16


def test_the_state_has_no_login() -> None:
    fleet = Fleet(parsed(LINES))
    for number in range(1, 5):
        fleet.ask(Code.PROXY_REFUSED, number)
    data = fleet.keys.values[KEY].data.decode() + str(fleet.error)
    assert not [secret for secret in ("anna", "s3cret", "ben", "hidden") if secret in data]
