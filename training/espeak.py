"""espeak-ng through its C library: speech together with the time at which each word starts.

The command line tool does not report word times; the library does, in its events. Only this file uses the C interface
(`speak_lib.h`). One process, one caller: the library keeps global state.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
POS_CHARACTER = 1
EVENT_LIST_TERMINATED, EVENT_WORD = 0, 1
RATE, PITCH = 1, 3


class SynthesizerMissingError(RuntimeError):
    """A synthesizer is not installed; the message says how to get it."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Speech:
    """Speech: int16 samples at `rate` Hz; by the index of a word's first letter, the second at which it starts.

    Words that espeak-ng says in one breath (`in the`) have one entry, that of the first.
    """

    samples: npt.NDArray[np.int16]
    rate: int
    starts_s: dict[int, float]


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        message = "the espeak-ng library is not installed; on Debian: apt-get install espeak-ng flite"
        raise SynthesizerMissingError(message) from error
    rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, None, 0)
    if rate <= 0:
        message = "espeak-ng does not start: are its data files installed?"
        raise SynthesizerMissingError(message)
    return library, rate


def synthesize(text: str, voice: str, *, speed: int, pitch: int) -> Speech:
    """Speak `text` with `voice` (as `en-us+f1`), `speed` in words a minute, `pitch` 0-99."""
    library, rate = _library()
    blocks: list[npt.NDArray[np.int16]] = []
    starts_s: dict[int, float] = {}

    def keep(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if wave and count > 0:
            blocks.append(np.ctypeslib.as_array(wave, shape=(count,)).astype(np.int16))
        index = 0
        while events[index].type != EVENT_LIST_TERMINATED:
            if events[index].type == EVENT_WORD:
                starts_s.setdefault(events[index].text_position - 1, events[index].audio_position / 1000)
            index += 1
        return 0

    callback = _CALLBACK(keep)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        message = f"espeak-ng has no voice {voice}"
        raise ValueError(message)
    library.espeak_SetParameter(RATE, speed, 0)
    library.espeak_SetParameter(PITCH, pitch, 0)
    data = text.encode() + b"\0"
    library.espeak_Synth(data, len(data), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int16)
    return Speech(samples, rate, starts_s)
