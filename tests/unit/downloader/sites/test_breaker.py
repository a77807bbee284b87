"""The breaker: a site whose recordings fail one after the other is held, and goes on by itself."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.given_up import KEY as GIVEN_UP
from ingest.downloader.sites.given_up import MOST_BYTES, GivenUp
from ingest.downloader.sites.holds import KEY, MOST_SITES, Troubles
from ingest.downloader.sites.trouble import FIRST_PAUSE_S, LONGEST_HOLD_S, LONGEST_PAUSE_S, ROW
from ingest.shared.broker.bus import Entry
from ingest.shared.broker.topology import REQUESTED
from ingest.shared.errors import MAY_BE_THE_SITE, RULES, Code, IngestError, Outcome
from ingest.shared.messages import Metadata, Source, SourceKind, Stage, VideoRequested, decode
from tests.support.site_keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "media.example"
OWN = Code.VIDEO_PRIVATE


def message(number: int, kind: SourceKind = SourceKind.YOUTUBE) -> VideoRequested:
    url = f"https://www.youtube.com/watch?v={number:011}" if kind is SourceKind.YOUTUBE else f"https://{HOST}/{number}"
    return VideoRequested(video_id=f"{number:011}", source=Source(kind=kind, url=url))


class Site:
    """A site, and the breaker in front of it; `code` is how it answers, `own` how single recordings do."""

    def __init__(self, stage: Stage = Stage.CHECK, *, has_canary: bool = True) -> None:
        self.keys = Keys()
        self.code: Code | None = None
        self.own: dict[str, Code] = {}
        self.asked: list[str] = []
        self.troubles = Troubles(self.keys)
        ask = self.answer if has_canary else None
        self.breaker = Breaker(
            self.keys, stage, lambda _site, _wanted, _login: nullcontext(), ask, GivenUp(self.keys, stage)
        )

    def answer(self, url: str, _way: object = None) -> None:
        self.asked.append(url)
        if code := self.own.get(url, self.code):
            raise IngestError(code, f"no luck with {url}")

    def ask(self, number: int, kind: SourceKind = SourceKind.YOUTUBE) -> Code | None:
        """Ask for a recording; return the code of its error, or None."""
        one = message(number, kind)
        try:
            with self.breaker.permit(one):
                self.answer(one.source.url)
        except IngestError as error:
            return error.code
        return None

    def break_down(self, code: Code = Code.SITE_CHANGED, kind: SourceKind = SourceKind.YOUTUBE) -> list[Code | None]:
        self.code = code
        return [self.ask(number, kind) for number in range(100, 100 + ROW)]

    def give_up(self, number: int, code: Code = Code.SITE_CHANGED) -> None:
        """Ask for a recording whose attempts are used up."""
        self.code = code
        assert self.ask(number) is code
        self.breaker.gave_up(message(number), IngestError(code, "for good"))

    @property
    def asked_again(self) -> list[str]:
        return [decode(VideoRequested, data).video_id for to, data in self.keys.published if to == REQUESTED]

    @property
    def is_held(self) -> bool:
        return bool(self.troubles.holds())


@pytest.mark.parametrize("code", sorted(MAY_BE_THE_SITE))
@pytest.mark.parametrize("kind", [SourceKind.YOUTUBE, SourceKind.MEDIA])
def test_a_site_is_held_when_its_recordings_fail_one_after_the_other(code: Code, kind: SourceKind) -> None:
    site = Site()
    site.ask(1, kind)
    assert site.break_down(code, kind) == [code] * (ROW - 1) + [Code.SITE_HELD]
    asked = len(site.asked)
    assert [site.ask(number, kind) for number in range(200, 230)] == [Code.SITE_HELD] * 30
    assert len(site.asked) == asked, "a held site gets no request"
    (hold,) = site.troubles.holds()
    assert (hold.site, hold.code) == ("youtube" if kind is SourceKind.YOUTUBE else HOST, code)
    assert "no luck" in str(hold)
    assert "2026-03-01 00:00 UTC" in str(hold)


@pytest.mark.parametrize("code", sorted(set(Code) - MAY_BE_THE_SITE))
def test_the_recordings_own_faults_hold_no_site(code: Code) -> None:
    site = Site()
    assert site.break_down(code) == [code] * ROW
    assert not site.is_held


def test_a_success_between_failures_means_that_the_site_works() -> None:
    site = Site()
    for number in range(3 * ROW):
        site.code = Code.SITE_CHANGED if number % ROW else None
        site.ask(number)
    assert not site.is_held


def test_one_recording_that_fails_again_and_again_holds_no_site() -> None:
    site = Site()
    site.code = Code.SOURCE_UNKNOWN
    assert {site.ask(7) for _ in range(3 * ROW)} == {Code.SOURCE_UNKNOWN}


def test_other_reasons_in_turn_hold_no_site() -> None:
    site = Site()
    for number in range(4 * ROW):
        site.code = (Code.SITE_CHANGED, Code.NETWORK_ERROR)[number % 2]
        site.ask(number)
    assert not site.is_held


def test_the_canary_tells_the_trouble_of_recordings_from_that_of_the_site() -> None:
    """A channel whose recordings all fail: the one that is known to work is asked, and works."""
    site = Site()
    site.ask(1)
    canary = message(1).source.url
    site.own = {message(number).source.url: Code.SOURCE_UNKNOWN for number in range(100, 200)}
    answers = [site.ask(number) for number in range(100, 100 + 4 * ROW)]
    assert set(answers) == {Code.SOURCE_UNKNOWN}, "their attempts count"
    assert site.asked.count(canary) == 1 + 4, "once in each row"


def test_a_held_site_is_probed_by_one_recording_at_a_time_and_ever_more_seldom() -> None:
    site = Site(has_canary=False)
    site.break_down()
    pauses: list[float] = []
    for _ in range(6):
        before = site.keys.now
        (hold,) = site.troubles.holds()
        pauses.append((hold.next_at - before).total_seconds())
        site.keys.now = hold.next_at
        with pytest.raises(IngestError), site.breaker.permit(message(300)):  # noqa: PT012 (others ask meanwhile)
            assert site.ask(301) is Code.SITE_HELD
            raise IngestError(Code.SITE_CHANGED, "still")
    assert pauses == [60, 240, 960, 3600, 3600, 3600]


def test_the_canary_is_asked_before_a_probe_and_spares_the_recording() -> None:
    site = Site()
    site.ask(1)
    site.break_down()
    site.keys.wait(FIRST_PAUSE_S)
    site.asked.clear()
    assert site.ask(200) is Code.SITE_HELD
    assert site.asked == [message(1).source.url]
    site.code = None
    site.keys.wait(LONGEST_PAUSE_S)
    assert site.ask(200) is None
    assert site.asked == [message(1).source.url] * 2 + [message(200).source.url]
    assert not site.is_held


def test_a_canary_that_is_gone_itself_is_forgotten() -> None:
    site = Site()
    site.ask(1)
    site.break_down()
    site.keys.wait(FIRST_PAUSE_S)
    site.own[message(1).source.url] = Code.VIDEO_GONE
    assert site.ask(200) is Code.SITE_HELD
    assert site.asked[-1] == message(200).source.url, "the recording was the probe"


@pytest.mark.parametrize("has_canary", [True, False])
def test_when_the_trouble_is_over_the_recordings_that_waited_are_asked_for(has_canary: bool) -> None:  # noqa: FBT001
    site = Site(has_canary=has_canary)
    site.ask(1)
    site.break_down()
    site.code = None
    assert site.ask(100) is Code.SITE_HELD
    site.keys.wait(FIRST_PAUSE_S)
    assert [site.ask(number) for number in range(100, 120)] == [None] * 20


def test_a_recording_of_its_own_fault_ends_no_hold_and_lets_the_next_probe() -> None:
    site = Site(has_canary=False)
    site.break_down()
    site.keys.wait(FIRST_PAUSE_S)
    site.own[message(200).source.url] = OWN
    site.code = None
    assert site.ask(200) is OWN
    assert site.is_held
    assert site.ask(201) is None
    assert not site.is_held


def test_a_success_that_was_asked_for_before_the_hold_does_not_end_it() -> None:
    site = Site()
    with site.breaker.permit(message(1)):
        site.break_down()
    assert site.is_held


def test_failures_that_were_asked_for_before_the_hold_are_not_counted() -> None:
    site = Site()
    with pytest.raises(IngestError) as caught, site.breaker.permit(message(1)):  # noqa: PT012 (in flight meanwhile)
        site.break_down()
        raise IngestError(Code.SITE_CHANGED, "late")
    assert caught.value.code is Code.SITE_HELD


def test_stages_and_hosts_are_held_by_themselves() -> None:
    site = Site(Stage.DOWNLOAD, has_canary=False)
    site.break_down(Code.SOURCE_FORBIDDEN, SourceKind.MEDIA)
    site.code = None
    checks = Breaker(site.keys, Stage.CHECK, lambda _site, _wanted, _login: nullcontext())
    with checks.permit(message(1, SourceKind.MEDIA)):
        pass
    assert site.ask(1) is None
    assert site.ask(1, SourceKind.MEDIA) is Code.SITE_HELD


def test_after_a_week_attempts_are_counted_again_so_that_every_recording_ends() -> None:
    site = Site()
    site.break_down()
    site.keys.wait(LONGEST_HOLD_S + 1)
    assert {site.ask(number) for number in range(300, 320)} == {Code.SITE_CHANGED}
    site.code = None
    assert site.ask(1) is None
    assert site.break_down()[-1] is Code.SITE_HELD, "another trouble is held again"


def test_a_held_recording_comes_back_when_the_site_is_probed() -> None:
    site = Site()
    site.break_down()
    (hold,) = site.troubles.holds()
    with pytest.raises(IngestError) as caught, site.breaker.permit(message(1)):
        pytest.fail("a request was permitted")
    assert caught.value.retry_at == hold.next_at
    assert RULES[Code.SITE_HELD].outcome is Outcome.POSTPONED
    assert hold.advice == RULES[Code.SITE_CHANGED].advice


def test_the_words_of_a_site_lose_their_secrets() -> None:
    site = Site()
    for number in range(ROW):
        with pytest.raises(IngestError), site.breaker.permit(message(number)):
            raise IngestError(Code.PROXY_REFUSED, "http://user:secret@proxy:1 refuses")
    assert "secret" not in str(site.troubles.holds()[0])
    assert b"secret" not in site.keys.values[KEY].data


@pytest.mark.parametrize("has_canary", [True, False])
def test_what_was_given_up_before_a_hold_is_asked_again_when_it_ends(has_canary: bool) -> None:  # noqa: FBT001
    site = Site(has_canary=has_canary)
    site.ask(1)
    site.give_up(7)
    site.code = None
    site.ask(1)
    site.give_up(8, Code.NETWORK_ERROR)
    site.keys.wait(1)
    site.give_up(23)
    assert site.break_down()[-1] is Code.SITE_HELD
    site.code = None
    site.keys.wait(FIRST_PAUSE_S)
    assert site.asked_again == []
    assert site.ask(300) is None
    assert site.asked_again == [f"{23:011}"], "the others failed before the row, or for another reason"
    assert site.keys.values[GIVEN_UP].data == b"{}"
    assert site.ask(301) is None
    assert len(site.asked_again) == 1


def test_recordings_that_were_given_up_for_faults_of_their_own_are_not_asked_again() -> None:
    site = Site()
    for number in range(1, ROW):
        site.give_up(number)
    site.breaker.gave_up(message(30), IngestError(OWN, "private"))
    site.code = None
    site.ask(40)
    assert site.asked_again == []
    assert site.keys.values[GIVEN_UP].data == b"{}"


def test_after_a_hold_of_a_week_what_was_given_up_is_asked_again_by_a_success() -> None:
    site = Site()
    site.break_down()
    site.keys.wait(LONGEST_HOLD_S + 1)
    for number in range(3):
        site.give_up(number)
    site.code = None
    site.ask(1)
    assert len(site.asked_again) == 3


def test_the_recordings_that_are_kept_do_not_fill_the_state() -> None:
    keys = Keys()
    given_up = GivenUp(keys, Stage.CHECK)
    for number in range(200):
        one = message(number).model_copy(update={"metadata": Metadata(title="é" * 4000)})
        given_up.keep(f"check:{number % 7}", one, Code.SITE_CHANGED)
    data = keys.values[GIVEN_UP].data
    assert f"{199:011}".encode() in data
    assert MOST_BYTES / 2 < len(data) < 2 * MOST_BYTES


FOREIGN: list[Callable[[str], str]] = [
    lambda value: (
        f'{{"check:youtube": {{"code": "SITE_CHANGED", "pause_s": {value}, "since": {value}, "next_at": {value}}}}}'
    ),
    lambda value: f'{{"check:youtube": {{"code": {value}, "failed": {value}}}}}',
    lambda value: value,
]


@settings(max_examples=60)
@given(
    key=st.sampled_from([KEY, GIVEN_UP]),
    make=st.sampled_from([*FOREIGN, lambda value: f'{{"check:youtube": {{"up": [[0, "", {value}], {value}]}}}}']),
    value=st.sampled_from(["1e300", "NaN", "-1", '"x"', "[]", "{}", "null", "[" * 9000]),
)
def test_what_another_program_writes_holds_no_site_for_ever(key: str, make: Callable[[str], str], value: str) -> None:
    site = Site()
    site.keys.values[key] = Entry(make(value).encode(), 1)
    limit = site.keys.now + timedelta(seconds=LONGEST_HOLD_S)
    assert all(hold.next_at <= limit for hold in site.troubles.holds())
    site.keys.now = limit + timedelta(seconds=1)
    assert site.ask(1) is None


@pytest.mark.long
def test_a_feed_with_a_site_for_each_episode_does_not_fill_the_state() -> None:
    site = Site()
    site.code = Code.NETWORK_ERROR
    for number in range(MOST_SITES + 50):
        source = Source(kind=SourceKind.MEDIA, url=f"https://{number}.{HOST}/x")
        with pytest.raises(IngestError), site.breaker.permit(VideoRequested(video_id="a" * 11, source=source)):
            raise IngestError(Code.NETWORK_ERROR, "x" * 500)
    assert len(site.troubles.states.read()[0]) == MOST_SITES
    assert len(site.keys.values[KEY].data) < 500_000
