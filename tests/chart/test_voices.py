"""Who is speaking, on a cluster: what asr, the embedder and the Job that fetches the models are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ingest.demo import VOICE_MODEL, voice_model_sha256
from tests.support.rendered import RELABELLING, containers, deployment, environment, pods

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render


def voices(render: Render, settings: dict[str, object], token: str = "") -> tuple[list[Manifest], Manifest]:
    """Return all objects with these settings of voices, and the Job that fetches the models."""
    manifests = render({"voices": {"tokenSecret": token, "settings": settings}})
    (job,) = [item for item in manifests if item["kind"] == "Job" and "-models-" in item["metadata"]["name"]]
    return manifests, job


def test_nobody_listens_to_voices_without_a_pipeline(render: Render) -> None:
    manifests, job = voices(render, {})
    found = [container for _, spec in pods(manifests) for container in containers(spec)]
    assert not any(environment(container).keys() & RELABELLING for container in found)
    assert [item["name"] for item in job["spec"]["template"]["spec"]["initContainers"]] == ["asr"]


def test_settings_of_voices_reach_the_pods_that_listen_and_those_that_relabel(render: Render) -> None:
    chosen = {"diarization_fast_path": False, "voice_accept": 0.5, "max_speakers": 4}
    manifests, _ = voices(render, {"diarization_model": "/data/voices", **chosen})
    for component in ("asr", "embedder"):
        (container,) = deployment(manifests, component)["spec"]["template"]["spec"]["containers"]
        assert {name: value for name, value in environment(container).items() if name in RELABELLING} == {
            "INGEST_DIARIZATION_MODEL": "/data/voices",
            "INGEST_DIARIZATION_FAST_PATH": "false",
            "INGEST_VOICE_ACCEPT": "0.5",
            "INGEST_MAX_SPEAKERS": "4",
        }


def test_the_job_fetches_the_pipeline_and_alone_sees_the_token(render: Render) -> None:
    settings: dict[str, object] = {"diarization_model": "pyannote/some", "diarization_sha256": "ab" * 32}
    manifests, job = voices(render, settings, "hub")
    spec = job["spec"]["template"]["spec"]
    (fetch,) = [item for item in spec["initContainers"] if item["name"] == "voices"]
    assert environment(fetch) == {
        "HF_HOME": "/models",
        "INGEST_DIARIZATION_MODEL": "pyannote/some",
        "INGEST_DIARIZATION_SHA256": "ab" * 32,
        "INGEST_SECRETS_DIR": "/etc/ingest/token",
    }
    (token,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    assert token["secretName"] == "hub"
    assert token["items"] == [{"key": "token", "path": "ingest_diarization_token"}]
    assert json.dumps(manifests).count('"hub"') == 1


@pytest.mark.parametrize(
    "pin", [pytest.param(voice_model_sha256(), id="pinned"), pytest.param("ab" * 32, id="another")]
)
def test_what_the_job_runs_loads_the_pipeline_and_holds_it_against_its_pin(render: Render, pin: str) -> None:
    _, job = voices(render, {"diarization_model": "pyannote/some"})
    fetch = job["spec"]["template"]["spec"]["initContainers"][-1]
    program = [sys.executable, *fetch["command"][3:]]  # without tini and python
    given = {"INGEST_DIARIZATION_MODEL": str(VOICE_MODEL), "INGEST_DIARIZATION_SHA256": pin}
    done = subprocess.run(program, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (pin == voice_model_sha256()), done.stderr
    assert done.returncode == 0 or "not the pinned" in done.stderr


def test_a_pipeline_in_a_folder_is_not_fetched(render: Render) -> None:
    _, job = voices(render, {"diarization_model": "/data/voices"}, "hub")
    spec = job["spec"]["template"]["spec"]
    assert [item["name"] for item in spec["initContainers"]] == ["asr"]
    assert not [volume for volume in spec["volumes"] if "secret" in volume]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"image": {"tag": "next"}}, id="another image"),
        pytest.param({"voices": {"settings": {"diarization_model": "pyannote/some"}}}, id="another model"),
        pytest.param({"jobs": {"nodeSelector": {"a": "b"}}}, id="another node"),
    ],
)
def test_another_job_for_models_has_another_name_because_jobs_cannot_be_changed(
    render: Render, values: dict[str, Any]
) -> None:
    def names(values: dict[str, Any]) -> set[str]:
        found = {item["metadata"]["name"] for item in render(values) if item["kind"] == "Job"}
        return {name for name in found if "-models-" in name}

    assert len(names({}) | names(values)) == 2
