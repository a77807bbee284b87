"""Train the miniature segmentation model: `python -m training.segmentation_train`.

A PyanNet of 0.2 million parameters that finds, for each frame of ten seconds, which of up to three speakers speak, at
most two at a time (powerset classes, in any order of the speakers). It learns from conversations composed on the fly.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.utils.powerset import Powerset
from torch import Tensor, nn

from training.conversations import Pool, converse, training_speakers
from training.steps import Course, descend, main
from training.voices import SAMPLE_RATE

if TYPE_CHECKING:
    from pathlib import Path

SPEAKERS, TOGETHER = 3, 2
WINDOW_S = 10.0
AUDIO_S = 60.0  # of each step
PERMUTATIONS = tuple(itertools.permutations(range(SPEAKERS)))


def new_model() -> PyanNet:
    """Return an untrained model; its first layer stays a fixed bank of filters."""
    model = PyanNet(sincnet={"stride": 20}, lstm={"hidden_size": 64}, linear={"hidden_size": 64})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=WINDOW_S,
        classes=[f"speaker#{number + 1}" for number in range(SPEAKERS)],
        powerset_max_classes=TOGETHER,
        permutation_invariant=True,
    )
    model.build()  # type: ignore[no-untyped-call]
    model.sincnet.conv1d[0].requires_grad_(requires_grad=False)
    return model


def example(pool: Pool, rng: random.Random, length_s: float, model: PyanNet) -> tuple[Tensor, Tensor]:
    """Return a waveform (1, samples) and who speaks in each frame of the model, (frames, speakers)."""
    present = rng.sample(range(len(training_speakers())), rng.choices((1, 2, 3), (2, 5, 3))[0])
    whole = converse(pool.saying(rng), present, rng, length_s + 4.0, overlaps=0.35)
    first_s = rng.uniform(0.0, 3.0)
    first, count = int(first_s * SAMPLE_RATE), int(length_s * SAMPLE_RATE)
    field = model.receptive_field
    times = first_s + field.start + field.duration / 2 + field.step * np.arange(model.num_frames(count))
    labels = np.zeros((len(times), SPEAKERS), dtype=np.float32)
    for turn in whole.utterances:
        labels[(times >= turn.start_s) & (times < turn.end_s), present.index(turn.speaker)] = 1.0
    return torch.from_numpy(whole.samples[first : first + count].copy())[None], torch.from_numpy(labels)


def loss_of(scores: Tensor, labels: Tensor, powerset: Powerset) -> Tensor:
    """Return the cross entropy under the best order of the speakers, of scores (batch, frames, classes)."""
    each = []
    for order in PERMUTATIONS:
        target = powerset.to_powerset(labels[:, :, list(order)]).argmax(dim=-1)
        each.append(nn.functional.nll_loss(scores.transpose(1, 2), target, reduction="none").mean(dim=1))
    return torch.stack(each).min(dim=0).values.mean()


def train(folder: Path, steps: int, seed: int = 1) -> PyanNet:
    """Train from scratch and return the model."""
    pool, rng = Pool(folder), random.Random(seed)
    torch.manual_seed(seed)
    model, powerset = new_model(), Powerset(SPEAKERS, TOGETHER)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad])

    def loss_at(step: int) -> Tensor:
        length_s = WINDOW_S / 2 if step < 0.6 * steps else WINDOW_S
        examples = [example(pool, rng, length_s, model) for _ in range(int(AUDIO_S / length_s))]
        waveforms, labels = (torch.stack(part) for part in zip(*examples, strict=True))
        return loss_of(model(waveforms), labels, powerset)

    descend(model, optimizer, Course(steps, rising=0.15, longest_gradient=1.0), loss_at, folder / "segmentation.pt")
    return model


if __name__ == "__main__":
    main(__doc__, train, steps=2000)
