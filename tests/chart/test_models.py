"""Models on a cluster: which the Job fetches, where they are, and that nobody else asks the hub."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from helm_python import HelmRenderError

from tests.support.rendered import containers, deployment, environment, job_pod, named, pods

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.rendered import Manifest, Render

ALL_IN_FOLDERS = {
    "asr": {"settings": {"asr_model": "/data/models/w", "asr_refine_model": "same"}},
    "voices": {"settings": {"diarization_model": "/data/models/voices"}},
}
BGE = {"embedder": {"settings": {"embedding_model": "BAAI/bge-m3"}}}


def fetched(render: Render, values: dict[str, Any]) -> dict[str, list[str]]:
    """Return what the Job's containers are given beside their program."""
    spec = job_pod(render(values), "models")
    return {item["name"]: item["command"][5:] for item in spec["initContainers"]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, {"asr": ["distil-large-v3"]}, id="what an image brings is there"),
        pytest.param(BGE, {"asr": ["distil-large-v3"], "embedder": ["BAAI/bge-m3"]}, id="another embedder"),
        pytest.param(
            {"asr": {"settings": {"asr_refine_model": "large-v3"}}},
            {"asr": ["distil-large-v3", "large-v3"]},
            id="a second model for doubtful segments",
        ),
        pytest.param(
            {"settings": {"asr_refine_model": "large-v3"}},
            {"asr": ["distil-large-v3", "large-v3"]},
            id="named for all services",
        ),
        pytest.param(
            {"asr": {"settings": {"asr_refine_model": "same"}}}, {"asr": ["distil-large-v3"]}, id="the same once more"
        ),
        pytest.param(
            {"asr": {"settings": {"asr_model": "/data/models/w"}}} | BGE,
            {"embedder": ["BAAI/bge-m3"]},
            id="a folder is there",
        ),
    ],
)
def test_the_job_fetches_names_of_the_hub(
    render: Render, values: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    assert fetched(render, values) == expected


def test_what_the_job_runs_fetches_each_model(render: Render, tmp_path: Path) -> None:
    (tmp_path / "faster_whisper.py").write_text("download_model = print\n")
    (tmp_path / "sentence_transformers.py").write_text("SentenceTransformer = print\n")
    spec = job_pod(render({"asr": {"settings": {"asr_refine_model": "large-v3"}}} | BGE), "models")
    told = {}
    for container in spec["initContainers"]:
        program = [sys.executable, *container["command"][3:]]  # without tini and python
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
        told[container["name"]] = done.stdout.split()
    assert told == {"asr": ["distil-large-v3", "large-v3"], "embedder": ["BAAI/bge-m3"]}


def test_pods_wait_for_all_models_that_they_load(render: Render) -> None:
    def waits_for(values: dict[str, Any]) -> str:
        spec = deployment(render(values), "asr")["spec"]["template"]["spec"]
        return str(spec["initContainers"][0]["command"])

    refined: dict[str, Any] = {"asr": {"settings": {"asr_refine_model": "large-v3"}}}
    assert len({waits_for(values) for values in ({}, refined, BGE)}) == 3


def test_nothing_waits_for_models_where_there_is_nothing_to_fetch(render: Render) -> None:
    manifests = render(ALL_IN_FOLDERS)
    assert not named(manifests, "ingest-models")
    assert not [item for _, spec in pods(manifests) for item in containers(spec) if item["name"] == "wait-for-models"]


@pytest.mark.parametrize("setting", ["asr_model", "asr_refine_model"])
def test_a_model_that_depends_on_the_device_cannot_be_fetched(render: Render, setting: str) -> None:
    values: dict[str, Any] = {"asr": {"settings": {setting: "auto"}}}
    with pytest.raises(HelmRenderError, match=r"asr\.settings\.asr_model; auto depends"):
        render(values)
    assert render({**values, "models": {"download": False}})


@pytest.mark.parametrize("download", [True, False])
def test_nobody_but_the_job_asks_the_hub(render: Render, download: bool) -> None:  # noqa: FBT001 (a table's value)
    manifests = render({"models": {"download": download}} | BGE)
    for name in ("ingest-asr", "ingest-embedder", "ingest-selftest"):
        (spec,) = [spec for found, spec in pods(manifests) if found == name]
        assert environment(spec["containers"][0])["HF_HUB_OFFLINE"] == "1", name
        assert ("/models" in mounts(spec)) == download, name


def test_the_test_searches_with_the_memory_of_the_embedder(render: Render) -> None:
    limits = {"limits": {"memory": "9Gi"}}
    (spec,) = [spec for name, spec in pods(render({"embedder": {"resources": limits}})) if name == "ingest-selftest"]
    assert spec["containers"][0]["resources"]["limits"]["memory"] == "9Gi"


def mounts(spec: Manifest) -> dict[str, str]:
    """Return the claims that the first container of a pod has mounted, by their places."""
    claims = {
        item["name"]: item["persistentVolumeClaim"]["claimName"]
        for item in spec["volumes"]
        if "persistentVolumeClaim" in item
    }
    found = spec["containers"][0]["volumeMounts"]
    return {item["mountPath"]: claims[item["name"]] for item in found if item["name"] in claims}


@pytest.mark.parametrize(
    ("values", "folder", "claim"),
    [
        pytest.param({}, "/models", "ingest-models", id="a claim of their own"),
        pytest.param(
            {"volume": {"storageClass": "nfs"}}, "/models", "ingest-models", id="of the shared volume's class"
        ),
        pytest.param({"volume": {"hostPath": "/x"}}, "/data/models", "ingest-data", id="on the node's folder"),
        pytest.param({"volume": {"existingClaim": "mine"}}, "/data/models", "mine", id="on a claim of yours"),
        pytest.param(
            {"volume": {"hostPath": "/x"}, "models": {"storageClass": "nfs"}}, "/models", "ingest-models", id="a class"
        ),
        pytest.param(
            {"volume": {"hostPath": "/x"}, "models": {"existingClaim": "hub"}}, "/models", "hub", id="another claim"
        ),
    ],
)
def test_no_pod_needs_a_class_for_models_that_the_shared_volume_does_not_need(
    render: Render, values: dict[str, Any], folder: str, claim: str
) -> None:
    manifests = render(values)
    wanted = [item for item in named(manifests, "ingest-models") if item["kind"] == "PersistentVolumeClaim"]
    assert bool(wanted) == (claim == "ingest-models")
    place = "/" + folder.split("/")[1]
    job = job_pod(manifests, "models")
    for spec in (job, *(deployment(manifests, name)["spec"]["template"]["spec"] for name in ("asr", "embedder"))):
        assert mounts(spec)[place] == claim
        assert environment(spec["containers"][0])["HF_HOME"] == folder
    marker = job["containers"][0]["command"][-1]
    assert marker.startswith(f"{folder}/.complete-")
    for name in ("asr", "embedder"):
        waiting = deployment(manifests, name)["spec"]["template"]["spec"]["initContainers"][-1]
        assert f"-e {marker} " in waiting["command"][-1]
        assert waiting["volumeMounts"] == [{"name": place[1:], "mountPath": place, "readOnly": True}]


def test_a_claim_that_was_filled_by_hand_is_mounted_without_a_job(render: Render) -> None:
    manifests = render({"models": {"download": False, "existingClaim": "hub"}})
    assert not named(manifests, "ingest-models")
    for name in ("asr", "embedder"):
        assert mounts(deployment(manifests, name)["spec"]["template"]["spec"])["/models"] == "hub"


def test_the_job_takes_a_proxy_and_egress(render: Render) -> None:
    rule = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 3128}]}
    proxy = {"name": "HTTPS_PROXY", "value": "http://192.0.2.1:3128"}
    manifests = render({"models": {"extraEnv": [proxy], "extraEgress": [rule]}} | BGE)
    for container in job_pod(manifests, "models")["initContainers"]:
        assert proxy in container["env"]
    (policy,) = [item for item in named(manifests, "ingest-models") if item["kind"] == "NetworkPolicy"]
    assert rule in policy["spec"]["egress"]
