"""Finds channels of opposite sign, whose mean is silence although each of them is loud. Pure.

A microphone cable with two wires exchanged makes such recordings. The measure is the power in a block of 0.1 s: the
mean of all channels is compared with the quieter one of two channels, or with the loudest one of more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence


FAR_BELOW = 0.1  # of two channels: the mean has less than a tenth of the power (10 dB) of the quieter one
FAR_BELOW_LOUDEST = 0.01  # of more channels, most of which are often silent: a hundredth (20 dB) of the loudest one
CLEARLY_ABOVE = 2.5  # the mean is used again when it has this many times the power
SILENCE = 1e-9  # power of a channel, of full scale


Channel = npt.NDArray[np.float32]  # its samples, full scale 1


def energies(channels: Sequence[Channel]) -> npt.NDArray[np.float64]:
    """Return the products of all pairs of channels, summed over their samples: all that is compared."""
    summed = np.empty((len(channels), len(channels)))
    for row, one in enumerate(channels):
        for column, other in enumerate(channels[: row + 1]):
            summed[row, column] = summed[column, row] = one.dot(other)
    return summed


def opposite_channel(summed: npt.NDArray[np.float64], samples: int, before: int | None) -> int | None:
    """Return the channel to use instead of the mean of the channels, or None to use the mean.

    `summed` are the `energies` of a block of so many samples. `before` is the answer for the block before: a channel is
    kept in silence, and until the mean is clearly louder.
    """
    powers = summed.diagonal() / samples
    loudest = int(powers.argmax())
    if powers[loudest] < SILENCE:
        return before
    mean = float(summed.sum()) / samples / len(powers) ** 2
    two = len(powers) == len(("left", "right"))
    limit = FAR_BELOW * float(powers.min()) if two else FAR_BELOW_LOUDEST * float(powers[loudest])
    if before is not None:
        limit *= CLEARLY_ABOVE
    if mean >= limit:
        return None
    return loudest if before is None or before >= len(powers) else before
