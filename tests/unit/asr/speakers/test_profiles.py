"""Profiles on the shared volume: versions, changes without a restart, and other models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr.speakers.profiles import Profile, Profiles, checked_name
from ingest.shared.artifacts import voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = np.eye(4, dtype=np.float32)


def profile(name: str = "Ada", key: str = "model") -> Profile:
    return Profile(name, 1, key, VECTORS, 31.0, ("a.m4a",), 0.9)


def test_a_profile_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = Profiles(tmp_path).keep(profile())
    (found,) = Profiles(tmp_path).all()
    assert (found.name, found.version, found.model_key, found.sources) == ("Ada", 1, "model", ("a.m4a",))
    assert np.array_equal(found.vectors, VECTORS)
    assert {**vars(found), "vectors": None} == {**vars(kept), "vectors": None}


def test_a_worker_sees_a_new_version_without_restart(tmp_path: Path) -> None:
    worker, operator = Profiles(tmp_path), Profiles(tmp_path)
    assert worker.all() == []
    operator.keep(profile())
    assert [item.version for item in worker.all()] == [1]
    operator.keep(profile("ADA"))
    assert [(item.name, item.version) for item in worker.all()] == [("ADA", 2)]
    operator.remove("ada")
    assert worker.all() == []


def test_a_profile_of_another_model_is_refused(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(profile("Ada", "model"))
    profiles.keep(profile("Grace", "other"))
    assert [item.name for item in profiles.of("model")] == ["Ada"]
    assert profiles.of("third") == []
    assert [item.name for item in profiles.of("third", "model")] == ["Ada"]


def test_a_damaged_profile_hides_no_other(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(profile("Ada"))
    profiles.keep(profile("Grace"))
    path = min((tmp_path / "voices").glob("*/*"))
    path.write_bytes(b"broken")
    assert len(Profiles(tmp_path).all()) == 1


def test_a_wrong_name_removes_no_profile(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(profile())
    with pytest.raises(IngestError, match="Eve"):
        profiles.remove("Eve")
    assert profiles.get(" ada ") is not None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n", id="blank"),
        pytest.param("Unknown 1", id="the name of an unknown speaker"),
        pytest.param("unknown", id="the name of unknown speakers in lower case"),
        pytest.param("x" * 101, id="too long"),
        pytest.param("\x00", id="nothing but control characters"),
    ],
)
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(IngestError) as caught:
        checked_name(name)
    assert caught.value.code is Code.BAD_PROFILE


PRINTS = Voiceprints(
    video_id="abcdefghijk",
    model_key="model",
    outcome="full",
    turns=(Turn(start_s=0, end_s=1, cluster="S1", speaker="Ada", score=0.9, rule="cluster", vector=3),),
    vectors=zstd_json.vectors(VECTORS),
)


def test_voiceprints_come_back_as_they_were_written(tmp_path: Path) -> None:
    voiceprints.write(PRINTS, tmp_path / "x")
    found = voiceprints.read(tmp_path / "x")
    assert found == PRINTS
    assert np.array_equal(found.vectors.array(), VECTORS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"hello", id="another file"),
        pytest.param(
            zstd_json.pack(PRINTS.model_copy(update={"voiceprints_version": 2}), Code.BAD_VOICEPRINTS),
            id="another version",
        ),
        pytest.param(
            zstd_json.pack(PRINTS.model_copy(update={"vectors": zstd_json.vectors(VECTORS[:3])}), Code.BAD_VOICEPRINTS),
            id="no vector",
        ),
        pytest.param(
            zstd_json.pack(
                PRINTS.model_copy(update={"vectors": zstd_json.Vectors(dimension=4, data="AAAA")}), Code.BAD_VOICEPRINTS
            ),
            id="cut off",
        ),
        pytest.param(
            zstd_json.pack(
                PRINTS.model_copy(update={"vectors": zstd_json.vectors(VECTORS * np.nan)}), Code.BAD_VOICEPRINTS
            ),
            id="not finite",
        ),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(IngestError) as caught:
        voiceprints.read(tmp_path / "x")
    assert caught.value.code is Code.BAD_VOICEPRINTS


@pytest.mark.parametrize("place", ["voices", "voices/{folder}"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, place: str) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    elsewhere = Profiles(outside)
    elsewhere.keep(profile())
    (folder,) = (outside / "voices").iterdir()
    link = volume / place.format(folder=folder.name)
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / place.format(folder=folder.name))
    for change in (lambda: Profiles(volume).keep(profile()), lambda: Profiles(volume).remove("Ada")):
        with pytest.raises(IngestError, match="is a link") as refused:
            change()
        assert refused.value.code == Code.ENV_VOLUME
    assert [found.version for found in Profiles(outside).all()] == [1]
