"""`ingest voices enroll`: makes the profile of a voice from recordings, or from turns of archived videos."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import profiles as enrolled
from ingest.asr.speakers.profiles import Profile, Profiles, checked_name
from ingest.asr.speakers.two_voices import halves, outlying
from ingest.cli import console
from ingest.cli.voices.profiles import NO_DIARIZATION, facts
from ingest.cli.voices.progress import shown
from ingest.cli.voices.samples import VoiceSample, VoiceSampler
from ingest.embedder.corrections import names as by_hand
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.artifacts import voiceprints
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.chosen import home_of, volume_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.settings import AllSettings
    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.embedder.postgres.database import Database
    from ingest.shared.artifacts.transcript import Turn
    from ingest.shared.artifacts.volume import Volume

    Said = Mapping[str, Sequence[SpeakerStatement]]

MAX_VECTORS = 200
STORED = "<f2"  # as vectors are stored in a file


def enroll(
    settings: AllSettings,
    name: str,
    sources: Sequence[str],
    turns: Sequence[str],
    *,
    replace: bool,
    said: Said = MappingProxyType({}),
) -> Profile:
    """Write the next version of a profile and return it; raise IngestError for unsuitable recordings.

    `said` is what people have said about the speakers of the archived videos that are named. A profile that has all
    of these voice embeddings already is returned as it is.
    """
    name = checked_name(name)
    profiles, volume = Profiles(home_of(settings)), volume_of(settings)
    before = None if replace else profiles.get(name)
    same_voice = speaker_models.thresholds(settings).same_voice
    sources, turns = list(dict.fromkeys(sources)), list(dict.fromkeys(turns))  # else one would count twice
    recorded = [from_turns(volume, text, same_voice, said) for text in turns]
    if sources:
        with shown() as show:
            sampler = VoiceSampler(settings, show)
            recorded += [sampler.sample(source) for source in sources]
    if before is not None:
        recorded = [new for one in recorded if len((new := _new_in(one, before)).vectors)]
        if not recorded:
            return before
    return profiles.keep(build_profile(name, recorded, before, same_voice))


def said_of(database: Database, turns: Sequence[str]) -> Said:
    """Return what people have said about the speakers of the videos of these `VIDEO:SPEAKER`.

    Raise ConfigurationError for a video that the archive does not have.
    """
    rows = Catalog(database).named([parse_speaker_ref(text).video_id for text in turns])
    return speaker_statements.of_videos(database, [row.video_id for row in rows])


def print_enrolled(profile: Profile, *, as_json: bool) -> None:
    """Print the content of a profile."""
    if as_json:
        console.print_json(facts(profile))
        return
    console.out.print(outgoing.line(describe(profile)), markup=False)
    console.out.print("next: ingest voices relabel --all")


def describe(profile: Profile) -> str:
    """Return a description of a profile in one line."""
    return (
        f"{profile.name}, version {profile.version}: {len(profile.vectors)} vectors over {profile.speech_s:.0f} s of "
        f"speech, purity {profile.half_similarity:.3f}"
    )


def build_profile(name: str, recorded: Sequence[VoiceSample], before: Profile | None, same_voice: float) -> Profile:
    """Return a profile of samples, and of the previous version if given.

    Raise PROFILE_MODEL when these were made by different models, TOO_LITTLE_SPEECH below three vectors over 30 s, and
    SEVERAL_VOICES when the two clusters of the vectors are less similar than `same_voice`.
    """
    keys = dict.fromkeys([*([before.model_key] if before else []), *(one.model_key for one in recorded)])
    if len(keys) != 1:
        text = f"vectors of {' and '.join(keys)} cannot be mixed; --replace discards the enrolled ones"
        raise IngestError(Code.PROFILE_MODEL, text)
    old = [before.vectors] if before is not None else []
    vectors = _spread(np.concatenate([*old, *(one.vectors for one in recorded)]))
    speech_s = sum(one.speech_s for one in recorded) + (before.speech_s if before else 0.0)
    if len(vectors) < enrolled.MIN_VECTORS or speech_s < enrolled.MIN_SPEECH_S:
        least = f"at least {enrolled.MIN_VECTORS} vectors over {enrolled.MIN_SPEECH_S:.0f} s"
        raise IngestError(Code.TOO_LITTLE_SPEECH, f"{len(vectors)} vectors over {speech_s:.0f} s of speech; {least}")
    found = halves(vectors)
    if found.similarity < same_voice:
        text = f"the recordings contain two voices: {found.smaller_share:.0%} of the vectors belong to the second"
        raise IngestError(Code.SEVERAL_VOICES, f"{text} (purity {found.similarity:.2f}, at least {same_voice:.2f})")
    sources = (*(before.sources if before else ()), *(one.source for one in recorded))
    return Profile(name, 1, recorded[0].model_key, vectors, speech_s, tuple(dict.fromkeys(sources)), found.similarity)


def _spread(vectors: FloatArray) -> FloatArray:
    """Return at most MAX_VECTORS of the vectors, evenly spread."""
    places = np.linspace(0, len(vectors) - 1, min(len(vectors), MAX_VECTORS)).round().astype(int)
    return np.asarray(vectors[np.unique(places)])


@dataclass(frozen=True)
class SpeakerRef:
    """A speaker of an archived video."""

    video_id: str
    speaker: str


def parse_speaker_ref(text: str) -> SpeakerRef:
    """Return the speaker that `VIDEO:SPEAKER` names; raise BAD_FIELD for other text."""
    video_id, colon, speaker = text.partition(":")
    if not (video_id and colon and speaker.strip()):
        raise IngestError(Code.BAD_FIELD, f"{text!r} is not VIDEO:SPEAKER")
    return SpeakerRef(video_id, speaker.strip())


def from_turns(volume: Volume, text: str, same_voice: float, said: Said = MappingProxyType({})) -> VoiceSample:
    """Return the voice sample of a speaker of an archived video; raise IngestError when it has none.

    The speaker has the name that is shown, which may be one by hand. A turn that people have divided among several
    speakers is left out: its voice embedding is of all of them.
    A few turns that sound like another voice are left out, and named: the diarization gave them to the wrong speaker.
    """
    wanted = parse_speaker_ref(text)
    manifest = volume.manifest(wanted.video_id, "voices")
    if manifest is None:
        raise IngestError(Code.ARTIFACT_MISSING, f"{wanted.video_id}: {NO_DIARIZATION}")
    found = voiceprints.read(volume.verified(manifest.artifact, patience_s=0))
    named = by_hand.apply(found.turns, said.get(wanted.video_id, ())).turns
    turns = [turn for turn in named if turn.speaker.casefold() == wanted.speaker.casefold()]
    if not turns:
        names = ", ".join(sorted({turn.speaker for turn in named})) or "none"
        raise IngestError(
            Code.BAD_FIELD, f"{wanted.speaker} is not a speaker of {wanted.video_id}; its speakers: {names}"
        )
    turns, rows = _with_own_vector(turns, named)
    if not rows:
        raise IngestError(Code.TOO_LITTLE_SPEECH, f"no turn of {wanted.speaker} in {wanted.video_id} is long enough")
    vectors = found.vectors.array()[rows]
    is_other = outlying(vectors, same_voice)
    others = {row for row, is_one in zip(rows, is_other, strict=True) if is_one}
    kept = [turn for turn in turns if turn.vector not in others]
    _print_left_out(text, [turn for turn in turns if turn.vector in others], len(turns))
    return VoiceSample(text, found.model_key, vectors[~is_other], sum(turn.end_s - turn.start_s for turn in kept))


def _with_own_vector(turns: Sequence[Turn], named: Sequence[Turn]) -> tuple[list[Turn], list[int]]:
    """Return the turns that share no voice embedding with another speaker, and the rows of their embeddings."""
    speakers: dict[int, set[str]] = {}
    for turn in named:
        if turn.vector is not None:
            speakers.setdefault(turn.vector, set()).add(turn.speaker)
    own = [turn for turn in turns if turn.vector is None or len(speakers[turn.vector]) == 1]
    return own, list(dict.fromkeys(turn.vector for turn in own if turn.vector is not None))


def _new_in(one: VoiceSample, before: Profile) -> VoiceSample:
    """Return what a profile does not have of a sample: the same turns are not counted twice. The rest is named."""
    known = {row.tobytes() for row in before.vectors.astype(STORED)}
    is_new = np.array([row.tobytes() not in known for row in one.vectors.astype(STORED)], dtype=bool)
    if is_new.all():
        return one
    line = f"{one.source}: {(~is_new).sum()} of {len(is_new)} voice embeddings are in the profile already"
    console.err.print(outgoing.line(line), markup=False)
    return dataclasses.replace(one, vectors=one.vectors[is_new], speech_s=one.speech_s * float(is_new.mean()))


def _print_left_out(text: str, turns: Sequence[Turn], total: int) -> None:
    if turns:
        times = ", ".join(f"{console.clock(turn.start_s)} to {console.clock(turn.end_s)}" for turn in turns)
        line = f"{text}: {len(turns)} of {total} turns are left out, since they sound like another voice: {times}"
        console.err.print(outgoing.line(line), markup=False)
