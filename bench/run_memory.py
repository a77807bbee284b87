"""Memory of the services while `ingest run` works on long recordings, on each home of the volume.

Everything is real: the three services, servers, homes, the miniature recognizer. A recording begins each hour with
`--speech` seconds of the bundled samples; the rest is faint noise, which is decoded, stored and searched for voices as
speech is. What is measured is memory that a process has taken for itself (RssAnon), at most; the decoded waveform is a
file that is mapped, and not in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from bench import report
from bench.diarization_memory import private_bytes
from ingest.demo import ASR_MODEL, episodes
from ingest.shared.pipeline import Service
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, decode
from tests.e2e.homes import home_settings
from tests.faults.homes import HomeName

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ingest.shared.sandbox.decode import FloatArray

    Samples = np.ndarray[Any, np.dtype[np.int16]]

HOUR_S, BLOCK_S = 3600, 10
NOISE = 30  # of 32,767
LOOK_S = 0.25


@dataclass(frozen=True)
class Figures:
    """What a run has shown: seconds, and bytes of each service's largest process."""

    home: str
    hours: int
    took_s: float
    peak_bytes: dict[str, int]


def compose(path: Path, hours: int, speech_s: int, seed: int) -> None:
    """Write a recording as FLAC."""
    spoken = cycle(_spoken())
    rng = np.random.default_rng(seed)
    with av.open(path, "w") as out:
        stream = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        stream.codec_context.format = av.AudioFormat("s16")
        for second in range(0, hours * HOUR_S, BLOCK_S):
            is_spoken = second % HOUR_S < speech_s
            block = next(spoken) if is_spoken else rng.integers(-NOISE, NOISE, BLOCK_S * SAMPLE_RATE).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, second * SAMPLE_RATE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _spoken() -> Iterator[Samples]:
    """Yield the bundled samples, in blocks."""
    blocks: list[FloatArray] = []
    for sample in episodes():
        decode(sample.path, DecodeLimits(), blocks.append)
    samples = (np.concatenate(blocks) * 32767).astype(np.int16)
    length = BLOCK_S * SAMPLE_RATE
    for start in range(0, len(samples) - length, length):
        yield samples[start : start + length]


def measured(home: HomeName, recording: Path, hours: int) -> Figures:
    """Run on an empty archive, and return the figures."""
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as name:
        folder = Path(name)
        with home_settings(home, folder) as settings:
            given = {"INGEST_ASR_MODEL": str(ASR_MODEL), "INGEST_ASR_LANGUAGE": "en", **settings}
            command = [sys.executable, "-m", "ingest.cli", "run", str(recording), "--state", str(folder / "state")]
            began = time.monotonic()
            with subprocess.Popen(command, env={**os.environ, **given}, stdout=subprocess.DEVNULL) as run:  # noqa: S603 (our own)
                peaks = dict.fromkeys(map(str, Service), 0)
                while run.poll() is None:
                    for service in peaks:
                        peaks[service] = max(peaks[service], _largest(service, folder))
                    time.sleep(LOOK_S)
            if run.returncode:
                raise SystemExit(f"error: `ingest run` on {home} ended with {run.returncode}")
            return Figures(home, hours, time.monotonic() - began, peaks)


def _largest(service: str, folder: Path) -> int:
    """Return the memory of the largest process of a service whose state is in a folder."""
    found = [0]
    for entry in Path("/proc").iterdir():
        with suppress(OSError, StopIteration):
            is_named = entry.name.isdecimal() and f"\0ingest.{service}\0" in (entry / "cmdline").read_text()
            if is_named and str(folder) in (entry / "environ").read_text(errors="replace"):
                found.append(private_bytes(entry.name))
    return max(found)


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    found = []
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        for hours in options.hours:
            compose(Path(folder) / f"{hours}.flac", hours, options.speech, options.seed)
        for home in options.homes:
            found += [measured(HomeName(home), Path(folder) / f"{hours}.flac", hours) for hours in options.hours]
    if options.json:
        report.print_json([asdict(one) for one in found])
        return
    report.print_machine()
    print(f"{options.speech} s of speech in each hour; memory of the largest process of a service, in MB\n")
    columns = ("home", "hours", "took", *map(str, Service))
    report.print_table(columns, map(_row, found))


def _row(one: Figures) -> tuple[str, ...]:
    peaks = (f"{each / 1e6:.0f}" for each in one.peak_bytes.values())
    return (one.home, str(one.hours), f"{one.took_s:.0f} s", *peaks)


def _options() -> argparse.Namespace:
    parser = report.parser("bench.run_memory", __doc__)
    parser.add_argument("--hours", type=report.positive, nargs="+", default=[1, 10], help="lengths (default 1 10)")
    parser.add_argument(
        "--speech", type=report.positive, default=120, help="seconds in each hour (default %(default)s)"
    )
    homes = [str(home) for home in HomeName]
    parser.add_argument("--homes", nargs="+", choices=homes, default=homes, help="(default: all)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
