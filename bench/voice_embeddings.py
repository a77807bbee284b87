"""Voice embeddings: batched against one by one, and the diarization's embedding stage against the original.

First, the turns of one recording (281, or `--turns`): `batched` is one call, on the array in memory; `one by one` opens
the recording and calls the model for each turn, as is easily written; `sliced` calls the model for each turn on the
array, so that its ratio shows what batches alone bring. All ways embed the same excerpts.

Then the embeddings of the diarization's chunks: `original` is the code of pyannote.audio. `ours` skips masks without
speech and sends all masks of a chunk through the network at once. `passes` counts the waveforms that went through the
network. The command fails when two ways return different vectors.
"""

from __future__ import annotations

import random
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench import report
from ingest.asr.spans import Span
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.demo import VOICE_MODEL, conversation, episodes, voice_model_sha256
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, decode
from training.make_samples import write_opus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.asr.speakers.excerpts import Excerpt
    from ingest.asr.speakers.vectors import FloatArray

LEAST_COSINE = 0.9999
MOST_DIFFERENCE = 1e-5


class DifferentError(Exception):
    """Two ways that should return the same vectors return different ones."""


def read(path: Path) -> FloatArray:
    """Return the waveform of a file."""
    blocks: list[FloatArray] = []
    decode(path, DecodeLimits(), lambda block: blocks.append(block.astype(np.float32)))
    return np.concatenate(blocks)


def timed(work: Callable[[], FloatArray]) -> tuple[FloatArray, float]:
    """Return the result of `work` and the seconds that it took."""
    began = time.monotonic()
    found = work()
    return found, time.monotonic() - began


def one_by_one(diarizer: Diarizer, path: Path, cut: list[Excerpt]) -> FloatArray:
    """Open the file for each turn, and call the model for each of its excerpts."""
    found = []
    for _, group in groupby(cut, key=lambda piece: piece.owner):
        waveform = read(path)
        found += [diarizer.embed(waveform, [piece]) for piece in group]
    return np.concatenate(found)


def turns(diarizer: Diarizer, count: int, minutes: float, seed: int) -> dict[str, float]:
    """Return the seconds of each way of embedding the turns of one recording."""
    rng = random.Random(seed)
    clips = [read(sample.path) for sample in episodes()]
    whole = np.concatenate([clips[number % len(clips)] for number in range(int(minutes * 60 / 45))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.ogg"
        write_opus(whole, path)
        waveform = read(path)
        length_s = len(waveform) / SAMPLE_RATE
        starts = sorted(rng.uniform(0, length_s - 8) for _ in range(count))
        spans = [Span(start, start + rng.uniform(0.6, 8.0)) for start in starts]
        cut = excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), waveform)
        batched, batched_s = timed(lambda: diarizer.embed(waveform, cut))
        sliced, sliced_s = timed(lambda: np.concatenate([diarizer.embed(waveform, [piece]) for piece in cut]))
        naive, naive_s = timed(lambda: one_by_one(diarizer, path, cut))
    worst = min(float((batched * other).sum(axis=1).min()) for other in (sliced, naive))
    if worst < LEAST_COSINE:
        raise DifferentError(f"vectors differ: cosine {worst:.6f}")
    return {
        "turns": count,
        "pieces": len(cut),
        "minutes": length_s / 60,
        "batched_s": batched_s,
        "sliced_s": sliced_s,
        "naive_s": naive_s,
        "cosine": worst,
    }


def stage(ours: Diarizer, theirs: Diarizer, rounds: int) -> dict[str, Any]:
    """Return the seconds of the embedding stage, in turn, and how many waveforms went through the network."""
    waveform = read(conversation().path)
    file = {"waveform": torch.from_numpy(waveform)[None], "sample_rate": SAMPLE_RATE, "uri": "x"}
    passes: dict[str, int] = {}
    took: dict[str, list[float]] = {"ours": [], "original": []}
    del theirs.pipeline.get_embeddings  # the method of pyannote.audio remains
    with torch.inference_mode():
        segmentations = ours.pipeline.get_segmentations(file)
        for _ in range(rounds + 1):
            found = {}
            for name, diarizer in (("ours", ours), ("original", theirs)):
                passes[name] = 0
                handle = diarizer.network.melspectrogram.register_forward_hook(_counting(passes, name))
                found[name], seconds = timed(
                    lambda diarizer=diarizer: diarizer.pipeline.get_embeddings(  # type: ignore[misc]  # bound now
                        file, segmentations, exclude_overlap=True
                    )
                )
                handle.remove()
                took[name].append(seconds)
            difference = float(np.abs(found["ours"] - found["original"]).max())
            if difference > MOST_DIFFERENCE:
                raise DifferentError(f"embeddings differ by {difference:.2g}")
    empty = float((segmentations.data.sum(axis=1) == 0).mean())
    return {
        "took_s": {name: seconds[1:] for name, seconds in took.items()},
        "passes": passes,
        "empty_masks": empty,
        "difference": difference,
    }


def _counting(passes: dict[str, int], name: str) -> Callable[..., None]:
    def count(_module: object, inputs: tuple[torch.Tensor, ...], _output: object) -> None:
        passes[name] += len(inputs[0])

    return count


def main() -> None:
    """Read the command line and print the figures."""
    parser = report.parser("bench.voice_embeddings", __doc__)
    parser.add_argument(
        "--turns", type=report.positive, default=281, help="turns of the recording (default %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="its length (default %(default)s)")
    parser.add_argument(
        "--rounds", type=report.positive, default=7, help="of the embedding stage (default %(default)s)"
    )
    arguments = parser.parse_args()
    report.quiet()
    options = DiarizerOptions(str(VOICE_MODEL), "cpu", 32, 1800.0, 0.7, sha256=voice_model_sha256())
    ours, theirs = Diarizer(options), Diarizer(options)
    first = turns(ours, arguments.turns, arguments.minutes, arguments.seed)
    second = stage(ours, theirs, arguments.rounds)
    if arguments.json:
        report.print_json({"turns": first, "stage": second})
        return
    report.print_machine()
    print(f"\n{first['turns']:.0f} turns ({first['pieces']:.0f} excerpts) of {first['minutes']:.0f} minutes:")
    rows = [
        (name, f"{first[key]:.2f} s", f"{first[key] / first['batched_s']:.1f}x", f"{first['cosine']:.6f}")
        for name, key in (("batched", "batched_s"), ("sliced", "sliced_s"), ("one by one", "naive_s"))
    ]
    report.print_table(("way", "took", "of batched", "least cosine"), rows)
    print(f"\nembedding stage of the diarization ({second['empty_masks']:.0%} of the masks are empty):")
    stage_rows = [
        (
            *(name, f"{report.median(second['took_s'][name]):.3f} s", str(second["passes"][name])),
            report.ratios(second["took_s"][name], second["took_s"]["ours"]),
        )
        for name in ("ours", "original")
    ]
    report.print_table(("way", "took", "passes", "of ours"), stage_rows)
    print(f"largest difference {second['difference']:.1e}")


if __name__ == "__main__":
    main()
