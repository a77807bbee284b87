"""Memory of storing and reading long recordings on each home of the volume: what a process takes beyond its start.

A process of its own stores a file of the size of a recording and reads it as another machine does, checksums included.
Files are random bytes, no audio is decoded; servers are those of `bench.homes`, and not measured.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.homes import AUDIO_BYTES_S, HOMES, NOISE, Site, made
from ingest.cli.local.nats_server import EmbeddedNats
from ingest.shared.artifacts.volume import NewArtifact, Volume
from tests.support import s3_server

if TYPE_CHECKING:
    import argparse

HOUR_S = 3600
ID = "abcdefghijk"


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    found = {name: [_measured(name, hours) for hours in options.hours] for name in HOMES}
    if options.json:
        report.print_json({"options": vars(options), "peak_bytes": found})
        return
    report.print_machine()
    print(f"files of {AUDIO_BYTES_S * 8 // 1000} kbit/s; MB beyond the start of the process\n")
    columns = ("home", *(f"{hours:g} h" for hours in options.hours))
    report.print_table(columns, ((name, *(f"{each / 1e6:.1f}" for each in peaks)) for name, peaks in found.items()))


def _options() -> argparse.Namespace:
    parser = report.parser("bench.home_memory", __doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 10.0], help="lengths (default 1 10)")
    return parser.parse_args()


def _measured(name: str, hours: float) -> int:
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ingest-bench-")))
        server = EmbeddedNats(folder / "nats")
        opened.callback(server.stop)
        (folder / "store").mkdir()
        store = opened.enter_context(s3_server.running(folder / "store", volume_mb=1024))
        site = made(name, folder / "home", server, store)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_peak, (site, hours))


def _peak(site: Site, hours: float) -> int:
    """Return by how much the peak of this process has grown with a file of this length."""
    _store_and_read(site, 1)  # modules, connections and buffers are there
    before = _resident("VmHWM")
    _store_and_read(site, int(hours * HOUR_S * AUDIO_BYTES_S))
    return _resident("VmHWM") - before


def _store_and_read(site: Site, size: int) -> None:
    source = site.folder.with_name("source")
    source.unlink(missing_ok=True)  # it may be a copy of the home by now
    with source.open("wb") as file:
        for start in range(0, size, len(NOISE)):
            file.write(NOISE[: min(len(NOISE), size - start)])
    there, here = Volume(site.machine("there")), Volume(site.machine("here"))
    artifact = there.keep(ID, NewArtifact(source, "audio", "bin", 1.0, "bench", size))
    here.verified(artifact)


def _resident(what: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    main()
