"""What the transcriber reads: the samples of a recording, and the speech in it, which may still be looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.asr.sample_file import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.asr.audio import Waveform
    from ingest.asr.spans import Span


class Sound(Samples, Protocol):
    """The samples of a recording and its speech. Both grow until all speech is found."""

    def speech(self) -> Iterator[Span]:
        """Yield the spans of speech in order, each as soon as it is known."""

    @property
    def is_searched(self) -> bool:
        """Whether all samples and all speech are known."""

    @property
    def language(self) -> str | None:
        """The language that the file names, where it is known already."""


@dataclass(frozen=True, eq=False)
class WholeSound:
    """A recording of which everything is known."""

    waveform: Waveform
    spans: list[Span]
    language: str | None = None
    is_searched: bool = True

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.waveform)

    def __getitem__(self, part: slice) -> Waveform:
        """Return some of the samples."""
        return self.waveform[part]

    def speech(self) -> Iterator[Span]:
        """Yield the spans of speech."""
        return iter(self.spans)
