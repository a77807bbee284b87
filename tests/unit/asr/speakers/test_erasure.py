"""Taking a person out of stored turns, voice embeddings and transcripts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.asr.speakers import erasure
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints

SPEAKERS = ("Ada", "ADA", "Grace", "Unknown 1", "Unknown 3")


def turn(number: int, speaker: str, second_best: str | None = None, *, voiced: bool = True) -> Turn:
    return Turn(
        start_s=float(number),
        end_s=number + 0.9,
        cluster=f"S{SPEAKERS.index(speaker)}",
        speaker=speaker,
        score=0.9,
        margin=0.2,
        second_best=second_best,
        rule="cluster",
        profile_version=1,
        vector=number if voiced else None,
    )


def voiceprints(turns: list[Turn]) -> Voiceprints:
    vectors = np.eye(max(1, len(turns)), dtype=np.float32)
    return Voiceprints(
        video_id="abcdefghijk", model_key="m", outcome="full", turns=tuple(turns), vectors=zstd_json.vectors(vectors)
    )


@given(
    spoken=st.lists(
        st.tuples(st.sampled_from(SPEAKERS), st.sampled_from((None, "ada", "Grace")), st.booleans()), max_size=8
    )
)
def test_nothing_of_a_person_is_left_and_the_others_keep_all(spoken: list[tuple[str, str | None, bool]]) -> None:
    before = voiceprints(
        [turn(number, who, second, voiced=voiced) for number, (who, second, voiced) in enumerate(spoken)]
    )
    after = erasure.voiceprints_without(before, "Ada")
    assert erasure.mentions(after.turns, "ada") == 0
    assert len(after.vectors.array()) == sum(who.casefold() != "ada" and voiced for who, _, voiced in spoken)
    taken = {who for who, _, _ in spoken}
    for old, new in zip(before.turns, after.turns, strict=True):
        assert (new.start_s, new.end_s, new.cluster) == (old.start_s, old.end_s, old.cluster)
        if erasure.is_named(old.speaker, "Ada"):
            assert (new.vector, new.score, new.profile_version) == (None, None, None)
            assert new.speaker not in taken
        else:
            assert new.speaker == old.speaker
            assert (new.vector is None) == (old.vector is None)
            if old.vector is not None and new.vector is not None:
                assert (after.vectors.array()[new.vector] == before.vectors.array()[old.vector]).all()


def test_two_speakers_of_the_diarization_with_one_name_stay_two() -> None:
    changed = erasure.turns_without([turn(0, "Ada"), turn(1, "ADA"), turn(2, "Unknown 1"), turn(3, "Ada")], "ada")
    assert [one.speaker for one in changed] == ["Unknown 2", "Unknown 3", "Unknown 1", "Unknown 2"]


def test_the_speaker_of_a_time_is_that_of_the_turn_with_the_largest_share() -> None:
    turns = [turn(0, "Grace"), turn(1, "Unknown 1")]
    assert erasure.speaker_at(turns, 0.5, 1.8) == "Unknown 1"
    assert erasure.speaker_at(turns, 5.0, 6.0) is None
