"""Peak memory of diarizing a long recording against a short one, each in a process of its own.

The recording is composed of the bundled samples and mapped from a file as in the service: the waveform is page cache,
and separated. What is measured is memory that the process has taken for itself (RssAnon), above what it has before it
begins, with the allocator set as in a worker on a CPU: freed memory is kept.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from bench import report
from ingest.demo import VOICE_MODEL, episodes, voice_model_sha256
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, FloatArray, decode

MEASURE_EVERY_S = 0.02
MEGABYTE = 1 << 20


def compose(path: Path, hours: float, seed: int) -> None:
    """Write a recording of `hours` hours."""
    rng = random.Random(seed)
    clips: list[FloatArray] = []
    for sample in episodes():
        blocks: list[FloatArray] = []
        decode(sample.path, DecodeLimits(), blocks.append)
        clips.append(np.concatenate(blocks).astype(np.float32))
    left = int(hours * 3600 * SAMPLE_RATE)
    with path.open("wb") as out:
        while left > 0:
            clip = rng.choice(clips)[:left]
            out.write((clip * np.float32(rng.uniform(0.6, 1.0))).tobytes())
            left -= len(clip)


def private_bytes(process: str = "self") -> int:
    """Return the anonymous memory of a process, by its number (RssAnon)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def child(path: Path, window_s: float) -> None:
    """Diarize a recording, and print the figures as JSON."""
    from ingest.asr.recognition.allocator import keep_freed_memory
    from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions

    keep_freed_memory()
    diarizer = Diarizer(DiarizerOptions(str(VOICE_MODEL), "cpu", 32, window_s, 0.7, sha256=voice_model_sha256()))
    waveform = np.memmap(path, dtype=np.float32, mode="r")
    diarizer.diarize(waveform[: 30 * SAMPLE_RATE], [])  # loads what is needed once
    before, peak, done = private_bytes(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(MEASURE_EVERY_S):
            peak[0] = max(peak[0], private_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    turns = diarizer.diarize(waveform, [])
    took_s = time.monotonic() - began
    done.set()
    watcher.join()
    found = {"peak_mb": (peak[0] - before) / MEGABYTE, "took_s": took_s, "turns": len(turns)}
    print(json.dumps({**found, "speakers": len({item.speaker for item in turns})}))


def measure(hours: float, window_s: float, seed: int) -> dict[str, float]:
    """Return the figures of a recording of `hours` hours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.f32"
        compose(path, hours, seed)
        command = [sys.executable, "-m", "bench.diarization_memory", "--child", str(path), "--window", str(window_s)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 (ourselves)
        found: dict[str, float] = json.loads(output.splitlines()[-1])
        return {"hours": hours, "mapped_mb": path.stat().st_size / MEGABYTE, **found}


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.diarization_memory", __doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 3.0], help="lengths (default %(default)s)")
    parser.add_argument(
        "--window", type=float, default=1800.0, help="INGEST_DIARIZATION_WINDOW_S (default %(default)s)"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    report.quiet()
    if arguments.child is not None:
        child(arguments.child, arguments.window)
        return
    found = [measure(hours, arguments.window, arguments.seed) for hours in arguments.hours]
    if arguments.json:
        report.print_json(found)
        return
    report.print_machine()
    rows = [
        (
            f"{one['hours']:g} h",
            f"{one['mapped_mb']:.0f} MB",
            f"{one['peak_mb']:.0f} MB",
            f"{one['peak_mb'] / found[0]['peak_mb']:.2f}x",
            f"{one['took_s']:.0f} s",
            f"{one['turns']:.0f}",
            f"{one['speakers']:.0f}",
        )
        for one in found
    ]
    report.print_table(
        ("recording", "waveform (mapped)", "peak memory", "of the first", "took", "turns", "speakers"), rows
    )


if __name__ == "__main__":
    main()
