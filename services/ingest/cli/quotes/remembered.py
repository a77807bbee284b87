"""A recognizer that remembers its latest answers: several citations are about the same chunks of a recording."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ingest.asr.recognition.whisper import ChunkTranscript, Request

MOST = 2000  # chunks: some 20 kB each, ten hours of speech


class RememberedAnswers:
    """Gives the answers of `read` to requests; those to the `most` latest ones are computed once.

    What a chunk is answered depends on its samples and the question alone. Several threads may call it.
    """

    def __init__(self, read: Callable[[Sequence[Request]], Sequence[ChunkTranscript]], most: int = MOST) -> None:
        self._read, self._most = read, most
        self._lock = threading.Lock()
        self._known: dict[Hashable, ChunkTranscript] = {}  # the answer that was asked for last is the last one

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        """Return the answers to requests of one group."""
        keys = [_key(request) for request in requests]
        asked = dict(zip(keys, requests, strict=True))  # of a chunk that is asked for twice, one request
        with self._lock:
            found = {key: self._known.pop(key) for key in asked if key in self._known}
        new = [key for key in asked if key not in found]
        found |= zip(new, self._read([asked[key] for key in new]), strict=True) if new else ()
        with self._lock:
            self._known |= found
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return [found[key] for key in keys]


def _key(request: Request) -> Hashable:
    features = hashlib.blake2b(request.features.tobytes(), digest_size=16).digest()
    return (features, request.duration_s, *request.group)
