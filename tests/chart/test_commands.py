"""Commands on a cluster: submit, sync, purge, the test and those of `--k8s` have the settings of the downloader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.cli import console
from tests.support.rendered import environment, named, pods

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

FEED = "https://feeds.example.org/private.xml"
COMMANDS = ("ingest-command", "ingest-purge", "ingest-submit", "ingest-sync", "ingest-selftest")
ALL = {"submit": {"sources": [FEED]}, "sync": {"sources": [FEED]}, "purge": {"enabled": True}}


def commands(manifests: list[Manifest]) -> list[Manifest]:
    found = [spec for name, spec in pods(manifests) if name.startswith(COMMANDS)]
    assert len(found) == len(COMMANDS)
    return found


def test_commands_have_the_settings_of_the_downloader(render: Render) -> None:
    chosen = {"disk_budget_bytes": 2 << 40, "extractors": "youtube.*,vimeo", "cookies_file": "/cookies/cookies.txt"}
    for spec in commands(render({"settings": {"extractors": ""}, "downloader": {"settings": chosen}} | ALL)):
        settings = environment(spec["containers"][0])
        assert settings["INGEST_DISK_BUDGET_BYTES"] == "2199023255552"
        assert settings["INGEST_EXTRACTORS"] == "youtube.*,vimeo"
        assert settings["INGEST_COOKIES_FILE"] == "/cookies/cookies.txt"


def test_commands_have_what_such_settings_need(render: Render) -> None:
    proxy = {"name": "HTTPS_PROXY", "value": "x"}
    source = {"secretRef": {"name": "proxies"}}
    volume = {"name": "cookies", "secret": {"secretName": "cookies"}}
    mount = {"name": "cookies", "mountPath": "/cookies"}
    extra = {"extraEnv": [proxy], "extraEnvFrom": [source], "extraVolumes": [volume], "extraVolumeMounts": [mount]}
    for spec in commands(render({"downloader": extra} | ALL)):
        (container,) = spec["containers"]
        assert proxy in container["env"]
        assert source in container["envFrom"]
        assert volume in spec["volumes"]
        assert mount in container["volumeMounts"]


def test_commands_reach_what_the_downloader_reaches(render: Render) -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 8443}]}
    (policy,) = named(render({"downloader": {"extraEgress": [rule]}}), "ingest-commands")
    assert rule in policy["spec"]["egress"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"image": {"tag": "next"}}, id="another image"),
        pytest.param({"settings": {"log_level": "DEBUG"}}, id="another setting"),
        pytest.param({"jobs": {"nodeSelector": {"a": "b"}}}, id="another node"),
        pytest.param({"submit": {"sources": [FEED], "options": ["--force"]}}, id="another option"),
    ],
)
def test_another_job_that_submits_has_another_name_because_jobs_cannot_be_changed(
    render: Render, values: dict[str, Any]
) -> None:
    def name(values: dict[str, Any]) -> str:
        (job,) = named(render(ALL | values), "ingest-submit")
        return str(job["metadata"]["name"])

    assert name({}) == name({"asr": {"replicas": 3}}) != name(values)


@pytest.mark.parametrize("name", ["ingest-submit", "ingest-sync"])
def test_a_source_that_cannot_be_read_is_not_asked_again_by_another_pod_of_the_job(render: Render, name: str) -> None:
    (job,) = named(render(ALL), name)
    spec = job["spec"].get("jobTemplate", job)["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [console.SOME_FAILED]
    pod = spec["template"]["spec"]
    assert rule["onExitCodes"]["containerName"] in [container["name"] for container in pod["containers"]]
    assert pod["restartPolicy"] == "Never", "Kubernetes takes such a policy only then"
