"""Limits of a recording: beyond them it is refused. Also how far statements about its length may differ."""

from __future__ import annotations

from dataclasses import dataclass

MISSING_SHARE = 0.02
MISSING_S = 2.0


@dataclass(frozen=True)
class DecodeLimits:
    """Limits of a recording; a file beyond them is refused."""

    max_duration_s: float = 12 * 3600.0
    min_sample_rate: int = 4_000
    max_sample_rate: int = 192_000
    max_channels: int = 32  # of a mixing desk


def tolerance_s(duration_s: float) -> float:
    """Return by how much two statements about a length may differ: 2 %, and at least 2 s."""
    return max(MISSING_S, MISSING_SHARE * duration_s)


def off_s(duration_s: float, announced_s: float | None) -> float:
    """Return by how much an announced length is longer (or shorter, if negative); 0 within the tolerance."""
    if announced_s is None or abs(announced_s - duration_s) <= tolerance_s(max(announced_s, duration_s)):
        return 0.0
    return round(announced_s - duration_s, 3)
