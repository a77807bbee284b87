"""Takes a person out of what is stored of a recording: the name and the voice embeddings. The words stay. Pure.

Every speaker of the diarization that had the name becomes an `Unknown` with a number that is free.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import UNKNOWN
from ingest.shared.artifacts import zstd_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.shared.artifacts.transcript import Transcript, Turn
    from ingest.shared.artifacts.voiceprints import Voiceprints

ERASED = "erased"  # the rule of a turn without its person


def is_named(speaker: str | None, name: str) -> bool:
    """Whether a speaker has this name, ignoring case."""
    return speaker is not None and speaker.casefold() == name.casefold()


def mentions(turns: Iterable[Turn], name: str) -> int:
    """Return how many turns have this name, or have it as the second best."""
    return sum(is_named(turn.speaker, name) or is_named(turn.second_best, name) for turn in turns)


def free_names(speakers: Iterable[str | None]) -> Iterator[str]:
    """Yield the names of unknown speakers that none of these has."""
    taken = set(speakers)
    return (f"{UNKNOWN} {number}" for number in count(1) if f"{UNKNOWN} {number}" not in taken)


def turns_without(turns: Sequence[Turn], name: str) -> list[Turn]:
    """Return the turns without a person: without name, scores and voice embedding where the person speaks."""
    free = free_names([turn.speaker for turn in turns])
    unknown: dict[str, str] = {}
    changed = []
    for turn in turns:
        if is_named(turn.speaker, name):
            if turn.cluster not in unknown:
                unknown[turn.cluster] = next(free)
            nothing = dict.fromkeys(("score", "margin", "second_best", "profile_version", "vector"))
            changed.append(turn.model_copy(update={**nothing, "speaker": unknown[turn.cluster], "rule": ERASED}))
        elif is_named(turn.second_best, name):
            changed.append(turn.model_copy(update={"second_best": None, "margin": None}))
        else:
            changed.append(turn)
    return changed


def voiceprints_without(voiceprints: Voiceprints, name: str) -> Voiceprints:
    """Return voiceprints without a person, and without the vectors that no turn has any more."""
    turns = turns_without(voiceprints.turns, name)
    kept = sorted({turn.vector for turn in turns if turn.vector is not None})
    place = {old: new for new, old in enumerate(kept)}
    vectors = voiceprints.vectors.array()[np.array(kept, dtype=int)]
    turns = [turn if turn.vector is None else turn.model_copy(update={"vector": place[turn.vector]}) for turn in turns]
    return voiceprints.model_copy(update={"turns": tuple(turns), "vectors": zstd_json.vectors(vectors)})


def transcript_without(transcript: Transcript, name: str) -> Transcript:
    """Return a transcript without a person."""
    turns = None if transcript.turns is None else tuple(turns_without(transcript.turns, name))
    erased = [turn for turn in turns or () if turn.rule == ERASED]
    fallback = next(free_names([segment.speaker for segment in transcript.segments]))
    segments = tuple(
        segment.model_copy(
            update={"speaker": speaker_at(erased, segment.start_s, segment.end_s) or fallback, "speaker_score": None}
        )
        if is_named(segment.speaker, name)
        else segment
        for segment in transcript.segments
    )
    return transcript.model_copy(update={"turns": turns, "segments": segments})


def speaker_at(turns: Iterable[Turn], start_s: float, end_s: float) -> str | None:
    """Return the speaker of the turn that overlaps a time span most; None where none does."""
    shared = [(min(end_s, turn.end_s) - max(start_s, turn.start_s), turn.speaker) for turn in turns]
    longest_s, speaker = max(shared, default=(0.0, ""))
    return speaker if longest_s > 0 else None
