"""`ingest doctor` shows a row for every part, whatever is broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from ingest.cli.operate import doctor
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings

LOADS = ("ASR model", "diarization", "embedding model")  # seconds of imports


class Broken:
    """Settings of which none can be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=pytest.mark.long if part in LOADS else ()) for part in doctor.CHECKS]
)
def test_every_check_is_a_row_even_when_no_setting_can_be_read(part: str) -> None:
    found = doctor.checked(part, doctor.CHECKS[part], cast("AllSettings", Broken(OSError(5, "I/O error"))))
    assert (found.what, found.level in ("ok", "note", "problem")) == (part, True)


@pytest.mark.parametrize("error", [RuntimeError("odd"), ImportError("libcuda.so: not found"), OSError(5, "I/O error")])
def test_a_check_that_fails_is_a_problem_with_its_reason(error: Exception) -> None:
    found = doctor.checked("volume", doctor.CHECKS["volume"], cast("AllSettings", Broken(error)))
    assert (found.level, str(error) in found.found, bool(found.advice)) == ("problem", True, True)


def test_settings_that_cannot_be_read_are_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> AllSettings:
        raise ConfigurationError("INGEST_GRACE_S=nan: wrong")

    assert not doctor.examine(read, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["what"], row["level"], row["found"]) == ("settings", "problem", "INGEST_GRACE_S=nan: wrong")
