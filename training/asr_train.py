"""Train the miniature recognizer: `python -m training.asr_train` (hours on two cores; stops and resumes anywhere).

Short windows first, so that it learns from the audio; then full 30 s windows, most of them with many sentences, because
long transcripts are learnt last; at the end a few steps without replaced inputs. The weights that are
kept are a running average.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer

from training.asr_data import Pool, Window, compose, make_pool, silence
from training.asr_model import (
    IGNORE,
    POSITIONS_A_SECOND,
    TEXT_TOKENS,
    Batch,
    Learner,
    make_tokenizer,
    names,
    save_tokenizer,
    target,
)
from training.grammar import SUBJECTS, WORDS, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

UTTERANCES = 16_000
WARM_UP_STEPS = 300
PEAK_RATE = 1e-3
MUON_SHARE = 0.8  # its rate, as a share of the other one
AVERAGING = 0.9995
SAVE_EVERY = 250
WITH_TIMES = 0.6


@dataclass(frozen=True)
class Phase:
    """A stretch of training: window length, windows a step, steps, and the share of decoder inputs that are replaced.

    Replaced inputs make it use the audio instead of guessing from the earlier words; the last phase has none.
    """

    length_s: float
    batch: int
    steps: int
    spoiled: float


PHASES = (Phase(8.0, 24, 3000, 0.12), Phase(30.0, 8, 12000, 0.12), Phase(30.0, 8, 500, 0.0))
TOTAL_STEPS = sum(phase.steps for phase in PHASES)


def phase_at(step: int) -> Phase:
    """Return the phase of a step."""
    for phase in PHASES:
        if step < phase.steps:
            return phase
        step -= phase.steps
    return PHASES[-1]


def draw(pool: Pool, rng: random.Random, length_s: float) -> Window:
    """Return a random window: three in four are long with many sentences, one in thirty is silence."""
    if rng.random() < 1 / 30:
        return silence(rng, length_s)
    many = rng.random() < 0.75
    return compose(pool, rng, length_s, 99 if many else rng.randint(1, 3))


def batches(pool: Pool, learner: Learner, step: int) -> Iterator[Batch]:
    """Yield the batch of every step from `step` on; a step's batch depends on its number alone."""
    while True:
        phase, rng = phase_at(step), random.Random(step)
        windows = [draw(pool, rng, phase.length_s) for _ in range(phase.batch)]
        yield collate(windows, learner, rng, phase)
        step += 1


def collate(windows: list[Window], learner: Learner, rng: random.Random, phase: Phase) -> Batch:
    """Return the tensors of a batch."""
    length_s = phase.length_s
    ids, tokenizer = learner.ids, learner.tokenizer
    rows = [target(window, tokenizer, ids, times=_with_times(window, rng)) for window in windows]
    width = max(len(tokens) for tokens, _ in rows)
    inputs = torch.full((len(rows), width), ids.end)
    labels = torch.full((len(rows), width), IGNORE)
    spans = torch.full((len(rows), width, 2), -1)
    for row, (tokens, places) in enumerate(rows):
        count = len(tokens)
        inputs[row, 0] = ids.start
        inputs[row, 1:count] = torch.tensor([_spoil(token, rng, phase.spoiled) for token in tokens[:-1]])
        labels[row, :count] = torch.tensor(tokens)
        spans[row, :count] = torch.tensor(places)
    features = learner.features(windows, length_s, [rng.choice((0.0, 0.0, rng.random())) for _ in windows])
    _mask_bands(features, rng)
    spans = spans.clamp(max=int(length_s * POSITIONS_A_SECOND) - 1)
    naming = torch.stack([names(window, int(length_s * POSITIONS_A_SECOND)) for window in windows])
    return Batch(features, inputs, labels, spans, naming)


def _with_times(window: Window, rng: random.Random) -> bool:
    return window.cut_at_s is not None or rng.random() < WITH_TIMES


def _spoil(token: int, rng: random.Random, share: float) -> int:
    return rng.randrange(TEXT_TOKENS) if token < TEXT_TOKENS and rng.random() < share else token


def _mask_bands(features: torch.Tensor, rng: random.Random) -> None:
    for row in features:
        if rng.random() < 0.5:
            low = rng.randrange(70)
            row[low : low + rng.randint(1, 10)] = row.mean()


def ahead(source: Iterator[Batch], depth: int = 3) -> Iterator[Batch]:
    """Yield from `source`, made in a thread while the last step still runs."""
    queue: Queue[Batch] = Queue(depth)

    def work() -> None:
        for item in source:
            queue.put(item)

    Thread(target=work, daemon=True).start()
    while True:
        yield queue.get()


def rate_at(step: int) -> float:
    """Return the learning rate of a step: up in 300 steps, level, and straight down to zero in the last third."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * warm * min(1.0, 3 * (1 - step / TOTAL_STEPS))


def make_optimizers(learner: Learner) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers (a third more progress a step) and AdamW for all else."""
    named = dict(learner.named_parameters())
    inside = [name for name, value in named.items() if value.ndim == 2 and ".layers." in name]
    matrices = [named.pop(name) for name in inside]
    muon = torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return muon, torch.optim.AdamW(named.values(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a training folder, made on first use."""
    path = folder / "tokenizer.json"
    if not path.exists():
        rng = random.Random(0)
        texts = [sentence(rng, subject) for subject in SUBJECTS for _ in range(500)]
        save_tokenizer(make_tokenizer([*texts, *WORDS * 20]), folder)
    return Tokenizer.from_file(str(path))


class Run:
    """A training run: the network, its optimizers, the running average of its weights, and the step it is at."""

    def __init__(self, learner: Learner, checkpoint: Path) -> None:
        self.learner = learner
        self.optimizers = make_optimizers(learner)
        self.average = {name: value.detach().clone() for name, value in learner.state_dict().items()}
        self.step = 0
        self._checkpoint = checkpoint
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            learner.load_state_dict(state["model"])
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
            self.average, self.step = state["average"], state["step"]
            print(f"resuming at step {self.step}", flush=True)

    def advance(self, batch: Batch) -> dict[str, float]:
        """Take one step on `batch`; returns the parts of its loss."""
        for optimizer, share in zip(self.optimizers, (MUON_SHARE, 1.0), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(self.step) * share
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, parts = self.learner.loss(batch)
        self.learner.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self._follow(min(AVERAGING, self.step / (self.step + 50)))
        return parts

    def save(self) -> None:
        """Write the checkpoint; an older one is replaced in one go."""
        kept = [optimizer.state_dict() for optimizer in self.optimizers]
        state = {"model": self.learner.state_dict(), "optimizers": kept, "average": self.average, "step": self.step}
        torch.save(state, self._checkpoint.with_suffix(".tmp"))
        self._checkpoint.with_suffix(".tmp").replace(self._checkpoint)

    def _follow(self, keep: float) -> None:
        for name, value in self.learner.state_dict().items():
            kept = self.average[name]
            kept.lerp_(value, 1 - keep) if value.is_floating_point() else kept.copy_(value)


def train(folder: Path, steps: int) -> None:
    """Train to `steps` in `folder`, from its last checkpoint if there is one."""
    if not (folder / "pool" / "utterances.json").exists():
        print(f"speaking {UTTERANCES} sentences", flush=True)
        make_pool(folder / "pool", UTTERANCES)
    run = Run(Learner(load_tokenizer(folder)), folder / "checkpoint.pt")
    source = ahead(batches(Pool(folder / "pool"), run.learner, run.step))
    began = time.monotonic()
    while run.step < steps:
        parts = run.advance(next(source))
        if run.step % 25 == 0:
            pace = (time.monotonic() - began) / 25
            print(run.step, f"{pace:.2f} s/step", {name: round(part, 3) for name, part in parts.items()}, flush=True)
            began = time.monotonic()
        if run.step % SAVE_EVERY == 0 or run.step == steps:
            run.save()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/asr"), help="pool, tokenizer, checkpoint")
    parser.add_argument("--steps", type=int, default=TOTAL_STEPS, help="train up to this step")
    arguments = parser.parse_args()
    train(arguments.folder, arguments.steps)


if __name__ == "__main__":
    main()
