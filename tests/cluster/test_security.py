"""The security of the chart, tested from inside of the pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.shared.pipeline import Service
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

LOOK = """
import json, os, stat
def write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
    os.unlink(path)
    return "written"
device = os.stat("/").st_dev
privileged = []
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
    files = [os.path.join(folder, name) for name in names]
    privileged += [path for path in files if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)]
print(json.dumps({
    "user": os.getuid(), "root": write("/x"), "volume": write("/data/x"),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"), "privileged files": privileged,
}))
"""


@pytest.mark.parametrize(
    ("component", "reached"),
    [
        pytest.param("asr", {"nats"}, id="asr reaches NATS and nothing else"),
        pytest.param("embedder", {"nats", "postgres"}, id="embedder reaches NATS and Postgres"),
        pytest.param("archive", {"postgres"}, id="archive reaches Postgres and nothing else"),
        pytest.param("downloader", {"nats", "demo"}, id="downloader reaches neither Postgres nor the API server"),
    ],
)
def test_network_policies_hold(cluster: Cluster, component: str, reached: set[str]) -> None:
    other = cluster.pods("asr")[0]["status"]["podIP"]
    output = cluster.kubectl("exec", f"deploy/ingest-{component}", "-c", component, "--", "python", "-c", TRY, other)
    found = set(json.loads(output.splitlines()[-1]))
    assert found - ({"asr"} if component == "asr" else set()) == reached


@pytest.mark.parametrize(
    ("component", "image", "volume"),
    [*((name, name, "written") for name in Service), ("archive", "embedder", "Read-only file system")],
)
def test_a_pod_runs_without_rights(cluster: Cluster, component: str, image: str, volume: str) -> None:
    output = cluster.kubectl("exec", f"deploy/ingest-{component}", "-c", component, "--", "python", "-c", LOOK)
    found = json.loads(output.splitlines()[-1])
    assert found == {
        "user": 10001,
        "root": "Read-only file system",
        "volume": volume,
        "token": False,
        "privileged files": [],
    }
    running = cluster.pods(component)[0]["status"]["containerStatuses"][0]["image"]
    assert running == f"localhost/ingest-{image}:{VERSION}"


def test_each_service_has_only_its_own_passwords(cluster: Cluster) -> None:
    for component, names in {
        "asr": ["ingest_nats_password"],
        "downloader": ["ingest_nats_password"],
        "embedder": ["ingest_database_password", "ingest_nats_password"],
        "archive": ["ingest_archive_token", "ingest_database_password"],
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
