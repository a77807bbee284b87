"""Plays inputs against a target until its time is over, and keeps the inputs that break a property."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import hypothesis
from hypothesis import HealthCheck, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from ingest.shared.errors import Code, IngestError

BATCH = 200
LONGEST_S = 20.0  # of processor time for one input
MOST_FINDINGS = 20
LONGEST_VALUE = 200_000  # a media file, so that a finding can be repeated


@dataclass(frozen=True)
class Target:
    """What reads untrusted input. `check` returns what became of an input; it raises when a property is broken."""

    name: str
    promises: str
    inputs: SearchStrategy[Any]
    check: Callable[[Any], str]


@dataclass(frozen=True)
class Finding:
    """An input that breaks a property, as small as it could be made, with the error."""

    value: str
    error: str


@dataclass
class Result:
    """What became of the inputs of a target."""

    target: Target
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """Return the number of inputs."""
        return self.outcomes.total()


class SlowError(AssertionError):
    """An input took too long."""


def refused(error: IngestError, *codes: Code) -> str:
    """Return the code of an error that is one of `codes`; raise AssertionError for any other."""
    if error.code not in codes:
        raise AssertionError(f"refused with {error}") from error
    return str(error.code)


def play(target: Target, seconds: float, seed: int) -> Result:
    """Play inputs for some seconds, and at least one."""
    result = Result(target)
    end = time.monotonic() + seconds
    batch = 0
    while not batch or (time.monotonic() < end and len(result.findings) < MOST_FINDINGS):
        _play_batch(result, end, f"{seed}:{batch}")
        batch += 1
    return result


def _play_batch(result: Result, end: float, seed: str) -> None:
    broken: list[tuple[object, Exception]] = []

    def check(value: object) -> None:
        if result.inputs and time.monotonic() > end:
            return
        began = time.process_time()
        try:
            result.outcomes[result.target.check(value)] += 1
            if time.process_time() - began > LONGEST_S:
                raise SlowError(f"took {time.process_time() - began:.0f} s")  # noqa: TRY301 (a finding as any other)
        except Exception as error:
            result.outcomes["broken"] += 1
            broken.append((value, error))
            raise

    settings = hypothesis.settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    run = hypothesis.seed(seed)(settings(hypothesis.given(result.target.inputs)(check)))
    try:
        run()
    except Exception:  # noqa: BLE001 (the finding was kept with its own error)
        value, error = broken[-1]
        where = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{type(error).__name__} in {where.name} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        vars(error).pop("__notes__", None)  # hypothesis adds the input: it is printed once
        text = "".join(traceback.format_exception(error))
        result.findings.setdefault(key, Finding(repr(value)[:LONGEST_VALUE], text[-3000:]))
