"""The recordings of `bench.peers` by their length, and what a way got wrong in them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import real_speech_score as score
from bench.diarization import compared
from ingest.shared.sandbox.decode import DecodeLimits, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.real_speech_set import Recording

SHORT_S, LONG_S = 10.0, 120.0
GROUPS: dict[str, Callable[[Recording], bool]] = {
    "short": lambda one: one.seconds < SHORT_S,
    "mixed": lambda one: one.seconds < LONG_S,
    "long": lambda one: one.seconds >= LONG_S,
}


def groups(found: Sequence[Recording], most_s: float) -> dict[str, list[Recording]]:
    """Return the recordings of each group that has any."""
    chosen = {name: [one for one in found if is_in(one)] for name, is_in in GROUPS.items()}
    return {name: spread(some, most_s) for name, some in chosen.items() if some}


def spread(found: Sequence[Recording], most_s: float) -> list[Recording]:
    """Return recordings of at most some seconds altogether (at least one), of all folders in turn.

    Of a folder come the shortest one, the longest one, the second shortest one, and so on.
    """
    folders: defaultdict[str, list[Recording]] = defaultdict(list)
    for one in sorted(found, key=lambda one: (one.seconds, one.file)):
        folders[one.group].append(one)
    turns = [_from_both_ends(folder) for _, folder in sorted(folders.items())]
    kept: list[Recording] = []
    for number in range(max(map(len, turns), default=0)):
        for one in (turn[number] for turn in turns if number < len(turn)):
            if sum(before.seconds for before in kept) + one.seconds <= most_s:
                kept.append(one)
    return kept or [min(found, key=lambda one: one.seconds)]


def _from_both_ends(ordered: Sequence[Recording]) -> list[Recording]:
    return [ordered[-(number // 2) - 1 if number % 2 else number // 2] for number in range(len(ordered))]


def job(recording: Recording, folder: Path, scratch: Path) -> dict[str, str | None]:
    """Return a recording as a worker reads it; its samples are written to a file once."""
    path = folder.resolve() / recording.file
    samples = scratch / f"{recording.file.replace('/', '_')}.npy"
    if not samples.exists():
        blocks: list[np.ndarray] = []
        decode(path, DecodeLimits(), lambda block: blocks.append(np.array(block, dtype=np.float32)))
        np.save(samples, np.concatenate(blocks))
    return {"path": str(path), "samples": str(samples), "language": recording.language}


def wrong_words(recordings: Sequence[Recording], texts: Sequence[str]) -> tuple[float, float]:
    """Return how many words are wrong, of how many."""
    wrong = total = 0
    for one, text in zip(recordings, texts, strict=True):
        language = one.language or "en"
        said = score.words(one.text or "", language)
        wrong += score.errors(said, score.words(text, language), inside=one.is_inside)
        total += len(said)
    return wrong, total


def wrong_turns(folder: Path, recordings: Sequence[Recording], found: Sequence[Any]) -> tuple[float, float]:
    """Return the seconds of speech that are missed, false or another speaker's, of how many."""
    parts = [
        compared(folder / (one.rttm or ""), turns, one.seconds) for one, turns in zip(recordings, found, strict=True)
    ]
    return sum(part.wrong_s for part in parts), sum(part.speech_s for part in parts)
