"""The miniature speaker-embedding model: its architecture, as `pyannote.audio` loads it by name from a checkpoint.

An x-vector network of 0.3 million parameters: log-mel energies, four convolutions over time, mean and standard
deviation over the frames that a mask selects, one linear layer. Trained by `training/voice_train.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyannote.audio import Model
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

if TYPE_CHECKING:
    from pyannote.audio.core.task import Task

WINDOW, HOP, FFT = 400, 160, 512
FLOOR = 1e-6
STRIDE = 2
KERNELS = (5, 3, 3, 1)
DILATIONS = (1, 1, 2, 1)


class MiniVoice(Model):
    """Waveforms to speaker embeddings; several masks of one waveform share one pass."""

    def __init__(
        self,
        sample_rate: int = 16_000,
        num_channels: int = 1,
        mels: int = 64,
        width: int = 128,
        dimension: int = 128,
        task: Task | None = None,
    ) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("mels", "width", "dimension")
        self.melspectrogram = MelSpectrogram(sample_rate, n_fft=FFT, win_length=WINDOW, hop_length=HOP, n_mels=mels)
        widths = (mels, width, width, width, 2 * width)
        self.frames = nn.Sequential(
            *(
                block
                for number, (kernel, dilation) in enumerate(zip(KERNELS, DILATIONS, strict=True))
                for block in (
                    nn.Conv1d(
                        widths[number],
                        widths[number + 1],
                        kernel,
                        stride=STRIDE if number == 0 else 1,
                        dilation=dilation,
                        padding=dilation * (kernel // 2),
                    ),
                    nn.BatchNorm1d(widths[number + 1]),
                    nn.ReLU(),
                )
            )
        )
        self.pool = StatsPool()
        self.embedding = nn.Linear(4 * width, dimension)

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.embedding.out_features

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames for a number of samples."""
        return (num_samples // HOP) // STRIDE + 1

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Return the number of samples that a number of frames depends on."""
        reach = sum((kernel - 1) * dilation for kernel, dilation in zip(KERNELS[1:], DILATIONS[1:], strict=True))
        return FFT + HOP * (KERNELS[0] - 1 + STRIDE * (num_frames - 1 + reach))

    def receptive_field_center(self, frame: int = 0) -> int:
        """Return the middle sample of the receptive field of a frame."""
        return frame * HOP * STRIDE

    def features(self, waveforms: Tensor) -> Tensor:
        """Return log-mel energies, (batch, mels, frames), of waveforms (batch, channel, sample)."""
        return torch.log(self.melspectrogram(waveforms.squeeze(1)) + FLOOR)

    def forward_frames(self, waveforms: Tensor) -> Tensor:
        """Return the features before pooling, (batch, width, frames), of waveforms (batch, channel, sample)."""
        return torch.as_tensor(self.frames(self.features(waveforms)))

    def forward_embedding(self, frames: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return embeddings of `frames`: (batch, dimension), or (batch, speakers, dimension) for stacked weights.

        `weights` are (batch, frames) or (batch, speakers, frames), of any number of frames.
        """
        return torch.as_tensor(self.embedding(self.pool(frames, weights=weights)))

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:  # type: ignore[override]  # as theirs
        """Return the embeddings of waveforms (batch, channel, sample) over the frames that `weights` select."""
        return self.forward_embedding(self.forward_frames(waveforms), weights)
