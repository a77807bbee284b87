"""Cross-file against per-file batching of recognition, with a real Whisper model.

Per-file: the chunks of one file at a time, in batches of their own, handed over all at once so that nothing waits.
Cross-file: the chunks of all files through one shared batcher, from as many threads as there are files in flight.
Both recognise the same chunks with the same model, and must return the same words. The times hold for this device and
model (one busy CPU core gains nothing from a second chunk); how many model calls there are hardly depends on either.
"""

from __future__ import annotations

import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from resource import RUSAGE_SELF, getrusage
from time import monotonic, process_time
from typing import TYPE_CHECKING

from bench import report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request
    from ingest.shared.device.batcher import Batcher, BatchFigures

PER_FILE = "per-file"
WINDOW_S = 30.0  # what Whisper's encoder reads for each chunk, however short it is
SHORT_FILES = 0.75  # share of the files that are a few sentences; the others are a whole sample, or two
PINNED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LANGUAGE = "en"

File = list["Waveform"]  # the chunks of a file


@dataclass(frozen=True)
class Figures:
    """The cost of one way. `busy_s` is the time inside the model; `model_calls` includes failed calls.

    `padding` is the share of a batch that is there because its longest chunk is longer. `cpu_s` and `page_faults` are
    those of the whole process: they do not suffer from what else this machine does.
    """

    wall_s: float
    busy_s: float
    cpu_s: float
    page_faults: int
    model_calls: int
    batches: int
    items: int
    fill: float
    padding: float


@dataclass(frozen=True)
class Spent:
    """Readings of the clocks and counters, or the difference of two."""

    wall_s: float
    cpu_s: float
    page_faults: int
    model_calls: int

    def __sub__(self, earlier: Spent) -> Spent:
        return Spent(
            self.wall_s - earlier.wall_s,
            self.cpu_s - earlier.cpu_s,
            self.page_faults - earlier.page_faults,
            self.model_calls - earlier.model_calls,
        )


def main() -> None:
    """Measure and print."""
    options = _options()
    os.environ.update(dict.fromkeys(PINNED, str(options.cpu_threads)))  # before anything loads numpy
    report.quiet()
    bench = Bench(options)
    rounds = bench.measure(options.threads, options.rounds)
    if options.json:
        figures = {way: [asdict(one) for one in each] for way, each in rounds.items()}
        report.print_json({"options": vars(options), "files": bench.lengths_s(), "rounds": figures})
    else:
        _print(bench, options, rounds)


def _options() -> argparse.Namespace:
    parser = report.parser("bench.batching", __doc__)
    parser.add_argument("--files", type=report.positive, default=24, help="recordings (default %(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=5, help="runs of each way (default %(default)s)")
    parser.add_argument("--batch", type=report.positive, default=16, help="largest batch (default %(default)s)")
    parser.add_argument(
        "--threads", type=report.positive, nargs="+", default=[2, 8], help="files in flight (default %(default)s)"
    )
    parser.add_argument("--model", help="folder or name of a Whisper model (default: the bundled one)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default %(default)s")
    parser.add_argument("--compute-type", default="int8", help="as CTranslate2 names it (default %(default)s)")
    parser.add_argument("--beam", type=report.positive, default=5, help="beam size (default %(default)s)")
    parser.add_argument("--cpu-threads", type=report.positive, default=1, help="of the model (default %(default)s)")
    return parser.parse_args()


class Bench:
    """A loaded model and the files it recognises."""

    def __init__(self, options: argparse.Namespace) -> None:
        from ingest.asr.recognition.canary import verify
        from ingest.asr.recognition.whisper import Recognizer, RecognizerOptions
        from ingest.demo import ASR_MODEL

        self.recognizer: Recognizer = Recognizer(
            RecognizerOptions(
                model=options.model or str(ASR_MODEL),
                device=options.device,
                compute_type=options.compute_type,
                beam=options.beam,
                cpu_threads=options.cpu_threads,
            )
        )
        verify(self.recognizer)
        self._max_batch: int = options.batch
        self._calls = 0
        self.files = _files(options.files, options.seed)

    def lengths_s(self) -> list[list[float]]:
        """Return the seconds of each chunk of each file."""
        from ingest.shared.sandbox.decode import SAMPLE_RATE

        return [[round(len(chunk) / SAMPLE_RATE, 2) for chunk in file] for file in self.files]

    def measure(self, threads: Sequence[int], rounds: int) -> dict[str, list[Figures]]:
        """Run the ways in turn; the round before the first is discarded. Both must return the same text."""
        ways = {PER_FILE: 0, **{f"cross-file, {count} in flight": count for count in threads}}
        figures: dict[str, list[Figures]] = {way: [] for way in ways}
        texts: list[list[str]] = []
        for number, (way, count) in itertools.product(range(rounds + 1), ways.items()):
            transcripts, one = self._cross_file(count) if count else self._per_file()
            texts = texts or transcripts
            if transcripts != texts:
                raise AssertionError(f"{way} returned other words than {PER_FILE}")
            if number:
                figures[way].append(one)
        return figures

    def _per_file(self) -> tuple[list[list[str]], Figures]:
        before = self._spent()
        texts, figures = [], []
        for file in self.files:
            batcher = self._batcher()
            waiting = [batcher.submit(request) for request in self._requests(file)]
            batcher.close()
            texts.append([answer.result().text for answer in waiting])
            figures.append(batcher.figures)
        return texts, _figures(figures, self._spent() - before)

    def _cross_file(self, threads: int) -> tuple[list[list[str]], Figures]:
        before = self._spent()
        batcher = self._batcher()

        def transcribe(file: File) -> list[str]:
            return [answer.text for answer in batcher.map(self._requests(file))]

        with ThreadPoolExecutor(threads) as pool:
            texts = list(pool.map(transcribe, self.files))
        batcher.close()
        return texts, _figures([batcher.figures], self._spent() - before)

    def _spent(self) -> Spent:
        return Spent(monotonic(), process_time(), getrusage(RUSAGE_SELF).ru_minflt, self._calls)

    def _requests(self, file: File) -> list[Request]:
        return [self.recognizer.request(chunk, LANGUAGE) for chunk in file]

    def _batcher(self) -> Batcher[Request, ChunkTranscript]:
        from ingest.asr.settings import AsrSettings
        from ingest.shared.device.batcher import Batcher, BatchLimits

        wait_s = float(AsrSettings.model_fields["asr_batch_wait_s"].default)
        limits = BatchLimits(self._max_batch, wait_s)
        return Batcher(
            self._run, limits, length=lambda request: request.duration_s, group=lambda request: request.group
        )

    def _run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        self._calls += 1  # only ever on one thread: the batcher's
        return self.recognizer.run(requests)


def _figures(each: Sequence[BatchFigures], spent: Spent) -> Figures:
    places = sum(one.places for one in each)
    items = sum(one.items for one in each)
    return Figures(
        wall_s=spent.wall_s,
        busy_s=sum(one.busy_s for one in each),
        cpu_s=spent.cpu_s,
        page_faults=spent.page_faults,
        model_calls=spent.model_calls,
        batches=sum(one.batches for one in each),
        items=items,
        fill=items / places,
        padding=1 - sum(one.length for one in each) / sum(one.padded_length for one in each),
    )


def _files(count: int, seed: int) -> list[File]:
    """Return recordings of mixed length made of the bundled samples, cut into chunks as the asr stage does."""
    import numpy as np

    from ingest.asr import audio
    from ingest.asr.recognition import chunks
    from ingest.demo import samples
    from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits, decode

    rng = random.Random(seed)
    whole: list[tuple[list[float], Waveform]] = []
    for sample in samples():
        blocks: list[Waveform] = []
        decode(sample.path, DecodeLimits(), blocks.append)
        whole.append(([sentence.start_s for sentence in sample.sentences], np.concatenate(blocks)))
    files = []
    for _ in range(count):
        starts_s, waveform = rng.choice(whole)
        if rng.random() < SHORT_FILES:
            first = rng.randrange(len(starts_s) - 4)
            last = first + rng.randint(1, 4)
            waveform = waveform[int(starts_s[first] * SAMPLE_RATE) : int(starts_s[last] * SAMPLE_RATE)]
        elif rng.random() < SHORT_FILES:
            waveform = np.concatenate([waveform, rng.choice(whole)[1]])
        parts = chunks.merge(audio.find_speech(waveform))
        files.append([audio.cut(waveform, part.span) for part in parts])
    return files


def _print(bench: Bench, options: argparse.Namespace, rounds: dict[str, list[Figures]]) -> None:
    recognizer = bench.recognizer
    lengths_s = [seconds for file in bench.lengths_s() for seconds in file]
    print(
        f"{recognizer.key} on {recognizer.device}, {options.cpu_threads} CPU threads, batches of up to {options.batch}"
    )
    report.print_machine()
    print(
        f"{options.files} files of {min(map(sum, bench.lengths_s())):.0f}-{max(map(sum, bench.lengths_s())):.0f} s, "
        f"{len(lengths_s)} chunks, {sum(lengths_s):.0f} s of speech: "
        f"{sum(lengths_s) / len(lengths_s) / WINDOW_S:.0%} of the encoder's windows of {WINDOW_S:.0f} s"
    )
    print(f"medians of {options.rounds} rounds, taken in turn; every way returned the same words\n")
    columns = (
        *("way", "faster", "faster in the model", "less CPU time"),
        *("model calls", "batches", "items", "fill", "padding", "page faults/item"),
    )
    report.print_table(columns, (_row(way, rounds[PER_FILE], each) for way, each in rounds.items()))


def _row(way: str, base: list[Figures], each: list[Figures]) -> tuple[str, ...]:
    return (
        way,
        report.ratios([one.wall_s for one in base], [one.wall_s for one in each]),
        report.ratios([one.busy_s for one in base], [one.busy_s for one in each]),
        report.ratios([one.cpu_s for one in base], [one.cpu_s for one in each]),
        f"{report.median(one.model_calls for one in each):.0f}",
        f"{report.median(one.batches for one in each):.0f}",
        f"{report.median(one.items for one in each):.0f}",
        f"{report.median(one.fill for one in each):.0%}",
        f"{report.median(one.padding for one in each):.0%}",
        f"{report.median(one.page_faults / one.items for one in each):.0f}",
    )


if __name__ == "__main__":
    main()
