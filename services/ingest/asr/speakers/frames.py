"""Runs a convolutional voice network once over a recording, and pools its frames for each chunk and speaker.

The chunks of a diarization overlap tenfold, so a network that reads chunk by chunk computes each second ten times:

    recording ─► features, centred ─► blocks with context ─► frames ─► a chunk takes its part ─► one vector a mask

A block has as much context as the convolutions reach: its frames are those of a pass over the whole recording. Only
blocks in which a chunk has speech are computed, and two are kept, so memory does not grow with the recording. Features
are centred by the mean of the ten seconds around each of them. A chunk alone is centred by its own mean.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn.functional import avg_pool1d, pad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.speakers.vectors import FloatArray

BLOCK_FRAMES = 250
CENTRED_MS = 10_000
MS_PER_S = 1000


class FrameNetwork(Protocol):
    """A network whose convolutions and pooling can be called one by one, as those of WeSpeaker's ResNets."""

    device: torch.device
    hparams: Any
    resnet: Any

    def compute_fbank(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return features (batch, time, bands) of waveforms (batch, 1, samples)."""

    def forward_embedding(self, frames: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return embeddings (batch, speakers, dimension) of frames (batch, ..., frames) and masks."""

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a number of samples."""


def reach(convolutions: torch.nn.Module) -> tuple[int, int]:
    """Return how many features before and after it a frame depends on, and how many features a frame is long."""
    features, length = 0, 1
    for name, module in convolutions.named_modules():
        if isinstance(module, torch.nn.Conv2d) and "shortcut" not in name:
            features += module.kernel_size[1] // 2 * length
            length *= module.stride[1]
    return features, length


class RecordingFrames:
    """A voice network that runs over a recording; with `whole_blocks` the last block is as long as the others."""

    def __init__(self, network: FrameNetwork, *, whole_blocks: bool) -> None:
        self._network = network
        self._whole_blocks = whole_blocks
        context, self._length = reach(network.resnet)
        self._context = -(-context // self._length)  # in frames, as the sizes below
        given = network.hparams
        self._hop = int(given.sample_rate * given.frame_shift) // MS_PER_S
        self._window = int(given.sample_rate * given.frame_length) // MS_PER_S
        self._half_centred = CENTRED_MS // int(given.frame_shift) // 2

    def embeddings(
        self, waveform: torch.Tensor, chunks: Sequence[range], masks: torch.Tensor
    ) -> Iterator[tuple[int, FloatArray]]:
        """Yield the number of each chunk with speech and its embeddings (speakers, dimension).

        `waveform` has the shape (samples,). A chunk is a range of samples, and may end after the recording. `masks` has
        the shape (chunks, speakers, any number of frames).
        """
        missing = max(0, self._window - len(waveform))
        waveform = pad(waveform, (0, missing)) if missing else waveform
        starts = [round(chunk.start / (self._hop * self._length)) for chunk in chunks]
        counts = [self._network.num_frames(len(chunk)) for chunk in chunks]
        end = max((start + count for start, count in zip(starts, counts, strict=True)), default=0)

        @lru_cache(maxsize=2)
        def block(number: int) -> torch.Tensor:
            first = number * BLOCK_FRAMES
            last = first + BLOCK_FRAMES
            return self._frames(waveform, first, last if self._whole_blocks else min(last, end))

        for chunk in masks.any(dim=2).any(dim=1).nonzero()[:, 0].tolist():
            first, count = starts[chunk], counts[chunk]
            blocks = range(first // BLOCK_FRAMES, (first + count - 1) // BLOCK_FRAMES + 1)
            frames = torch.cat([block(number) for number in blocks], dim=-1)[..., first % BLOCK_FRAMES :][..., :count]
            weights = masks[chunk : chunk + 1].to(self._network.device)
            yield chunk, self._network.forward_embedding(frames, weights)[0].float().cpu().numpy()

    def _frames(self, waveform: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Return the frames (1, ..., last - first) from `first` to `last` of the recording."""
        features = self._features(
            waveform, (first - self._context) * self._length, (last + self._context) * self._length
        )
        frames = self._network.resnet.forward_frames(features)
        return torch.as_tensor(frames)[..., self._context : self._context + last - first]

    def _features(self, waveform: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Return centred features (1, last - first, bands); outside of the recording they are zeros."""
        total = (len(waveform) - self._window) // self._hop + 1
        begin, end = (min(max(0, edge), total) for edge in (first, last))
        near, far = max(0, begin - self._half_centred), min(total, end + self._half_centred)
        samples = waveform[near * self._hop : (far - 1) * self._hop + self._window].to(self._network.device)
        found = self._network.compute_fbank(samples[None, None]).transpose(1, 2)
        half = self._half_centred
        centred = found - avg_pool1d(found, 2 * half + 1, stride=1, padding=half, count_include_pad=False)
        before = max(0, -first)
        after = last - first - before - (end - begin)
        return pad(centred[..., begin - near : end - near], (before, after)).transpose(1, 2)
