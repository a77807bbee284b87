"""Speakers on a cluster: the settings of asr, of the embedder and of the Job that fetches the models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ingest.demo import ASR_MODEL, VOICE_MODEL, voice_model_sha256
from tests.chart.test_models import run_command
from tests.support.rendered import RELABELLING, containers, deployment, environment, pods

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render


def voices(render: Render, settings: dict[str, object], token: str = "") -> tuple[list[Manifest], Manifest]:
    """Return all objects with these settings of voices, and the Job that fetches the models."""
    manifests = render({"voices": {"tokenSecret": token, "settings": settings}})
    (job,) = [item for item in manifests if item["kind"] == "Job" and "-models-" in item["metadata"]["name"]]
    return manifests, job


def test_diarization_is_off_without_a_pipeline(render: Render) -> None:
    manifests, job = voices(render, {})
    found = [container for _, spec in pods(manifests) for container in containers(spec)]
    assert not any(environment(container).keys() & RELABELLING for container in found)
    assert "diarization" not in job["spec"]["template"]["spec"]["containers"][0]["command"]


def test_settings_of_voices_reach_the_pods_that_diarize_and_those_that_relabel(render: Render) -> None:
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


def test_the_job_fetches_the_pipeline_and_only_it_gets_the_token(render: Render) -> None:
    settings: dict[str, object] = {"diarization_model": "pyannote/some", "diarization_sha256": "ab" * 32}
    manifests, job = voices(render, settings, "hub")
    spec = job["spec"]["template"]["spec"]
    (fetch,) = spec["containers"]
    assert environment(fetch) == {
        "HF_HOME": "/models",
        "INGEST_ASR_MODEL": "distil-large-v3",
        "INGEST_EMBEDDING_MODEL": "all-MiniLM-L6-v2",
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
def test_the_command_of_the_job_compares_the_pipeline_with_its_pin(render: Render, pin: str) -> None:
    _, job = voices(render, {"diarization_model": "pyannote/some"})
    (fetch,) = job["spec"]["template"]["spec"]["containers"]
    given = {"INGEST_ASR_MODEL": str(ASR_MODEL), "INGEST_DIARIZATION_MODEL": str(VOICE_MODEL)}
    done = run_command(fetch, given | {"INGEST_DIARIZATION_SHA256": pin})
    assert (done.returncode == 0) == (pin == voice_model_sha256()), done.stdout + done.stderr
    assert done.returncode == 0 or "not the pinned" in done.stdout
    assert voice_model_sha256() in done.stdout


def test_a_pipeline_in_a_folder_is_not_fetched(render: Render) -> None:
    _, job = voices(render, {"diarization_model": "/data/voices"}, "hub")
    spec = job["spec"]["template"]["spec"]
    assert "diarization" not in spec["containers"][0]["command"]
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
