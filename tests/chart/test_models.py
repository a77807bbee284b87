"""Models on a cluster: which of them the Job fetches, where they are, and that no other pod connects to the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from helm_python import HelmRenderError

from ingest.demo import ASR_MODEL, VOICE_MODEL
from tests.support.rendered import containers, deployment, environment, job_pod, named, pods

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

ALL_IN_FOLDERS = {
    "asr": {"settings": {"asr_model": "/data/models/w", "asr_refine_model": "same"}},
    "voices": {"settings": {"diarization_model": "/data/models/voices"}},
}
SETTINGS = {
    "recognizer": "INGEST_ASR_MODEL",
    "refinement": "INGEST_ASR_REFINE_MODEL",
    "text": "INGEST_EMBEDDING_MODEL",
}
BGE: dict[str, Any] = {"embedder": {"settings": {"embedding_model": "BAAI/bge-m3"}}}


def fetched(render: Render, values: dict[str, Any]) -> dict[str, str]:
    """Return the models that the Job fetches, by their roles."""
    (container,) = job_pod(render(values), "models")["containers"]
    settings = environment(container)
    return {role: settings[SETTINGS[role]] for role in roles(container["command"], "fetch")}


def roles(command: list[str], operation: str) -> list[str]:
    """Return the roles for which a container calls `ingest models`."""
    assert command[:5] == ["tini", "--", "ingest", "models", operation]
    return [word for option, word in pairwise(command) if option == "--only"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, {"recognizer": "distil-large-v3"}, id="what an image brings is there"),
        pytest.param(BGE, {"recognizer": "distil-large-v3", "text": "BAAI/bge-m3"}, id="another embedder"),
        pytest.param(
            {"asr": {"settings": {"asr_refine_model": "large-v3"}}},
            {"recognizer": "distil-large-v3", "refinement": "large-v3"},
            id="a second model for doubtful segments",
        ),
        pytest.param(
            {"settings": {"asr_refine_model": "large-v3"}},
            {"recognizer": "distil-large-v3", "refinement": "large-v3"},
            id="named for all services",
        ),
        pytest.param(
            {"asr": {"settings": {"asr_refine_model": "same"}}},
            {"recognizer": "distil-large-v3"},
            id="the same once more",
        ),
        pytest.param(
            {"asr": {"settings": {"asr_model": "/data/models/w"}}} | BGE,
            {"text": "BAAI/bge-m3"},
            id="a folder is there",
        ),
    ],
)
def test_the_job_fetches_names_of_the_hub(render: Render, values: dict[str, Any], expected: dict[str, str]) -> None:
    assert fetched(render, values) == expected


def test_the_job_and_the_pods_pin_models_to_revisions(render: Render) -> None:
    pins = {"asr": {"settings": {"asr_revision": "abc"}}, "embedder": {"settings": {"embedding_revision": "def"}}}
    manifests = render(pins)
    (container,) = job_pod(manifests, "models")["containers"]
    waiting = deployment(manifests, "asr")["spec"]["template"]["spec"]["initContainers"][0]
    for found in (container, waiting):
        assert environment(found)["INGEST_ASR_REVISION"] == "abc"
        assert environment(found)["INGEST_EMBEDDING_REVISION"] == "def"


def test_pods_wait_for_the_models_that_they_load(render: Render) -> None:
    def waits_for(values: dict[str, Any], component: str) -> list[list[str]]:
        found = containers(deployment(render(values), component)["spec"]["template"]["spec"])
        return [roles(item["command"], "verify") for item in found if item["name"] == "wait-for-models"]

    refined: dict[str, Any] = {"asr": {"settings": {"asr_refine_model": "large-v3"}}}
    assert waits_for(refined | BGE, "asr") == [["recognizer", "refinement"]]
    assert waits_for(refined | BGE, "embedder") == [["text"]]
    assert waits_for(refined, "embedder") == []


def test_the_command_of_the_init_container_finds_models_that_are_there(render: Render) -> None:
    spec = deployment(render({"voices": {"settings": {"diarization_model": "pyannote/some"}}}), "asr")
    waiting = spec["spec"]["template"]["spec"]["initContainers"][0]
    there = {"INGEST_ASR_MODEL": str(ASR_MODEL), "INGEST_DIARIZATION_MODEL": str(VOICE_MODEL)}
    assert run_command(waiting, there).returncode == 0


def run_command(container: Manifest, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command of a container here, with other settings."""
    program = [sys.executable, "-m", "ingest.cli.app", *container["command"][3:]]  # without tini
    given = {**os.environ, **settings}
    return subprocess.run(program, env=given, capture_output=True, text=True, check=False, timeout=120)


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
def test_no_pod_but_the_job_connects_to_the_hub(render: Render, download: bool) -> None:  # noqa: FBT001 (a value of the table)
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
def test_models_need_no_storage_class_if_the_shared_volume_needs_none(
    render: Render, values: dict[str, Any], folder: str, claim: str
) -> None:
    manifests = render(values | BGE)
    wanted = [item for item in named(manifests, "ingest-models") if item["kind"] == "PersistentVolumeClaim"]
    assert bool(wanted) == (claim == "ingest-models")
    place = "/" + folder.split("/")[1]
    for spec in (
        job_pod(manifests, "models"),
        *(deployment(manifests, name)["spec"]["template"]["spec"] for name in ("asr", "embedder")),
    ):
        assert mounts(spec)[place] == claim
        assert environment(spec["containers"][0])["HF_HOME"] == folder
    for name in ("asr", "embedder"):
        waiting = deployment(manifests, name)["spec"]["template"]["spec"]["initContainers"][-1]
        assert environment(waiting)["HF_HOME"] == folder
        assert {"name": place[1:], "mountPath": place, "readOnly": True} in waiting["volumeMounts"]


def test_a_claim_that_was_filled_by_hand_is_mounted_without_a_job(render: Render) -> None:
    manifests = render({"models": {"download": False, "existingClaim": "hub"}})
    assert not named(manifests, "ingest-models")
    for name in ("asr", "embedder"):
        assert mounts(deployment(manifests, name)["spec"]["template"]["spec"])["/models"] == "hub"


def test_the_job_takes_a_proxy_and_egress(render: Render) -> None:
    rule = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 3128}]}
    proxy = {"name": "HTTPS_PROXY", "value": "http://192.0.2.1:3128"}
    manifests = render({"models": {"extraEnv": [proxy], "extraEgress": [rule]}} | BGE)
    assert proxy in job_pod(manifests, "models")["containers"][0]["env"]
    (policy,) = [item for item in named(manifests, "ingest-models") if item["kind"] == "NetworkPolicy"]
    assert rule in policy["spec"]["egress"]
