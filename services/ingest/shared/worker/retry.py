"""Decides what happens to a message after a failure. Pure: only the worker acts on the decision."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ingest.shared.errors import RULES, Code, IngestError, Outcome, Rule

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

HEADER_PREFIX = "Ingest-"
_COUNTER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Pauses:
    """How long a message waits, in seconds, where its error does not say when to come back.

    A transient failure waits `first_s`, doubling up to `longest_s`; a postponement or a deferral as their names say.
    """

    first_s: float = 5.0
    longest_s: float = 15 * 60.0
    postponed_s: float = 30.0
    deferred_s: float = 3600.0


@dataclass(frozen=True)
class Attempts:
    """How often a message was tried, by cause. Travels in its headers; `crash` is counted by the journal.

    `device` is how often its worker lost the device while the message was in flight, `held` how often its site was
    held.
    """

    transient: int = 0
    postponed: int = 0
    crash: int = 0
    device: int = 0
    held: int = 0

    @property
    def number(self) -> int:
        """Return the number of the attempt that runs now (1 for the first); postponements do not count."""
        return 1 + self.transient + self.crash

    def as_headers(self) -> dict[str, str]:
        """Return the counters that travel with the message."""
        return {
            f"{HEADER_PREFIX}Transient": str(self.transient),
            f"{HEADER_PREFIX}Postponed": str(self.postponed),
            f"{HEADER_PREFIX}Device": str(self.device),
            f"{HEADER_PREFIX}Held": str(self.held),
        }

    def as_numbers(self) -> dict[str, int]:
        """Return the counters for a dead letter."""
        return {
            "transient": self.transient,
            "postponed": self.postponed,
            "crash": self.crash,
            "device": self.device,
        }

    @property
    def is_suspect(self) -> bool:
        """Return whether the message may have ended a worker: such a message runs alone."""
        return self.crash > 0 or self.device > 0

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Attempts:
        """Read the counters of a message; what is missing or unreadable is zero."""

        def number(name: str) -> int:
            value = headers.get(HEADER_PREFIX + name, "0")
            return int(value) if _COUNTER.fullmatch(value) else 0

        counts = {"transient": number("Transient"), "postponed": number("Postponed")}
        return cls(**counts, device=number("Device"), held=number("Held"))


@dataclass(frozen=True)
class GiveUp:
    """No further attempt: a dead letter, or for `skipped` the reason alone."""

    outcome: Outcome


@dataclass(frozen=True)
class Again:
    """The message comes back at `at` with these counters."""

    outcome: Outcome
    at: datetime
    attempts: Attempts


@dataclass(frozen=True)
class Redo:
    """An earlier stage makes the input file once more."""


@dataclass(frozen=True)
class Finish:
    """Nothing to do any more."""


Decision = GiveUp | Again | Redo | Finish


def decide(
    error: IngestError,
    attempts: Attempts,
    now: datetime,
    pauses: Pauses,
    rng: random.Random,
    *,
    redo: int | None = None,
) -> Decision:
    """Return what to do about `error` after `attempts` earlier ones; pauses vary by 20 %.

    `redo` is how often the input file was made again, or None where the error is not about that file.
    """
    rule = error.rule
    if redo is not None and not error.is_final:
        return GiveUp(Outcome.PERMANENT) if redo else Redo()
    jitter = rng.uniform(0.8, 1.2)
    outcome = rule.outcome
    match rule.outcome:
        case Outcome.DONE:
            return Finish()
        case Outcome.PERMANENT | Outcome.SKIPPED:
            return GiveUp(rule.outcome)
        case Outcome.TRANSIENT:
            if error.is_final or attempts.transient + 1 >= rule.attempts + len(rule.later_s):
                return GiveUp(Outcome.PERMANENT)
            outcome, pause_s = _pause(rule, attempts.transient + 1, pauses)
            counted = replace(attempts, transient=attempts.transient + 1)
        case Outcome.POSTPONED | Outcome.DEFERRED:
            pause_s = pauses.deferred_s if rule.outcome is Outcome.DEFERRED else pauses.postponed_s
            counted = _postponed(error.code, attempts)
    at = max(error.retry_at, now) if error.retry_at else now + timedelta(seconds=pause_s * jitter)
    if (at - now).total_seconds() >= rule.defers_from_s:
        outcome = Outcome.DEFERRED
    return Again(outcome, at, counted)


def _postponed(code: Code, attempts: Attempts) -> Attempts:
    """Return the counters after a postponement.

    The first time that its site is held, the attempts so far are no longer counted: they were the site's fault.
    """
    more = replace(attempts, postponed=attempts.postponed + 1)
    if code is Code.ENV_CUDA:
        return replace(more, device=attempts.device + 1)
    if code is Code.SITE_HELD:
        return replace(more, held=attempts.held + 1, transient=attempts.transient if attempts.held else 0)
    return more


def _pause(rule: Rule, tried: int, pauses: Pauses) -> tuple[Outcome, float]:
    """Return the outcome and the pause in seconds after `tried` attempts: short ones first, then those of `later_s`."""
    if tried < rule.attempts:
        return Outcome.TRANSIENT, min(pauses.longest_s, pauses.first_s * 2 ** (tried - 1))
    return Outcome.DEFERRED, rule.later_s[tried - rule.attempts]


def crash_loop(attempts: Attempts) -> IngestError | None:
    """Return an error for a message that has ended its worker as often as its rule allows.

    The first loss of a device does not count: other messages were in flight, too. After it the message runs alone, and
    a worker starts only when its device works.
    """
    most = RULES[Code.CRASH_LOOP].attempts
    if attempts.crash >= most:
        return IngestError(Code.CRASH_LOOP, f"ended its worker {attempts.crash} times")
    if attempts.device > most:
        return IngestError(Code.CRASH_LOOP, f"its worker has lost the device {attempts.device} times")
    return None
