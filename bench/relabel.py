"""Time to rename the speakers of a whole archive: `ingest voices relabel --all`, in seconds per thousand videos.

Embedded Postgres with the real schema, voiceprints on a real volume, the command's own code. Each video is one passage
every 24 seconds and a turn every 10; three of many voices speak in it, half of all voices are enrolled. The voices are
random vectors: no audio is read.
    names are new    no passage has a name yet; all that an enrolled voice says gets one
    nothing changes  the same profiles again
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from bench import report
from bench.rows import DIMENSIONS, MODEL, make_rows
from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.asr.speakers.vectors import l2_normalize
from ingest.cli.local.state_folder import open_connections
from ingest.cli.settings import AllSettings
from ingest.cli.voices.relabel import relabel
from ingest.embedder.tables.store import Store
from ingest.shared.artifacts import voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.local.state_folder import Connections

MODEL_KEY = "bench@1"
VOICES = 40
VOICE_DIMENSIONS = 256
PROFILE_VECTORS = 20
IN_A_VIDEO = 3
TURN_S = 10.0
DEVIATION = 0.03  # of a turn's vector from its voice, in each dimension


@dataclass(frozen=True)
class Round:
    """The time and the result of one pass over the archive."""

    way: str
    videos: int
    took_s: float
    renamed: int

    @property
    def per_thousand_s(self) -> float:
        """Return the seconds per thousand videos."""
        return self.took_s / self.videos * 1000


def settings_in(folder: Path) -> AllSettings:
    """Return settings for the embedded servers in a folder, without regard to the environment."""
    return load(
        AllSettings, state_path=folder, volume_path=None, nats_url=None, database_url=None, diarization_model=None
    )


def fill(to: Connections, videos: int, passages: int, seed: int) -> None:
    """Store videos without names, and enroll half of the voices."""
    rng, draw = random.Random(seed), np.random.default_rng(seed)
    voices = l2_normalize(draw.standard_normal((VOICES, VOICE_DIMENSIONS), dtype=np.float32))
    store, volume = Store(to.database, MODEL, DIMENSIONS), Volume(to.settings.volume)
    rows = make_rows("", passages, seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(videos):
            video_id = f"{number:011}"
            made = conversation(video_id, rows.passages[-1].end_s, voices[rng.sample(range(VOICES), IN_A_VIDEO)], draw)
            file = Path(folder) / "voices"
            voiceprints.write(made, file)
            volume.keep(video_id, NewArtifact(file, "voices", voiceprints.EXTENSION, made.turns[-1].end_s, "bench", 1))
            renamed = [replace(passage, speaker="Unknown 1") for passage in rows.passages]
            store.replace(replace(rows, video_id=video_id, passages=renamed))
    profiles = Profiles(to.settings.volume)
    for number in range(0, VOICES, 2):
        profiles.keep(
            Profile(f"Voice {number}", 0, MODEL_KEY, drawn(voices[number : number + 1], PROFILE_VECTORS, draw))
        )


def conversation(video_id: str, duration_s: float, voices: FloatArray, draw: np.random.Generator) -> Voiceprints:
    """Return the voiceprints of a recording with alternating voices."""
    count = max(1, int(duration_s / TURN_S))
    turns = tuple(
        Turn(
            start_s=number * TURN_S,
            end_s=(number + 1) * TURN_S,
            cluster=f"S{number % len(voices) + 1}",
            speaker="Unknown 1",
            vector=number,
        )
        for number in range(count)
    )
    vectors = zstd_json.vectors(drawn(voices, count, draw))
    return Voiceprints(video_id=video_id, model_key=MODEL_KEY, outcome="full", turns=turns, vectors=vectors)


def drawn(voices: FloatArray, count: int, draw: np.random.Generator) -> FloatArray:
    """Return `count` vectors of alternating voices, each with a small deviation from its voice."""
    noise = draw.standard_normal((count, VOICE_DIMENSIONS), dtype=np.float32)
    return l2_normalize(voices[np.arange(count) % len(voices)] + DEVIATION * noise)


def relabelled(to: Connections, way: str) -> Round:
    """Rename the whole archive and return the time; fail if a video could not be named."""
    began = monotonic()
    done = relabel(to)
    took_s = monotonic() - began
    troubled = [item for item in done if item.trouble]
    if troubled:
        raise SystemExit(f"{len(troubled)} videos could not be named: {troubled[0].trouble}")
    return Round(way, len(done), took_s, sum(sum(item.changes.values()) for item in done))


def measure(videos: int, passages: int, seed: int) -> Sequence[Round]:
    """Return the figures of both ways."""
    with (
        tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder,
        open_connections(settings_in(Path(folder))) as to,
    ):
        fill(to, videos, passages, seed)
        return [relabelled(to, "names are new"), relabelled(to, "nothing changes")]


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.relabel", __doc__)
    parser.add_argument("--videos", type=report.positive, default=1000, help="videos (default %(default)s)")
    parser.add_argument("--passages", type=report.positive, default=20, help="passages of each (default %(default)s)")
    arguments = parser.parse_args()
    report.quiet()
    rounds = measure(arguments.videos, arguments.passages, arguments.seed)
    if arguments.json:
        report.print_json([{**vars(one), "per_thousand_s": one.per_thousand_s} for one in rounds])
        return
    report.print_machine()
    cells = [
        (one.way, f"{one.videos}", f"{one.took_s:.1f} s", f"{one.per_thousand_s:.1f} s", f"{one.renamed}")
        for one in rounds
    ]
    report.print_table(("relabelling", "videos", "took", "per thousand videos", "passages renamed"), cells)


if __name__ == "__main__":
    main()
