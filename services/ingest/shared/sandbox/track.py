"""Reads the packets of one sound track: each of them is decoded, or silence stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av.error
from av.audio.frame import AudioFrame

from ingest.shared.sandbox.clock import EXACT, TIMED, Clock
from ingest.shared.sandbox.file_parts import (
    MP3_HEADS,
    SELF_FRAMED,
    before_fill,
    behind_fill,
    end_of_tag,
    is_fill,
    mp3_frame_bytes,
)
from ingest.shared.sandbox.limits import MISSING_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from ingest.shared.sandbox.output import Output

DEMUX_TRIES = 3  # in a row: FFmpeg may go on behind a damaged place
LEAST_DELAY_S = 0.05  # of the sound after the pictures; less is rounding


class Track:
    """Reads the packets of one track; counts those that cannot be decoded, and fills their place."""

    def __init__(
        self,
        stream: AudioStream,
        kind: str,
        pictures_at_s: float | None,
        output: Output,
        is_whole: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stream = stream
        self._kind = kind
        self._pictures_at_s = pictures_at_s
        self._output = output
        self._is_whole = is_whole
        self._clock = Clock(kind)
        self._before_s = output.given_s
        self._has_begun = False
        self._rate = 0
        self._frame_s = 0.0
        self._unheard_s = 0.0
        self._sound_bytes = 0
        self._sound_s = 0.0
        self._tag_to = 0
        self._unsure_bytes = 0
        self._last = b""
        self.padding_bytes = 0
        self.errors = 0
        self.read_to = 0
        self.is_stuck = False

    @property
    def ahead_s(self) -> float:
        """Return by how much the decoded sound is longer than the times of its packets say."""
        return self._clock.ahead_s

    @property
    def seconds(self) -> float:
        """Return the seconds of sound of this track, with the silence in place of missing packets."""
        return self._output.given_s - self._before_s

    @property
    def is_unreadable(self) -> bool:
        """Return whether there are packets, of which none could be decoded."""
        return self.errors > 0 and not self._has_begun

    @property
    def breaks_off(self) -> bool:
        """Return whether the last frame is shorter than its head says; false where only FFmpeg reads the head."""
        return self._kind == "mp3" and len(self._last) < mp3_frame_bytes(self._last)

    def read(self, container: InputContainer) -> None:
        """Decode all packets."""
        for packet in self._packets(container):
            if self._is_fill(packet):
                continue
            try:
                frames = [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]
            except av.error.FFmpegError:
                self._unreadable(packet)
            else:
                self._decoded(packet, frames)
            if packet.size and packet.pos is not None:
                self.read_to = max(self.read_to, packet.pos + packet.size)
        if self._unheard_s > MISSING_S:  # the decoder has returned fewer frames than it was given packets
            self._fill(self._unheard_s)
        self._end_padding()
        self._output.flush()

    def _packets(self, container: InputContainer) -> Iterator[Packet[AudioStream]]:
        """Yield the packets, and an empty one at the end, which makes the decoder return its last frames."""
        tries = 0
        while tries < DEMUX_TRIES:
            try:
                for packet in container.demux(self._stream):
                    tries = 0
                    yield packet
            except av.error.FFmpegError:
                self.errors += 1
                tries += 1
            else:
                return
        self.is_stuck = True

    def _is_fill(self, packet: Packet[AudioStream]) -> bool:
        """Return whether a packet is nothing but fill, which is padding unless sound follows."""
        if self._kind not in SELF_FRAMED or not packet.size or not is_fill(bytes(packet)):
            return False
        self._unsure_bytes += packet.size
        return True

    def _decoded(self, packet: Packet[AudioStream], frames: list[AudioFrame]) -> None:
        if frames and packet.size:
            self._fill(self._unsure_bytes * self._a_byte_s)
            self._unsure_bytes = 0
            self._last = bytes(packet)
        for frame in frames:
            self._frame(frame)
        if frames:
            self._sound_bytes += packet.size
            self._sound_s += sum(frame.samples / frame.sample_rate for frame in frames)
            owed = len(frames) - (1 if packet.size else 0)  # frames of earlier packets: decoders are late
            self._unheard_s = max(0.0, self._unheard_s - owed * self._frame_s)
        elif packet.size and not packet.is_discard:  # discard: the file itself says that it is not to be played
            self._unheard_s += self._says_s(packet)

    def _frame(self, frame: AudioFrame) -> None:
        seconds = frame.samples / frame.sample_rate
        if not self._has_begun:
            self._begin(frame.time)
        if frame.sample_rate != self._rate and self._rate:
            self._clock.change()
        self._rate = frame.sample_rate
        self._hole(self._clock.hole_s(frame.time))
        self._output.frame(frame)
        self._clock.advance(seconds)
        self._frame_s = seconds

    def _hole(self, seconds: float) -> None:
        """Fill a hole between two frames. In a file that lacks nothing, it is a pause, or silence that was not sent."""
        if seconds > 0 and not self.errors and not self._unheard_s and self._is_whole():
            self._output.pause(seconds)
            self._clock.advance(seconds)
        else:
            self._fill(seconds)

    def _begin(self, time_s: float | None) -> None:
        """Give out the silence before a sound that begins later than the pictures."""
        self._has_begun = True
        if time_s is None or self._pictures_at_s is None:
            return
        late_s = time_s - self._pictures_at_s - self.seconds
        if LEAST_DELAY_S < late_s < self._output.limits.max_duration_s:
            self._output.delay(late_s)
            self._before_s += late_s

    def _unreadable(self, packet: Packet[AudioStream]) -> None:
        """Fill the place of a packet that cannot be decoded."""
        self.errors += 1
        if self._kind in TIMED:
            self._fill(self._says_s(packet))
            return
        at = packet.pos or 0
        tag_end = end_of_tag(bytes(packet))
        if tag_end is not None:
            self._tag_to = max(self._tag_to, at + tag_end)
        if at >= self._tag_to:  # such containers make a packet of everything between two frames
            self._fill_by_size(packet)
        else:
            self._end_padding()

    def _fill_by_size(self, packet: Packet[AudioStream]) -> None:
        """Fill the place of bytes between two frames, but not that of padding before a head or at the end."""
        data = bytes(packet)
        if self._kind not in SELF_FRAMED:
            self._fill(max(self._says_s(packet), len(data) * self._a_byte_s))
            return
        behind = data[len(data) - behind_fill(data) :]
        if any(name in behind for name in MP3_HEADS):
            self._unsure_bytes += len(data) - len(behind)
            self._end_padding()
            data = behind
        sound = before_fill(data)
        self._fill(max(self._says_s(packet), sound * self._a_byte_s))
        self._unsure_bytes += len(data) - sound

    def _end_padding(self) -> None:
        """Count fill as padding: another recording or the end of the file follows."""
        self.padding_bytes += self._unsure_bytes
        self._unsure_bytes = 0

    @property
    def _a_byte_s(self) -> float:
        return self._sound_s / self._sound_bytes if self._sound_bytes else 0.0

    def _says_s(self, packet: Packet[AudioStream]) -> float:
        """Return the seconds of a packet: as it says where this is exact, else as long as the frame before."""
        said_s = float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0
        return said_s if said_s > 0 and (self._kind in EXACT or not self._frame_s) else self._frame_s

    def _fill(self, seconds: float) -> None:
        if seconds > 0:
            self._output.fill(seconds)
            self._clock.advance(seconds)
