"""CPU seconds for one hour of audio, part by part: what a core does beside a GPU, and what the models take on a CPU.

Each recording goes through the asr stage's own functions, one after the other: decoding (the downloader does it, too,
as the proof that a file is complete), voice activity detection, log-mel features, the calls of the recognition model,
words and their times, and the JSON and its compression. With a pipeline, also the diarization. `model` are the parts
that move to a GPU; `CPU` those that stay. The alignment is counted as `model`, though its search for the best path
stays on a core. The seconds are those of all threads; other processes do not show in them.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

from bench import report
from bench.cpu_cost_meter import (
    CPU,
    DECODING,
    FEATURES,
    JSON,
    MODEL,
    PARTS,
    SEGMENTS,
    SPEAKERS,
    SPEECH,
    WORDS,
    ZSTD,
    Meter,
    TimedModel,
)
from bench.diarization import read
from ingest.asr import audio
from ingest.asr.recognition import segments
from ingest.asr.recognition.chunks import SpeechChunk, merge, with_context
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.whisper import Recognizer, RecognizerOptions
from ingest.asr.recognition.word_times.silences import silences
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.demo import ASR_MODEL, samples
from ingest.shared.artifacts.transcript import Timings, Transcript
from ingest.shared.sandbox.decode import SAMPLE_RATE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ingest.asr.audio import Waveform

BATCH = 4
REPEATS = 20  # of what takes milliseconds
HOUR_S = 3600.0
LONGEST_S = 12 * HOUR_S


@dataclass(frozen=True)
class Bench:
    """The loaded models, which are measured."""

    meter: Meter
    recognizer: Recognizer
    diarizer: Diarizer | None
    language: str

    def measure(self, path: Path) -> float:
        """Measure a recording; return its seconds."""
        with self.meter.measure(DECODING):
            waveform = read(path, LONGEST_S)
        with self.meter.measure(SPEECH):
            speech = audio.find_speech(waveform)
        pieces = list(self._pieces(waveform, list(with_context(merge(speech)))))
        length_s = len(waveform) / SAMPLE_RATE
        with self.meter.measure(SEGMENTS):
            built = segments.build(
                pieces, length_s, self.language, lambda span: silences(audio.cut(waveform, span), span.start_s)
            )
        self._stored(built, length_s)
        if self.diarizer is not None:
            with self.meter.measure(SPEAKERS[-1]):
                self.diarizer.diarize(waveform, speech)
        return length_s

    def _pieces(self, waveform: Waveform, parts: Sequence[SpeechChunk]) -> Iterator[Piece]:
        for at in range(0, len(parts), BATCH):
            batch = parts[at : at + BATCH]
            with self.meter.measure(FEATURES):
                requests = [self.recognizer.request(audio.cut(waveform, part.span), self.language) for part in batch]
            with self.meter.measure(WORDS):
                said = self.recognizer.run(requests)
            yield from map(Piece, batch, said)

    def _stored(self, built: segments.SegmentList, length_s: float) -> None:
        transcript = Transcript(
            video_id="abcdefghijk",
            audio_sha256="0" * 64,
            duration_s=length_s,
            speech_s=length_s,
            language=self.language,
            language_probability=1.0,
            model_key=self.recognizer.key,
            segments=built.segments,
            timings=Timings(decode_s=0.0, speech_s=0.0, recognise_s=0.0, total_s=0.0),
        )
        content = transcript.model_dump_json().encode()
        for part, work in ((JSON, transcript.model_dump_json), (ZSTD, partial(zstandard.compress, content))):
            began = time.process_time()
            for _ in range(REPEATS):
                work()
            self.meter.seconds[part] += (time.process_time() - began) / REPEATS


def loaded(options: argparse.Namespace) -> Bench:
    """Load the models."""
    meter = Meter()
    recognizer = Recognizer(RecognizerOptions(str(options.model), "cpu", "int8", options.beam, options.threads))
    model: Any = recognizer._model  # noqa: SLF001 (measured inside)
    model.model = TimedModel(model.model, meter)
    diarizer = None
    if options.pipeline:
        diarizer = Diarizer(DiarizerOptions(str(options.pipeline), "cpu", 16, 1800.0, 0.7))
        segmentation, features, network, _ = SPEAKERS
        inference = diarizer.pipeline._segmentation  # noqa: SLF001 (the same)
        inference.infer = meter.timed(inference.infer, segmentation)
        voices: Any = diarizer.network  # of WeSpeaker; another one has `forward` alone
        steps = ((voices, "compute_fbank", features), (voices, "forward_embedding", network))
        frames = getattr(voices, "resnet", None)
        for module, name, part in (*steps, (voices, "forward", network), (frames, "forward_frames", network)):
            if hasattr(module, name):
                setattr(module, name, meter.timed(getattr(module, name), part))
    return Bench(meter, recognizer, diarizer, options.language)


def rows(seconds: dict[str, float], audio_s: float) -> Iterator[tuple[str, ...]]:
    """Yield a row for each part that was measured, and the sums."""
    hours = audio_s / HOUR_S
    measured = {part: seconds[part] / hours for part in PARTS if part in seconds}
    for part, cost_s in measured.items():
        yield part, PARTS[part], f"{cost_s:.2f}"
    for kind in (CPU, MODEL):
        yield f"all of {kind}", kind, f"{sum(cost_s for part, cost_s in measured.items() if PARTS[part] == kind):.2f}"


def cores(seconds: dict[str, float], audio_s: float, pace: float) -> float:
    """Return how many cores feed a GPU that processes `pace` hours of audio in an hour."""
    stays_s = sum(cost_s for part, cost_s in seconds.items() if PARTS[part] == CPU) + seconds.get(DECODING, 0.0)
    return stays_s / audio_s * pace


def _options() -> argparse.Namespace:
    parser = report.parser("bench.cpu_cost", __doc__)
    parser.add_argument("recordings", nargs="*", type=Path, help="(default: the bundled samples)")
    parser.add_argument("--model", default=ASR_MODEL, help="Whisper: a folder or a name (default: the bundled one)")
    parser.add_argument("--pipeline", type=Path, help="diarization (default: none)")
    parser.add_argument("--language", default="en", help="of the recordings (default %(default)s)")
    parser.add_argument("--beam", type=report.positive, default=5, help="default %(default)s")
    parser.add_argument("--threads", type=report.positive, default=1, help="of the models (default %(default)s)")
    parser.add_argument("--pace", type=float, default=150.0, help="of a GPU: hours in an hour (default %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    report.quiet()
    bench = loaded(options)
    paths = options.recordings or [sample.path for sample in samples()]
    audio_s = sum([bench.measure(path) for path in paths])
    seconds = dict(bench.meter.seconds)
    if options.json:
        report.print_json({"audio_s": audio_s, "seconds": seconds})
        return
    report.print_machine()
    print(f"{bench.recognizer.key}, {options.threads} threads, {audio_s / 60:.1f} minutes of audio")
    report.print_table(("part", "where", "CPU s for an hour of audio"), rows(seconds, audio_s))
    needed = cores(seconds, audio_s, options.pace)
    print(f"{needed:.1f} cores feed a GPU of {options.pace:.0f} hours in an hour (decoding counts twice)")


if __name__ == "__main__":
    main()
