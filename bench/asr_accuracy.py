"""Word error rate and word times of the miniature recognizer, on sentences and voices it was never trained with.

Needs the synthesizers (Debian: apt-get install espeak-ng flite). Prints one line for each condition.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from ingest.demo import ASR_MODEL
from ingest.demo.accuracy import edits, words
from training.grammar import SUBJECTS
from training.make_samples import unseen_sentences
from training.voices import (
    SAMPLE_RATE,
    TRAIN_VARIANTS,
    UNSEEN_FLITE,
    UNSEEN_VARIANTS,
    Utterance,
    Voice,
    espeak_voice,
    speak,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.asr.audio import Waveform

LONG_S = 240.0


@dataclass(frozen=True)
class Recording:
    """A synthesised recording and its words as (second, word); the second is unknown for some voices."""

    samples: Waveform
    words: tuple[tuple[float | None, str], ...]


@dataclass(frozen=True)
class Figure:
    """The figures of one condition."""

    condition: str
    recordings: int
    spoken_words: int
    word_error_rate: float
    mean_time_error_s: float | None


def record(voice: Callable[[], Voice], rng: random.Random, length_s: float) -> Recording:
    """Return unseen sentences with pauses, at least `length_s` seconds of them (at least one)."""
    parts: list[Waveform] = []
    spoken_words: list[tuple[float | None, str]] = []
    at = 0.0
    speaker = voice()
    while not spoken_words or at < length_s:
        (text,) = unseen_sentences(rng, rng.choice(list(SUBJECTS)), 1)
        spoken: Utterance = speak(text, speaker)
        pause_s = rng.uniform(0.3, 1.2)
        parts += [np.zeros(int(pause_s * SAMPLE_RATE), dtype=np.float32), spoken.samples * np.float32(0.7)]
        starts = [at + pause_s + start for start in spoken.word_starts_s]
        spoken_words += zip_longest(starts, text.split())
        at += pause_s + spoken.duration_s
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(sum(map(len, parts)), dtype=np.float32)
    return Recording(np.concatenate(parts) + noise * np.float32(5e-4), tuple(spoken_words))


def measure(
    condition: str, recordings: list[Recording], recognise: Callable[[Waveform], list[tuple[float, str]]]
) -> Figure:
    """Recognise recordings and compare the transcripts with the words."""
    wrong = total = 0
    time_errors: list[float] = []
    for recording in recordings:
        transcript = recognise(recording.samples)
        reference_words = [word for _, text in recording.words for word in words(text)]
        transcript_words = [word for _, text in transcript for word in words(text)]
        wrong += edits(reference_words, transcript_words)
        total += len(reference_words)
        time_errors += _time_errors(recording, transcript)
    error = mean(time_errors) if time_errors else None
    return Figure(condition, len(recordings), total, wrong / total, error)


def _time_errors(recording: Recording, transcript: list[tuple[float, str]]) -> Iterator[float]:
    """Yield the error of the start of each correctly recognised word."""
    reference_words = ["".join(words(text)) for _, text in recording.words]
    transcript_words = ["".join(words(text)) for _, text in transcript]
    for block in SequenceMatcher(None, reference_words, transcript_words, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            start = recording.words[block.a + offset][0]
            if start is not None:
                yield abs(start - transcript[block.b + offset][0])


def figures(model_path: Path, count: int, seed: int) -> Iterator[Figure]:
    """Yield the figure of every condition."""
    model = WhisperModel(str(model_path), device="cpu", compute_type="int8")
    pipeline = BatchedInferencePipeline(model)
    rng = random.Random(seed)

    def sequential(samples: Waveform) -> list[tuple[float, str]]:
        found, _ = model.transcribe(
            samples, language="en", word_timestamps=True, condition_on_previous_text=False, temperature=0.0
        )
        return [(word.start, word.word) for segment in found for word in segment.words or ()]

    def batched(samples: Waveform) -> list[tuple[float, str]]:
        found, _ = pipeline.transcribe(samples, language="en", word_timestamps=True, batch_size=8)
        return [(word.start, word.word) for segment in found for word in segment.words or ()]

    def known() -> Voice:
        return espeak_voice(rng, TRAIN_VARIANTS)

    def unseen() -> Voice:
        return espeak_voice(rng, UNSEEN_VARIANTS)

    def flite() -> Voice:
        return Voice("flite", rng.choice(UNSEEN_FLITE))

    sentences = [record(known, rng, 0) for _ in range(10 * count)]
    yield measure("single sentences, trained voices, batched", sentences, batched)
    long = [record(known, rng, LONG_S) for _ in range(count)]
    yield measure("4 minutes, trained voices, sequential", long, sequential)
    yield measure("4 minutes, trained voices, batched", long, batched)
    strangers = [record(unseen, rng, LONG_S) for _ in range(count)]
    yield measure("4 minutes, espeak voices never used, batched", strangers, batched)
    others = [record(flite, rng, LONG_S) for _ in range(max(1, count // 2))]
    yield measure("4 minutes, flite voice never used, batched", others, batched)


def main() -> None:
    """Read the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ASR_MODEL)
    parser.add_argument("--count", type=int, default=6, help="long recordings for each condition")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print(f"{'condition':48} {'words':>6} {'WER':>7} {'word time error':>16}")
    for figure in figures(arguments.model, arguments.count, arguments.seed):
        if arguments.json:
            print(json.dumps(asdict(figure)))
            continue
        off = "unknown" if figure.mean_time_error_s is None else f"{figure.mean_time_error_s:.3f} s"
        print(f"{figure.condition:48} {figure.spoken_words:6} {figure.word_error_rate:7.1%} {off:>16}", flush=True)


if __name__ == "__main__":
    main()
