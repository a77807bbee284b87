"""Makes one stream of mono samples at 16 kHz out of frames of any format, and silence in place of what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.limits import tolerance_s
from ingest.shared.sandbox.phase import energies, opposite_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.sandbox.limits import DecodeLimits

SAMPLE_RATE = 16_000
BLOCK_S = 0.1  # for which the channels are compared
LONG_S = 360.0  # from here on lengths are shown in hours
SAMPLES: Final[dict[str, type[np.generic]]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
FULL_SCALE: Final[dict[type[np.generic], int]] = {
    np.uint8: 1 << 7,
    np.int16: 1 << 15,
    np.int32: 1 << 31,
    np.int64: 1 << 63,
}

LAYOUTS: Final = {3: "3.0", 4: "4.0", 5: "5.0", 6: "6.0", 7: "7.0", 8: "octagonal"}  # without a channel for the bass
STEREO: Final = 2
BASS, UNNAMED = "LFE", "NONE"  # FFmpeg's names of channels

FloatArray = npt.NDArray[np.float32]


class Output:
    """Converts frames of any format to blocks of mono samples at 16 kHz, and counts what it gives out."""

    def __init__(self, limits: DecodeLimits, take: Callable[[FloatArray], object]) -> None:
        self.limits = limits
        self._take = take
        self._resampler: AudioResampler | None = None
        self._resampled: tuple[int, str, str] | None = None
        self._format: tuple[int, str, str] | None = None
        self.sample_rate = 0
        self.channels = 0
        self._block: list[AudioFrame] = []
        self._block_s = 0.0
        self._channel: int | None = None
        self.samples = 0
        self.changes = 0
        self.missing_s = 0.0
        self.paused_s = 0.0
        self.starts_at_s = 0.0
        self.one_channel_s = 0.0
        self.padding_bytes = 0
        self.frames_s = 0.0

    @property
    def given_s(self) -> float:
        """Return the seconds that were put in."""
        return self.starts_at_s + self.frames_s + self.missing_s + self.paused_s

    def frame(self, frame: AudioFrame) -> None:
        """Give out a decoded frame; its format may be another than that of the frame before."""
        new = (frame.sample_rate, frame.layout.name, frame.format.name)
        if new != self._format:
            self.check_format(frame.sample_rate, frame.layout.nb_channels)
            self._give_block()
            self.changes += self._format is not None
            self._format = new
            self.sample_rate = self.sample_rate or frame.sample_rate
            self.channels = self.channels or frame.layout.nb_channels
        self._block.append(frame)
        self._block_s += frame.samples / frame.sample_rate
        self.frames_s += frame.samples / frame.sample_rate
        if frame.layout.nb_channels == 1 or self._block_s >= BLOCK_S:
            self._give_block()

    def delay(self, seconds: float) -> None:
        """Give out silence before the sound begins."""
        self.starts_at_s += seconds
        self._silence(seconds)

    def pause(self, seconds: float) -> None:
        """Give out silence where the recorder was paused: nothing is missing."""
        self.paused_s += seconds
        self._silence(seconds)

    def fill(self, seconds: float) -> None:
        """Give out silence in place of missing sound."""
        self.missing_s += seconds
        if self.missing_s > tolerance_s(self.limits.max_duration_s):
            raise IngestError(Code.AUDIO_CORRUPT, f"{self.missing_s:.1f} s missing")
        self._silence(seconds)

    def flush(self) -> None:
        """Give out everything that was put in."""
        self._give_block()
        if self._resampler is not None:
            self._resample(None)
        self._resampler = self._resampled = None

    def check_format(self, rate: int, channels: int) -> None:
        """Raise AUDIO_SUSPICIOUS for a sample rate or a number of channels that no recording has."""
        if not self.limits.min_sample_rate <= rate <= self.limits.max_sample_rate:
            raise IngestError(Code.AUDIO_SUSPICIOUS, f"sample rate {rate} Hz")
        if not 1 <= channels <= self.limits.max_channels:
            raise IngestError(Code.AUDIO_SUSPICIOUS, f"{channels} channels")

    def _silence(self, seconds: float) -> None:
        self.flush()
        left = round(seconds * SAMPLE_RATE)
        while left > 0:
            self._give(np.zeros(min(left, SAMPLE_RATE), dtype=np.float32))
            left -= SAMPLE_RATE

    def _give_block(self) -> None:
        """Resample the collected frames: the mean of their channels, or one channel where the mean is silence."""
        frames, self._block, self._block_s = self._block, [], 0.0
        if frames and frames[0].layout.nb_channels > 1:
            summed = np.add.reduce([energies(channels_of(frame)) for frame in frames])
            self._channel = opposite_channel(summed, sum(frame.samples for frame in frames), self._channel)
            if self._channel is not None:
                self.one_channel_s += sum(frame.samples / frame.sample_rate for frame in frames)
                frames = [_one_channel(frame, self._channel) for frame in frames]
        for frame in frames:
            used = _all_used(frame)
            used.pts = None  # the resampler must not correct times: holes are filled already
            self._resample(used)

    def _resample(self, frame: AudioFrame | None) -> None:
        """Resample a frame, or with None what is left in the resampler; one resampler takes one format."""
        if frame is not None:
            new = (frame.sample_rate, frame.layout.name, frame.format.name)
            if self._resampler is not None and new != self._resampled:
                self._resample(None)
                self._resampler = None
            self._resampled = new
        if self._resampler is None:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        try:
            parts = self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise IngestError(Code.AUDIO_CORRUPT, f"sound of the format {self._resampled}: {error}") from error
        for part in parts:
            self._give(part.to_ndarray().reshape(-1).astype(np.float32, copy=False))

    def _give(self, block: FloatArray) -> None:
        if not np.isfinite(block).all():
            raise IngestError(Code.AUDIO_NONFINITE, "the recording contains NaN or infinite samples")
        self.samples += len(block)
        longest_s = self.limits.max_duration_s
        if self.samples / SAMPLE_RATE > longest_s:
            length = f"{longest_s / 3600:.1f} h" if longest_s >= LONG_S else f"{longest_s:.0f} s"
            text = f"more than {length} of audio, which is the limit INGEST_MAX_AUDIO_S"
            raise IngestError(Code.DECODED_LIMIT, text)
        self._take(block)


def channels_of(frame: AudioFrame) -> list[FloatArray]:
    """Return the samples of each channel of a frame, full scale 1."""
    kind, number = SAMPLES[frame.format.packed.name], frame.layout.nb_channels
    planes = [np.frombuffer(bytes(plane), kind) for plane in frame.planes]
    if not frame.format.is_planar:
        planes = [planes[0][channel::number] for channel in range(number)]
    channels = [plane[: frame.samples].astype(np.float32, copy=False) for plane in planes]
    if kind is np.uint8:
        channels = [channel - np.float32(FULL_SCALE[kind]) for channel in channels]
    return [channel / np.float32(FULL_SCALE[kind]) for channel in channels] if kind in FULL_SCALE else channels


def _by_channel(frame: AudioFrame) -> npt.NDArray[Any]:
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def _one_channel(frame: AudioFrame, channel: int) -> AudioFrame:
    samples = np.ascontiguousarray(_by_channel(frame)[channel][np.newaxis])
    chosen = AudioFrame.from_ndarray(samples, format=frame.format.packed.name, layout="mono")
    chosen.sample_rate = frame.sample_rate
    return chosen


def _all_used(frame: AudioFrame) -> AudioFrame:
    """Return a frame whose channels all get into the mix.

    The resampler drops the channel for the bass of a film; of the tracks of a recorder, which have no names, it takes
    the third or fourth microphone for that. More than eight tracks it does not mix at all.
    """
    number = frame.layout.nb_channels
    if number <= STEREO or not {channel.name for channel in frame.layout.channels} & {BASS, UNNAMED}:
        return frame
    if number in LAYOUTS:
        used = AudioFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name, layout=LAYOUTS[number])
    else:
        mixed: FloatArray = np.stack(channels_of(frame)).mean(axis=0, keepdims=True)
        used = AudioFrame.from_ndarray(mixed, format="flt", layout="mono")
    used.sample_rate = frame.sample_rate
    return used
