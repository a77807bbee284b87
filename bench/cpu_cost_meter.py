"""Adds up the CPU seconds of the parts of `bench.cpu_cost`."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL, CPU = "model", "CPU"
PARTS = {
    "decoding (in the asr stage; once more in the downloader)": CPU,
    "voice activity detection": CPU,
    "log-mel features": CPU,
    "encoder": MODEL,
    "language": MODEL,
    "tokens": MODEL,
    "alignment": MODEL,
    "words and their times": CPU,
    "segments": CPU,
    "JSON": CPU,
    "zstd": CPU,
    "speakers: segmentation": MODEL,
    "speakers: features": MODEL,
    "speakers: voice network": MODEL,
    "speakers: clustering and the rest": CPU,
}
DECODING, SPEECH, FEATURES, ENCODER, LANGUAGE, TOKENS, ALIGNMENT, WORDS, SEGMENTS, JSON, ZSTD, *SPEAKERS = PARTS


@dataclass
class Meter:
    """Adds up CPU seconds by part. Inside of another part, a part takes its seconds from that one."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    inner: list[float] = field(default_factory=lambda: [0.0])

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Measure the block."""
        began = time.process_time()
        self.inner.append(0.0)
        try:
            yield
        finally:
            took_s = time.process_time() - began
            self.seconds[part] += took_s - self.inner.pop()
            self.inner[-1] += took_s

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return a function whose calls are measured."""

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401 (those of any function)
            with self.measure(part):
                return function(*given, **named)

        return call


class TimedModel:
    """A model of CTranslate2 whose methods are measured: its own class takes no attributes."""

    def __init__(self, model: Any, meter: Meter) -> None:  # noqa: ANN401 (CTranslate2 has no types)
        self._model = model
        named = {"encode": ENCODER, "detect_language": LANGUAGE, "generate": TOKENS, "align": ALIGNMENT}
        self._timed = {name: meter.timed(getattr(model, name), part) for name, part in named.items()}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (any attribute)
        return self._timed.get(name) or getattr(self._model, name)
