"""A release works, and continues after its pods are scaled, killed or replaced."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.messages import Stage
from ingest.shared.pipeline import Service
from tests.cluster.conftest import TOKEN

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster


def test_from_nothing_to_rows_by_the_commands_of_the_readme(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    installed_s = time.monotonic() - cluster.began
    cluster.submit()
    cluster.until(lambda: cluster.sql("SELECT count(*) FROM segments") != "0", "first row")
    with capsys.disabled():
        print(f"\ninstalled in {installed_s:.0f} s, first row after {time.monotonic() - cluster.began:.0f} s")  # noqa: T201 (figures)
    cluster.until(cluster.all_indexed, "all recordings")
    found = cluster.kubectl("exec", "deploy/ingest-embedder", "--", "ingest", "search", "boats", "--json")
    assert "ingest-demo" in found
    assert "Succeeded" in cluster.helm("test", "ingest", "--logs", "--timeout", "8m")


def test_the_page_is_open_through_a_port_forward_with_its_token(cluster: Cluster) -> None:
    with cluster.forwarded("ingest-archive", 80) as port:
        answers = {}
        for token in (None, "another", TOKEN):
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            server.request("GET", "/api/v1/search?q=boats", headers=headers)
            answer = server.getresponse()
            answers[token] = (answer.status, answer.read())
            server.close()
    assert [status for status, _ in answers.values()] == [401, 401, 200]
    assert json.loads(answers[TOKEN][1])["results"]


@pytest.mark.parametrize("replicas", [2, 4, 1], ids=lambda number: f"asr-to-{number}")
def test_asr_is_scaled_while_it_works_and_nothing_is_lost(cluster: Cluster, replicas: int) -> None:
    cluster.submit()
    cluster.kubectl("scale", "deploy/ingest-asr", f"--replicas={replicas}")
    cluster.until(cluster.all_indexed, "all recordings")
    cluster.kubectl("rollout", "status", "deploy/ingest-asr", "--timeout=240s")
    assert len(cluster.pods("asr")) == replicas


@pytest.mark.parametrize("component", [*Service, "nats", "postgres"])
def test_a_pod_is_killed_in_the_middle_of_the_work_and_nothing_is_lost(cluster: Cluster, component: str) -> None:
    cluster.submit()
    name = cluster.pods(component)[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force")

    def done() -> bool:
        statuses = [status for pod in cluster.pods("postgres") for status in pod["status"].get("containerStatuses", [])]
        return any(status["ready"] for status in statuses) and cluster.all_indexed()

    cluster.until(done, f"all recordings after {component} was killed")
    assert cluster.sql("SELECT count(*) FROM videos WHERE state = 'failed'") == "0"


def test_a_pod_that_is_still_starting_ends_at_once(cluster: Cluster) -> None:
    """The first process of a container ignores SIGTERM without a handler, and a Python that still imports has none."""
    before = cluster.pods("asr")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", before, "--wait=false")

    def starting() -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in cluster.pods("asr")
            for status in pod["status"].get("containerStatuses", [])
            if pod["metadata"]["name"] != before and "running" in status["state"]
        ]

    cluster.until(lambda: bool(starting()), "another pod")
    began = time.monotonic()
    cluster.kubectl("delete", "pod", starting()[0], "--timeout=120s")
    assert time.monotonic() - began < 20
    cluster.kubectl("rollout", "status", "deploy/ingest-asr", "--timeout=240s")


def test_status_shows_pods_queues_and_totals(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", "deploy/ingest-asr", "--timeout=240s")
    shown = json.loads(cluster.ingest("status", "--json"))
    workers = {item["component"]: (item["wanted"], item["ready"]) for item in shown["workers"]}
    assert workers == {"downloader": (1, 1), "asr": (1, 1), "embedder": (1, 1)}
    assert set(shown["queues"]) == set(Stage)
    assert shown["videos"]


def test_a_release_that_is_not_there_is_named(cluster: Cluster) -> None:
    told = cluster.ingest("status", "--release", "nobody", ok=False)
    assert "namespace ingest-tests has no release nobody" in " ".join(told.split())
