"""A piece of a recording: a chunk, or a part of one, with its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.whisper import ChunkTranscript


@dataclass(frozen=True)
class Piece:
    """A chunk, or a part of one, with its words; without a language, it is in that of the recording.

    `refined` is whether the second pass has improved them; in a piece that is not open, nothing is looked for.
    """

    chunk: SpeechChunk
    transcript: ChunkTranscript
    language: str | None = None
    refined: bool = False
    is_open: bool = True
