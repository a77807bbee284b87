"""Compares the times in a sound track with the seconds given out so far, and finds what is missing. Pure.

FFmpeg goes on behind a hole: without silence in its place, every later time would be early. Some containers store no
times, or FFmpeg computes them from a sample rate that has changed: their clock is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_HOLE_S = 0.05  # a smaller difference is rounding
UNSURE_HOLE_S = 1.0  # the same for rough times, and where FFmpeg computes some of them from an outdated sample rate
JUMP_BACK_S = 1.0
JUMP_AHEAD_S = 10.0  # FFmpeg's own limit

EXACT = frozenset({"matroska", "mov", "mpeg", "mpegts", "mxf"})  # times do not depend on the sample rate
UNTIL_CHANGE = frozenset({"flac", "ogg"})  # times are counts of samples of the first sample rate
ROUGH = frozenset({"asf", "flv", "rm"})  # times show holes, but many programs round them to coarse steps
TIMED = EXACT | UNTIL_CHANGE | ROUGH
SPLICED = frozenset({"mpeg", "mpegts"})  # the clock begins anew where two broadcasts are joined


@dataclass
class Clock:
    """The clock of a track in a container (FFmpeg's name, up to a comma); `jumps` counts how often it begins anew."""

    container: str
    jumps: int = 0
    _origin_s: float | None = None
    _last_s: float = 0.0
    _given_s: float = 0.0
    _surplus_s: float = 0.0
    _surplus_before_s: float = 0.0
    _largest_hole_s: float = LARGEST_HOLE_S
    _is_trusted: bool = True

    def __post_init__(self) -> None:
        self._is_trusted = self.container in TIMED
        self._largest_hole_s = UNSURE_HOLE_S if self.container in ROUGH else LARGEST_HOLE_S

    @property
    def ahead_s(self) -> float:
        """Return by how many seconds the sound is longer than its times say; 0 where the times are not trusted."""
        if not self._is_trusted or self.container in ROUGH:
            return 0.0
        return self._surplus_before_s + self._surplus_s

    def change(self) -> None:
        """Note that the sample rate changes here."""
        self._is_trusted = self._is_trusted and self.container in EXACT
        if self.container in SPLICED:
            self._largest_hole_s = UNSURE_HOLE_S

    def hole_s(self, time_s: float | None) -> float:
        """Return the seconds that are missing before a frame with this time."""
        if time_s is None or not self._is_trusted:
            return 0.0
        if self._origin_s is None or self._has_jumped(time_s):
            self._surplus_before_s += self._surplus_s
            self._origin_s, self._given_s = time_s, 0.0
        self._last_s = time_s
        hole_s = time_s - self._origin_s - self._given_s
        self._surplus_s = max(0.0, -hole_s)
        return hole_s if hole_s > self._largest_hole_s else 0.0

    def advance(self, seconds: float) -> None:
        """Count seconds of sound or silence that were given out."""
        self._given_s += seconds

    def _has_jumped(self, time_s: float) -> bool:
        step_s = time_s - self._last_s
        has_jumped = step_s < -JUMP_BACK_S or (self.container in SPLICED and step_s > JUMP_AHEAD_S)
        self.jumps += has_jumped
        return has_jumped
