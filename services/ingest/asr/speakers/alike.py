"""Finds unknown voices of several recordings that sound alike, so they can be named at once. Pure.

Each unknown voice is one vector, the mean over what it says. The voice that speaks most begins a group; each further
one joins the group whose mean is nearest, if it is near enough. Two voices of one recording are never in one group:
the diarization has told them apart. Nothing is named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import is_unknown_speaker
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.shared.artifacts.transcript import Turn

LEAST_SPEECH_S = 8.0  # a shorter voice has too unsure a vector


@dataclass(frozen=True, eq=False)
class UnknownVoice:
    """A speaker of a recording without a name: the mean vector, of length 1, and how long it speaks."""

    video_id: str
    speaker: str
    model_key: str
    speech_s: float
    vector: FloatArray


def unknown_voices(video_id: str, model_key: str, turns: Sequence[Turn], vectors: FloatArray) -> Iterator[UnknownVoice]:
    """Yield the speakers of a recording that have no name and speak long enough."""
    by_speaker: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.vector is not None and is_unknown_speaker(turn.speaker):
            by_speaker.setdefault(turn.speaker, []).append(turn)
    for speaker, spoken in by_speaker.items():
        lengths = np.array([turn.end_s - turn.start_s for turn in spoken], dtype=np.float32)
        if lengths.sum() < LEAST_SPEECH_S:
            continue
        rows = l2_normalize(vectors[[turn.vector for turn in spoken if turn.vector is not None]])
        mean = l2_normalize((rows * lengths[:, None]).sum(axis=0, keepdims=True))[0]
        yield UnknownVoice(video_id, speaker, model_key, float(lengths.sum()), mean)


def groups(voices: Iterable[UnknownVoice], same_voice: float) -> list[list[UnknownVoice]]:
    """Return the voices of each group of at least two, the group that speaks most first.

    `same_voice` is the least cosine between a voice and the mean of its group.
    """
    by_model: dict[str, list[UnknownVoice]] = {}
    for voice in voices:
        by_model.setdefault(voice.model_key, []).append(voice)
    found = [group for members in by_model.values() for group in _grouped(members, same_voice) if len(group) > 1]
    return sorted(found, key=lambda group: -sum(voice.speech_s for voice in group))


def _grouped(voices: Iterable[UnknownVoice], same_voice: float) -> list[list[UnknownVoice]]:
    ordered = sorted(voices, key=lambda voice: (-voice.speech_s, voice.video_id, voice.speaker))
    groups: list[list[UnknownVoice]] = []
    sums = np.zeros((len(ordered), len(ordered[0].vector)), dtype=np.float32)
    for voice in ordered:
        number = _group_of(voice, groups, sums[: len(groups)], same_voice)
        if number is None:
            number = len(groups)
            groups.append([])
        groups[number].append(voice)
        sums[number] += voice.vector * voice.speech_s
    return groups


def _group_of(
    voice: UnknownVoice, groups: Sequence[Sequence[UnknownVoice]], sums: FloatArray, same_voice: float
) -> int | None:
    """Return the number of the nearest group that is near enough and has no voice of the same recording."""
    cosines = l2_normalize(sums) @ voice.vector
    for number in np.argsort(-cosines):
        if cosines[number] < same_voice:
            return None
        if all(other.video_id != voice.video_id for other in groups[number]):
            return int(number)
    return None
