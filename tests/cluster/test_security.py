"""The security of the chart, tested from inside of the pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import VERSION

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster

TRY = """
import json, socket, sys
def reaches(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True
places = {"nats": ("ingest-nats", 4222), "monitor": ("ingest-nats", 8222), "postgres": ("ingest-postgres", 5432),
          "api": ("kubernetes.default.svc", 443), "demo": ("ingest-demo", 80), "asr": (sys.argv[1], 9090)}
print(json.dumps([name for name, place in places.items() if reaches(*place)]))
"""


@pytest.mark.parametrize(
    ("component", "reached"),
    [
        pytest.param("asr", {"nats"}, id="asr reaches NATS and nothing else"),
        pytest.param("embedder", {"nats", "postgres"}, id="embedder reaches NATS and Postgres"),
        pytest.param("downloader", {"nats", "demo"}, id="downloader reaches neither Postgres nor the API server"),
    ],
)
def test_network_policies_hold(cluster: Cluster, component: str, reached: set[str]) -> None:
    other = cluster.pods("asr")[0]["status"]["podIP"]
    output = cluster.kubectl("exec", f"deploy/ingest-{component}", "-c", component, "--", "python", "-c", TRY, other)
    found = set(json.loads(output.splitlines()[-1]))
    assert found - ({"asr"} if component == "asr" else set()) == reached


@pytest.mark.parametrize("component", ["downloader", "asr", "embedder"])
def test_a_pod_runs_without_rights(cluster: Cluster, component: str) -> None:
    script = "id -u; touch /x 2>&1; touch /data/x && rm /data/x && echo volume; ls /var/run/secrets/kubernetes.io 2>&1"
    output = cluster.kubectl("exec", f"deploy/ingest-{component}", "-c", component, "--", "sh", "-c", script, ok=False)
    lines = output.splitlines()
    assert lines[0] == "10001"
    assert "Read-only file system" in lines[1]
    assert "volume" in lines
    assert "No such file or directory" in output
    find = "find / -xdev -type f -perm /6000 2>/dev/null"
    assert (
        cluster.kubectl("exec", f"deploy/ingest-{component}", "-c", component, "--", "sh", "-c", find, ok=False) == ""
    )
    image = cluster.pods(component)[0]["status"]["containerStatuses"][0]["image"]
    assert image == f"localhost/ingest-{component}:{VERSION}"


def test_each_service_has_only_its_own_passwords(cluster: Cluster) -> None:
    for component, names in {
        "asr": ["ingest_nats_password"],
        "downloader": ["ingest_nats_password"],
        "embedder": ["ingest_database_password", "ingest_nats_password"],
    }.items():
        output = cluster.kubectl(
            "exec", f"deploy/ingest-{component}", "-c", component, "--", "ls", "/etc/ingest/passwords"
        )
        assert output.split() == names


def test_the_embedder_may_not_change_the_schema_and_the_reader_not_write(cluster: Cluster) -> None:
    for role, statement in (
        ("ingest_embedder", "CREATE TABLE mine (x int)"),
        ("ingest_embedder", "DROP TABLE videos"),
        ("ingest_reader", "DELETE FROM videos"),
    ):
        words = ("psql", "-h", "127.0.0.1", "-U", "ingest_owner", "-d", "ingest", "-c", f"SET ROLE {role}; {statement}")
        output = cluster.kubectl("exec", "ingest-postgres-0", "--", *words, ok=False)
        assert "permission denied" in output or "must be owner" in output
