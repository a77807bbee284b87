"""Train the miniature speaker-embedding model: `python -m training.voice_train`.

Crops of 1 to 4 seconds of 250 synthetic speakers are separated with an additive angular margin (ArcFace). Noise,
level and the colour of the channel are varied in the features, so that these are computed once. About ten minutes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

from ingest.demo.voice_model import FLOOR, MiniVoice
from training.conversations import Pool, training_speakers
from training.steps import Course, descend, main
from training.voices import as_floats

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FRAMES_A_SECOND = 100
BATCH = 64
SCALE = 24.0
MARGIN = 0.2


class Features:
    """Log-mel energies (mels, frames) of all utterances of the pool, by speaker; computed once, kept on disk."""

    def __init__(self, folder: Path) -> None:
        pool = Pool(folder)
        path = folder / "features.npy"
        if not path.exists():
            _compute(pool, path)
        self._values = np.load(path, mmap_mode="r")
        self._places: dict[int, list[tuple[int, int]]] = {}
        at = 0
        for speaker, rows in pool.by_speaker.items():
            for _, count in rows:
                frames = _frames(count)
                self._places.setdefault(speaker, []).append((at, frames))
                at += frames

    def crop(self, rng: random.Random, speaker: int, frames: int) -> npt.NDArray[np.float32]:
        """Return `frames` frames of a speaker, from as many utterances as it takes."""
        parts: list[npt.NDArray[np.float16]] = []
        missing = frames
        while missing > 0:
            start, count = rng.choice(self._places[speaker])
            first = start + rng.randint(0, max(0, count - missing))
            parts.append(self._values[:, first : min(start + count, first + missing)])
            missing -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1).astype(np.float32)


def _frames(samples: int) -> int:
    return 1 + samples // 160


def _compute(pool: Pool, path: Path) -> None:
    model = MiniVoice()
    parts = []
    for rows in pool.by_speaker.values():
        for start, count in rows:
            waveform = torch.from_numpy(as_floats(pool.audio[start : start + count]))
            parts.append(model.features(waveform[None, None])[0].numpy().astype(np.float16))
    np.save(path, np.concatenate(parts, axis=1))


def vary(features: Tensor, noise: torch.Generator) -> Tensor:
    """Return features (batch, mels, frames) at other levels, through other channels, with other noise."""
    batch, mels, frames = features.shape
    level = torch.rand(batch, 1, 1, generator=noise) * 2.4 - 1.6  # natural logarithm of a power
    bends = torch.randn(batch, 6, generator=noise) * 0.25
    colour = nn.functional.interpolate(bends[:, None], size=mels, mode="linear", align_corners=True).transpose(1, 2)
    floor_level = torch.rand(batch, 1, 1, generator=noise) * 7 - 9
    slope = (torch.rand(batch, 1, 1, generator=noise) - 0.7) * torch.linspace(0, 3, mels)[None, :, None]
    shimmer = torch.randn(batch, mels, frames, generator=noise) * 0.5
    power = torch.exp(features + level + colour) + torch.exp(floor_level + slope + shimmer)
    return torch.log(power + FLOOR)


class Margin(nn.Module):
    """Additive angular margin: the own speaker's angle has to be better than the others' by `MARGIN`."""

    def __init__(self, dimension: int, speakers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(speakers, dimension) * 0.1)

    def forward(self, embeddings: Tensor, speakers: Tensor, margin: float) -> Tensor:
        """Return the loss."""
        cosine = linear(normalize(embeddings), normalize(self.weight)).clamp(-0.999, 0.999)
        own = one_hot(speakers, self.weight.shape[0]).bool()
        angle = torch.where(own, torch.acos(cosine) + margin, torch.acos(cosine))
        return cross_entropy(SCALE * torch.cos(angle), speakers)


def train(folder: Path, steps: int, seed: int = 1) -> MiniVoice:
    """Train from scratch and return the model."""
    features = Features(folder)
    rng, noise = random.Random(seed), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = MiniVoice()
    head = Margin(model.dimension, len(training_speakers()))
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], weight_decay=1e-3)

    def loss_at(step: int) -> Tensor:
        speakers = rng.sample(range(len(training_speakers())), BATCH)
        frames = int(rng.uniform(1.0, 4.0) * FRAMES_A_SECOND)
        batch = torch.from_numpy(np.stack([features.crop(rng, speaker, frames) for speaker in speakers]))
        embeddings = model.forward_embedding(model.frames(vary(batch, noise)))
        loss: Tensor = head(embeddings, torch.tensor(speakers), MARGIN * min(1.0, step / (0.3 * steps)))
        return loss

    descend(model, optimizer, Course(steps, rising=0.2, longest_gradient=5.0), loss_at, folder / "voice.pt")
    return model


if __name__ == "__main__":
    main(__doc__, train, steps=2500)
