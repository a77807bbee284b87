"""The table of error codes."""

from __future__ import annotations

import pytest

from ingest.shared.errors import RULES, Code, IngestError, Outcome


@pytest.mark.parametrize("code", [pytest.param(code, id=code) for code in Code])
def test_every_code_has_a_rule_that_makes_sense(code: Code) -> None:
    rule = RULES[code]
    assert code.value == code.name
    assert rule.advice
    assert (rule.attempts + len(rule.later_s) > 1) == (rule.outcome is Outcome.TRANSIENT or code is Code.CRASH_LOOP)


def test_what_is_wrong_with_the_environment_is_never_charged_to_a_video() -> None:
    assert {RULES[code].outcome for code in Code if code.startswith("ENV_")} == {Outcome.POSTPONED}


@pytest.mark.parametrize(
    ("code", "outcome", "attempts"),
    [
        pytest.param(Code.BAD_MESSAGE, Outcome.PERMANENT, 1, id="input"),
        pytest.param(Code.VIDEO_PRIVATE, Outcome.SKIPPED, 1, id="not open to us"),
        pytest.param(Code.IS_LIVE, Outcome.DEFERRED, 1, id="not yet"),
        pytest.param(Code.SOURCE_RATE_LIMITED, Outcome.POSTPONED, 1, id="held by the site"),
        pytest.param(Code.NETWORK_TIMEOUT, Outcome.TRANSIENT, 5, id="the way between"),
        pytest.param(Code.AUDIO_CORRUPT, Outcome.TRANSIENT, 2, id="once more"),
        pytest.param(Code.UNEXPECTED, Outcome.TRANSIENT, 3, id="a bug of ours"),
        pytest.param(Code.SUPERSEDED, Outcome.DONE, 1, id="a newer run is stored"),
    ],
)
def test_a_code_of_each_kind_has_its_outcome(code: Code, outcome: Outcome, attempts: int) -> None:
    error = IngestError(code, "x")
    assert (error.rule.outcome, error.rule.attempts) == (outcome, attempts)


def test_the_text_of_an_error_begins_with_its_code() -> None:
    assert str(IngestError(Code.TOO_LONG, "13.0 h > limit 12.0 h")) == "TOO_LONG: 13.0 h > limit 12.0 h"
