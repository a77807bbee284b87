"""The pipeline on each home of the volume, side by side: how much longer it takes than on a folder, and what is moved.

The stage times are simulated, as in `bench.pipeline`; here the handlers also write and read files of the size of real
ones. Homes, servers (SeaweedFS for S3, the nats-server of the queues for JetStream), local copies and checksums are the
real ones, on this machine: no network is between them. Each service has local copies of its own, as in a cluster.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.pipeline import SEED_TRACE
from bench.schedule import Mode, Trace, lower_bound_s, sample
from bench.services import ARTIFACT, Pipeline, Visits
from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Kind, NewArtifact, Volume
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.broker.topology import FILES_BUCKET, Topology, files_spec
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import Bucket, S3Home
from ingest.shared.messages import Artifact, EventKind, Stage, VideoMessage
from ingest.shared.pipeline import SPEC_OF, Service
from ingest.shared.worker.stage import Report, StageResult
from tests.support import s3_server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ingest.shared.artifacts.home import Home

    Machine = Callable[[str], Home]
    Handle = Callable[[VideoMessage, Report], StageResult]

FOLDER, S3, JETSTREAM = "folder", "s3", "jetstream"
HOMES = (FOLDER, S3, JETSTREAM)
AUDIO_BYTES_S = 16_000  # of a YouTube recording: 128 kbit/s
TRANSCRIPT_BYTES_S, VOICES_BYTES_S = 45, 30
READ: dict[Stage, Kind] = {Stage.ASR: "audio", Stage.EMBEDDER: "transcript"}
MADE: dict[Stage, tuple[Kind, ...]] = {Stage.DOWNLOAD: ("audio",), Stage.ASR: ("voices", "transcript")}
BYTES_S: dict[Kind, int] = {"audio": AUDIO_BYTES_S, "transcript": TRANSCRIPT_BYTES_S, "voices": VOICES_BYTES_S}
CACHE_BYTES = 8 << 30
NOISE = os.urandom(1 << 20)


@dataclass(frozen=True)
class Site:
    """A home, which any process can open."""

    name: str
    folder: Path
    bucket: Bucket
    nats: BusOptions

    def machine(self, service: str) -> Home:
        """Return the home as a machine of its own has it, with copies of its own."""
        if self.name == FOLDER:
            return FolderHome(self.folder)
        copies = Cache(self.folder / service, CACHE_BYTES)
        if self.name == S3:
            return S3Home(self.bucket, copies)
        return JetStreamHome(NatsFiles(self.nats, FILES_BUCKET), copies)


def made(name: str, folder: Path, server: EmbeddedNats, store: s3_server.S3Server) -> Site:
    """Make a home on these servers."""
    bucket = Bucket("archive", folder.name, store.endpoint, None, s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    nats = BusOptions(server.url, "files.bench", user=NATS_USER, password=server.password)
    if name == S3:  # the first write makes the bucket
        S3Home(bucket, Cache(folder / "none", 0)).put("made/bucket", b"", None)
    if name == JETSTREAM:
        bus = NatsBus(nats).connect()
        bus.provision(Topology((files_spec(FILES_BUCKET),), ()))
        bus.close()
    return Site(name, folder, bucket, nats)


@dataclass
class Traffic:
    """Bytes of files that went to a home and came from it, and the seconds that this took."""

    up: int = 0
    down: int = 0
    took_s: float = 0.0


@dataclass
class Place:
    """A home, by machines, and what is moved there."""

    machine: Machine
    moved: Traffic = field(default_factory=Traffic)
    volumes: dict[str, Volume] = field(default_factory=dict)

    def volume(self, service: str) -> Volume:
        """Return the volume as a service has it."""
        if service not in self.volumes:
            self.volumes[service] = Volume(self.machine(service))
        return self.volumes[service]

    def keep(self, service: str, video: str, made: NewArtifact) -> Artifact:
        """Store a file."""
        began = time.monotonic()
        kept = self.volume(service).keep(video, made)
        self.moved.took_s += time.monotonic() - began
        self.moved.up += kept.size_bytes
        return kept

    def verified(self, service: str, artifact: Artifact) -> None:
        """Read a file."""
        began = time.monotonic()
        self.volume(service).verified(artifact)
        self.moved.took_s += time.monotonic() - began
        self.moved.down += artifact.size_bytes


class FilePipeline(Pipeline):
    """The services, which also write and read files."""

    def __init__(self, server: EmbeddedNats, folder: Path, trace: Trace, place: Place, seconds: float) -> None:
        super().__init__(server, folder, trace)
        self._place, self._seconds, self._scratch = place, seconds, folder

    def _stand_in(self, stage: Stage, visits: Visits) -> Handle:
        spend = super()._stand_in(stage, visits)
        service = SPEC_OF[stage].service

        def handle(message: VideoMessage, progress: Report) -> StageResult:
            read = READ.get(stage)
            with visits.noted(stage):
                if read is not None:
                    self._place.verified(service, getattr(message, read))
                spend(message, progress)
                return self._result(stage, service, message)

        return handle

    def _result(self, stage: Stage, service: Service, message: VideoMessage) -> StageResult:
        following = SPEC_OF[stage].publishes
        if following is None:
            return StageResult(None, kind=EventKind.INDEXED)
        kept = {kind: self._keep(service, message.video_id, kind) for kind in MADE.get(stage, ())}
        names = [name for name, found in following.model_fields.items() if found.annotation is Artifact]
        return StageResult(message.next(following, **{name: kept.get(name, ARTIFACT) for name in names}))  # type: ignore[call-overload]

    def _keep(self, service: str, video: str, kind: Kind) -> Artifact:
        file = self._scratch / uuid.uuid4().hex
        wanted = int(BYTES_S[kind] * self._seconds)
        file.write_bytes((video.encode() + NOISE * (wanted // len(NOISE) + 1))[:wanted])
        try:
            return self._place.keep(service, video, NewArtifact(file, kind, "bin", self._seconds, "bench", 1))
        finally:
            file.unlink()


@dataclass(frozen=True)
class Figures:
    """What a run has shown: seconds of this machine, and the bytes of files that were moved."""

    makespan_s: float
    moved: Traffic


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    trace = sample(
        [(name, slots, s / options.scale) for name, slots, s in SEED_TRACE], options.videos, 0.5, options.seed
    )
    rounds = _measure(trace, options)
    if options.json:
        report.print_json({"options": vars(options), "lower_bound_s": lower_bound_s(trace), "rounds": rounds})
    else:
        _print(trace, options, rounds)


def _options() -> argparse.Namespace:
    parser = report.parser("bench.homes", __doc__)
    parser.add_argument("--videos", type=report.positive, default=12, help="recordings (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=20.0, help="their length (default %(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="runs on each home (default %(default)s)")
    parser.add_argument(
        "--scale", type=float, default=10.0, help="how much faster than real work (default %(default)s)"
    )
    return parser.parse_args()


def _measure(trace: Trace, options: argparse.Namespace) -> dict[str, list[Figures]]:
    """Run on the homes in turn, so many times; nothing of a run is left for the next one.

    The store has room for all of them: SeaweedFS gives the bytes of removed objects back much later.
    """
    found: dict[str, list[Figures]] = {name: [] for name in HOMES}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ingest-bench-")))
        server = EmbeddedNats(folder / "nats")
        opened.callback(server.stop)
        (folder / "store").mkdir()
        store = opened.enter_context(s3_server.running(folder / "store", _volume_mb(options)))
        for number, name in itertools.product(range(options.rounds + 1), HOMES):
            place = _place(name, opened, folder / f"{name}-{number}", server, store)
            found[name].append(_run(server, folder, trace, place, options.minutes * 60))
            place.volume("cleaner").home.remove("videos")
            shutil.rmtree(folder / f"{name}-{number}", ignore_errors=True)
    return {name: each[1:] for name, each in found.items()}  # the first round warms everything up


def _volume_mb(options: argparse.Namespace) -> int:
    """Return the size of each of the store's eight files that all rounds fit into, twice."""
    moved = sum(BYTES_S.values()) * options.minutes * 60 * options.videos * (options.rounds + 1)
    return max(64, int(moved / 1e6 / 8 * 2))


def _run(server: EmbeddedNats, folder: Path, trace: Trace, place: Place, seconds: float) -> Figures:
    visits = FilePipeline(server, folder, trace, place, seconds).run(Mode.STREAMING)
    return Figures(visits.ends_s(Stage.EMBEDDER)[-1], place.moved)


def _place(name: str, opened: ExitStack, folder: Path, server: EmbeddedNats, store: s3_server.S3Server) -> Place:
    site = made(name, folder, server, store)

    def machine(service: str) -> Home:
        home = site.machine(service)
        if isinstance(home, JetStreamHome):
            opened.callback(home.files.close)
        return home

    return Place(machine)


def _print(trace: Trace, options: argparse.Namespace, rounds: dict[str, list[Figures]]) -> None:
    print("stage times simulated: handlers sleep, then write and read files; homes, servers and checksums are real")
    report.print_machine()
    print(f"{options.videos} recordings of {options.minutes:g} min; scale 1:{options.scale:g} of times, 1:1 of files")
    print(f"medians of {options.rounds} rounds\n")
    columns = (
        "home",
        "makespan",
        "efficiency",
        "of the folder's",
        "file s/audio hour",
        "MB up/audio hour",
        "MB down/audio hour",
    )
    report.print_table(columns, (_row(trace, options, name, rounds) for name in rounds))


def _row(trace: Trace, options: argparse.Namespace, name: str, rounds: dict[str, list[Figures]]) -> tuple[str, ...]:
    each = rounds[name]
    hours = options.videos * options.minutes / 60
    makespans_s = [one.makespan_s for one in each]
    return (
        name,
        f"{report.median(makespans_s):.2f} s",
        f"{lower_bound_s(trace) / report.median(makespans_s):.3f}",
        report.ratios([one.makespan_s for one in rounds[FOLDER]], makespans_s),
        f"{report.median(one.moved.took_s for one in each) / hours:.2f}",
        f"{report.median(one.moved.up for one in each) / hours / 1e6:.1f}",
        f"{report.median(one.moved.down for one in each) / hours / 1e6:.1f}",
    )


if __name__ == "__main__":
    main()
