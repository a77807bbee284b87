"""What happens to a message after a failure: the decision for every outcome, and the counters that travel along."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shared.errors import RULES, Code, IngestError, Outcome
from ingest.shared.worker.retry import Again, Attempts, Finish, GiveUp, Pauses, Redo, crash_loop, decide

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAUSES = Pauses(first_s=10.0, longest_s=60.0, postponed_s=30.0, deferred_s=3600.0)
NONE_YET = Attempts()


class Even(random.Random):
    """Chance without spread: pauses are exactly as long as they should be on average."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def after(error: IngestError, attempts: Attempts = NONE_YET, rng: random.Random | None = None) -> Again:
    decision = decide(error, attempts, NOW, PAUSES, rng or Even())
    assert isinstance(decision, Again)
    return decision


def pause_s(again: Again) -> float:
    return (again.at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("code", "decision"),
    [
        pytest.param(Code.SUPERSEDED, Finish(), id="done"),
        pytest.param(Code.BAD_URL, GiveUp(Outcome.PERMANENT), id="permanent"),
        pytest.param(Code.MEMBERS_ONLY, GiveUp(Outcome.SKIPPED), id="skipped"),
        pytest.param(
            Code.NETWORK_ERROR,
            Again(Outcome.TRANSIENT, NOW + timedelta(seconds=10), Attempts(transient=1)),
            id="transient",
        ),
        pytest.param(
            Code.ENV_DISK_FULL,
            Again(Outcome.POSTPONED, NOW + timedelta(seconds=30), Attempts(postponed=1)),
            id="postponed",
        ),
        pytest.param(
            Code.NOT_YET_AVAILABLE,
            Again(Outcome.DEFERRED, NOW + timedelta(seconds=3600), Attempts(postponed=1)),
            id="deferred",
        ),
    ],
)
def test_every_outcome_has_its_decision(code: Code, decision: object) -> None:
    assert decide(IngestError(code, "x"), NONE_YET, NOW, PAUSES, Even()) == decision


@pytest.mark.parametrize(
    "code",
    [pytest.param(code, id=code) for code, rule in RULES.items() if rule.outcome is Outcome.TRANSIENT],
)
def test_a_transient_error_is_worth_as_many_attempts_as_its_code_says(code: Code) -> None:
    attempts, tried = NONE_YET, 1
    while isinstance(decision := decide(IngestError(code, "x"), attempts, NOW, PAUSES, Even()), Again):
        attempts, tried = decision.attempts, tried + 1
    assert decision == GiveUp(Outcome.PERMANENT)
    assert tried == RULES[code].attempts + len(RULES[code].later_s)
    assert attempts.number == tried


def test_a_final_error_is_given_up_at_the_first_attempt() -> None:
    error = IngestError(Code.NETWORK_ERROR, "x", is_final=True)
    assert decide(error, NONE_YET, NOW, PAUSES, Even()) == GiveUp(Outcome.PERMANENT)


@pytest.mark.parametrize("code", [Code.SOURCE_UNKNOWN, Code.SITE_CHANGED, Code.ACCOUNT_REFUSED, Code.PROXY_REFUSED])
def test_what_may_not_be_the_fault_of_the_recording_is_deferred_over_days_before_it_fails(code: Code) -> None:
    rule = RULES[code]
    pauses = [after(IngestError(code, "x"), Attempts(transient=count)) for count in range(rule.attempts - 1, 99)[:5]]
    assert [(again.outcome, pause_s(again)) for again in pauses] == [(Outcome.DEFERRED, s) for s in rule.later_s]
    assert sum(rule.later_s) > timedelta(days=7).total_seconds()
    last = Attempts(transient=rule.attempts - 1 + len(rule.later_s))
    assert decide(IngestError(code, "x"), last, NOW, PAUSES, Even()) == GiveUp(Outcome.PERMANENT)


def test_pauses_double_up_to_the_longest() -> None:
    error = IngestError(Code.NETWORK_ERROR, "x")
    assert [pause_s(after(error, Attempts(transient=count))) for count in range(4)] == [10, 20, 40, 60]


@settings(max_examples=200)
@given(seed=st.integers(), code=st.sampled_from([Code.NETWORK_ERROR, Code.ENV_DISK_FULL, Code.IS_LIVE]))
def test_pauses_vary_by_a_fifth_and_no_more(seed: int, code: Code) -> None:
    even_s = pause_s(after(IngestError(code, "x")))
    varied_s = pause_s(after(IngestError(code, "x"), rng=random.Random(seed)))  # noqa: S311 (jitter)
    assert 0.8 * even_s <= varied_s <= 1.2 * even_s


def test_messages_that_fail_together_do_not_come_back_together() -> None:
    rng = random.Random(1)  # noqa: S311 (jitter)
    assert len({pause_s(after(IngestError(Code.ENV_VOLUME, "x"), rng=rng)) for _ in range(20)}) == 20


@pytest.mark.parametrize("code", [Code.NETWORK_ERROR, Code.SOURCE_RATE_LIMITED, Code.NOT_YET_AVAILABLE])
def test_a_time_that_the_error_names_is_kept_to_the_second(code: Code) -> None:
    then = NOW + timedelta(days=3)
    assert after(IngestError(code, "x", retry_at=then)).at == then


def test_a_time_that_is_past_means_now() -> None:
    error = IngestError(Code.SOURCE_RATE_LIMITED, "x", retry_at=NOW - timedelta(hours=1))
    assert after(error).at == NOW


def test_a_held_site_takes_the_attempts_so_far_back_once() -> None:
    held = IngestError(Code.SITE_HELD, "x")
    first = after(held, Attempts(transient=2)).attempts
    assert first == Attempts(postponed=1, held=1)
    later = Attempts.from_headers(replace(first, transient=2).as_headers())
    assert after(held, later).attempts == Attempts(transient=2, postponed=2, held=2), "else it would never end"


@pytest.mark.parametrize(
    ("pause", "outcome"),
    [(timedelta(minutes=5), Outcome.POSTPONED), (timedelta(minutes=20), Outcome.DEFERRED)],
)
def test_a_command_does_not_wait_for_a_site_that_is_held_for_long(pause: timedelta, outcome: Outcome) -> None:
    assert after(IngestError(Code.SITE_HELD, "x", retry_at=NOW + pause)).outcome is outcome


def test_a_postponement_costs_no_attempt_however_often_it_happens() -> None:
    attempts = Attempts(transient=1, crash=1)
    for _ in range(50):
        attempts = after(IngestError(Code.ENV_DB_UNAVAILABLE, "x"), attempts).attempts
    assert attempts == Attempts(transient=1, postponed=50, crash=1)
    assert attempts.number == 3


@given(transient=st.integers(0, 10**6), postponed=st.integers(0, 10**6), device=st.integers(0, 9))
def test_counters_survive_their_journey_in_headers(transient: int, postponed: int, device: int) -> None:
    attempts = Attempts(transient, postponed, device=device)
    assert Attempts.from_headers(attempts.as_headers()) == attempts


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("many", id="word"),
        pytest.param("-1", id="negative"),
        pytest.param("1.5", id="fraction"),
        pytest.param(" 1", id="space"),
        pytest.param("²", id="superscript"),
        pytest.param("9" * 10, id="beyond the database's numbers"),
        pytest.param("9" * 5000, id="longer than Python reads"),
    ],
)
def test_an_unreadable_counter_is_zero(value: str) -> None:
    assert Attempts.from_headers({"Ingest-Transient": value, "Ingest-Postponed": "2"}) == Attempts(0, 2, 0)


def test_missing_counters_are_zero() -> None:
    assert Attempts.from_headers({"Nats-Msg-Id": "7"}) == NONE_YET


def test_a_dead_letter_gets_all_counters() -> None:
    assert Attempts(1, 2, 3, 4).as_numbers() == {"transient": 1, "postponed": 2, "crash": 3, "device": 4}


@pytest.mark.parametrize(("crashes", "is_loop"), [(0, False), (2, False), (3, True), (4, True)])
def test_the_third_crash_makes_a_loop(crashes: int, is_loop: bool) -> None:  # noqa: FBT001 (a table)
    assert (crash_loop(Attempts(crash=crashes)) is not None) is is_loop


def test_a_message_that_loses_the_device_again_and_again_while_it_runs_alone_makes_a_loop() -> None:
    attempts, tried = NONE_YET, 0
    while crash_loop(attempts) is None:
        assert attempts.is_suspect == (tried > 0)
        attempts, tried = after(IngestError(Code.ENV_CUDA, "x"), attempts).attempts, tried + 1
    assert tried == 1 + RULES[Code.CRASH_LOOP].attempts
    assert attempts.number == 1


@pytest.mark.parametrize(
    ("redo", "is_final", "decision"),
    [
        pytest.param(0, False, Redo(), id="the first time"),
        pytest.param(1, False, GiveUp(Outcome.PERMANENT), id="made again already"),
        pytest.param(0, True, GiveUp(Outcome.PERMANENT), id="another file would be the same"),
        pytest.param(None, True, GiveUp(Outcome.PERMANENT), id="not about the input file"),
    ],
)
def test_an_input_file_is_made_again_once(redo: int | None, *, is_final: bool, decision: Redo | GiveUp) -> None:
    error = IngestError(Code.CHECKSUM_MISMATCH, "x", is_final=is_final)
    assert decide(error, NONE_YET, NOW, PAUSES, Even(), redo=redo) == decision
