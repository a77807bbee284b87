"""Progress of a run: a live table on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ingest.cli import console
from ingest.cli.runs.tally import Tally, count, eta_s
from ingest.shared import outgoing
from ingest.shared.messages import Stage
from ingest.shared.progress import Progress, Step, progress_of
from ingest.shared.text import shorten
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REFRESH_S = 0.25
LINE_EVERY_S = 10.0
MOST_RUNNING = 3  # videos whose progress is shown
LONGEST_TITLE = 60


class Display:
    """Shows the states of the videos while the `with` block runs."""

    def __init__(self, videos: Iterable[VideoRecord], *, quiet: bool, line_every_s: float = LINE_EVERY_S) -> None:
        self._line_every_s = line_every_s
        self._before = count(videos)
        self._began = time.monotonic()
        self._shown_at = 0.0
        self._watches: dict[tuple[str, Step], _Watch] = {}
        self._announced: set[str] = {video.video_id for video in videos if video.is_settled}
        self._quiet = quiet
        self._live = (
            Live(console=console.err, refresh_per_second=4) if console.err.is_interactive and not quiet else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def print_line(self, text: str) -> None:
        """Print a line above the live table."""
        if not self._quiet:
            console.err.print(outgoing.indented(text), markup=False)

    def update(self, videos: Iterable[VideoRecord]) -> None:
        """Show the current states, and a line for each video that is newly finished."""
        videos = list(videos)
        for video in videos:
            if video.is_settled and video.video_id not in self._announced:
                self._announced.add(video.video_id)
                self.print_line(_settled_line(video))
        pause = REFRESH_S if self._live is not None else self._line_every_s
        if time.monotonic() - self._shown_at < pause:
            return
        self._shown_at = time.monotonic()
        tally, elapsed = count(videos), time.monotonic() - self._began
        postponed = next((video for video in videos if video.state == VideoState.POSTPONED), None)
        running = self._running(videos)
        if self._live is not None:
            self._live.update(_panel(tally, self._before, elapsed, postponed, running))
        elif not self._quiet:
            self.print_line(_line(tally, self._before, elapsed, postponed))
            for line in running:
                self.print_line(f"  {line}")

    def _running(self, videos: Iterable[VideoRecord]) -> list[str]:
        """Return a line for each of the first videos in progress: how far it is, and how long its step still takes."""
        now, lines = time.monotonic(), []
        for video in videos:
            progress = progress_of(video.figures, video.stage) if video.state == VideoState.RUNNING else None
            if progress is not None:
                watch = self._watches.setdefault((video.video_id, progress.step), _Watch(now, progress.done))
                lines.append(_progress_line(video, progress, watch.left_s(progress, now)))
        return lines[:MOST_RUNNING]


@dataclass(frozen=True)
class _Watch:
    """When a step of a video was first seen, and what was done then."""

    since: float
    done: float

    def left_s(self, progress: Progress, now: float) -> float | None:
        """Return the seconds that a step still takes at its pace so far, or None without one."""
        fresh = progress.done - self.done
        if fresh <= 0 or now <= self.since or progress.of <= 0:
            return None
        return max(0.0, progress.of - progress.done) * (now - self.since) / fresh


def _progress_line(video: VideoRecord, progress: Progress, left_s: float | None) -> str:
    title = shorten(outgoing.line(video.metadata.title or video.video_id), LONGEST_TITLE)
    length = f" of {console.clock(progress.length_s)}" if progress.length_s else ""
    left = f", {console.clock(left_s)} to go" if left_s else ""
    return f"{title}: {progress}{length}{left}"


def _settled_line(video: VideoRecord) -> str:
    title = outgoing.line(video.metadata.title or video.video_id)
    if video.code is None:
        length = console.clock(video.metadata.duration_s or 0)
        return f"  {video.state:8} {title} ({length}, {int(video.figures.get('embedder.passages', 0))} passages)"
    when = f" until {video.retry_at:%Y-%m-%d %H:%M} UTC" if video.retry_at else ""
    return f"  {video.state:8} {title}: {video.code}: {outgoing.line(video.message)}{when}"


def _pace(tally: Tally, before: Tally, elapsed_s: float) -> str:
    parts = []
    if tally.real_time_factor is not None:
        parts.append(f"real-time factor {tally.real_time_factor:.3f}")
    fresh_s = tally.transcribed_s - before.transcribed_s
    if fresh_s > 0:
        parts.append(f"{fresh_s / elapsed_s:.1f} h/h")
    left_s = eta_s(tally, before, elapsed_s)
    if left_s and tally.settled < tally.total:
        parts.append(f"ETA {console.clock(left_s)}")
    return ", ".join(parts)


def _postponement(video: VideoRecord | None) -> str:
    if video is None:
        return ""
    until = f" until {video.retry_at:%H:%M:%S} UTC" if video.retry_at else ""
    return f"postponed{until}: {video.code}: {outgoing.line(video.message)}"


def _line(tally: Tally, before: Tally, elapsed_s: float, postponed: VideoRecord | None) -> str:
    parts = [
        f"{tally.downloaded}/{tally.total} downloaded",
        f"{tally.transcribed} transcribed",
        f"{tally.indexed} indexed",
        *([f"{tally.failed} failed"] if tally.failed else []),
        *([f"{tally.skipped} skipped"] if tally.skipped else []),
        _pace(tally, before, elapsed_s),
        _postponement(postponed),
    ]
    return f"[{console.clock(elapsed_s)}] " + ", ".join(part for part in parts if part)


def _panel(tally: Tally, before: Tally, elapsed_s: float, postponed: VideoRecord | None, lines: Sequence[str]) -> Group:
    grid = Table.grid(padding=(0, 2))
    rows = (
        ("downloaded", tally.downloaded, tally.running.get(Stage.DOWNLOAD, 0) + tally.running.get(Stage.CHECK, 0)),
        ("transcribed", tally.transcribed, tally.running.get(Stage.ASR, 0)),
        ("indexed", tally.indexed, tally.running.get(Stage.EMBEDDER, 0)),
    )
    for name, done, running in rows:
        bar = ProgressBar(total=max(1, tally.total), completed=done, width=30)
        grid.add_row(name, bar, f"{done}/{tally.total}", f"{running} running" if running else "")
    ended = [f"{number} {name}" for name, number in (("failed", tally.failed), ("skipped", tally.skipped)) if number]
    last = ", ".join(part for part in (console.clock(elapsed_s), _pace(tally, before, elapsed_s), *ended) if part)
    return Group(
        grid,
        *(Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in lines),
        Text(last, style="dim"),
        *([Text(_postponement(postponed), style="yellow")] if postponed else []),
    )
