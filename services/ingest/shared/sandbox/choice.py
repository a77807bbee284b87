"""Chooses one of several sound tracks: the default one, unless it is silent throughout and another one is not.

Tracks for a purpose besides (a commentary, a description of the pictures) come after the others. A track without a
decoder in FFmpeg is never chosen.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Disposition

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.output import channels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from av.audio.stream import AudioStream
    from av.container import InputContainer

BESIDES = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke | Disposition.clean_effects
PROTECTED = frozenset({"aavd", "drms", "enca"})  # tags of encrypted sound: Audible, FairPlay, CENC
SILENCE = 1e-4  # of full scale: below the noise of any recorder


def sound_track(container: InputContainer, again: Callable[[], AbstractContextManager[InputContainer]]) -> AudioStream:
    """Return the track to use; `again` opens the container once more, to look for sound without moving in it."""
    tracks = container.streams.audio
    if not tracks:
        raise IngestError(Code.NO_AUDIO_STREAM, "the file has no audio track")
    usable = sorted((track for track in tracks if track.codec_context), key=_rank)  # PyAV: None without a decoder
    if not usable:
        raise IngestError(Code.NOT_AUDIO, "no decoder for the format of its audio track")
    usable = [track for track in usable if _tag(track) not in PROTECTED]
    if not usable:
        raise IngestError(Code.DRM_PROTECTED, "the sound is encrypted by the program or the shop that it comes from")
    if len(usable) == 1:
        return usable[0]
    return next((track for track in usable if _has_sound(track.index, again)), usable[0])


def _tag(track: AudioStream) -> str:
    """Return the tag of a track's codec; of a number above 127, which PyAV does not take for letters, none."""
    try:
        return track.codec_context.codec_tag
    except UnicodeDecodeError:
        return ""


def _rank(track: AudioStream) -> tuple[bool, bool, int]:
    return bool(track.disposition & BESIDES), not track.disposition & Disposition.default, track.index


def _has_sound(index: int, again: Callable[[], AbstractContextManager[InputContainer]]) -> bool:
    """Return whether any sample that can be decoded of a track is louder than silence."""
    with again() as container, suppress(av.error.FFmpegError):
        for packet in container.demux(container.streams[index]):
            with suppress(av.error.FFmpegError):
                if any(_is_loud(frame) for frame in packet.decode() if isinstance(frame, AudioFrame)):
                    return True
    return False


def _is_loud(frame: AudioFrame) -> bool:
    return any(bool(np.abs(channel).max(initial=0.0) > SILENCE) for channel in channels_of(frame))
