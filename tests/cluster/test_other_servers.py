"""A release without its own servers works with external ones: other address, TLS, passwords of a Secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import Cluster
from tests.support.certificates import make_authority, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "ingest-{}.ingest-tests-servers"


@pytest.fixture
def certificates(tmp_path: Path, program: Callable[[str, str], str]) -> Path:
    """A folder with ca.crt, and tls.crt and tls.key for the server, signed by it."""
    openssl = program("openssl", "openssl")
    make_authority(openssl, tmp_path)
    sign(openssl, tmp_path, "tls", f"DNS:{HOST.format('nats')}")
    return tmp_path


@pytest.fixture
def servers(empty: Cluster, certificates: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A namespace with a NATS with TLS and a Postgres, open to the pods of the namespace `empty`."""
    found = Cluster("ingest-tests-servers")
    found.remove()
    found.command("kubectl", "create", "namespace", found.namespace)
    files = [f"--from-file={certificates / name}" for name in ("ca.crt", "tls.crt", "tls.key")]
    found.kubectl("create", "secret", "generic", "certificates", *files)
    client = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": empty.namespace}}}
    none = {"replicas": 0}
    values = {"nats": {"tls": {"secretName": "certificates"}}, "networkPolicy": {"clients": [client]}}
    workers = {
        "downloader": none,
        "asr": none,
        "embedder": none,
        "demo": {"enabled": False},
        "archive": {"enabled": False},
    }
    (tmp_path / "servers.json").write_text(json.dumps(values | workers))
    found.install("--values", str(tmp_path / "servers.json"))
    yield found
    found.remove()


def test_external_servers_are_used(empty: Cluster, servers: Cluster, certificates: Path, tmp_path: Path) -> None:
    empty.command("kubectl", "create", "namespace", empty.namespace)
    empty.kubectl("create", "secret", "generic", "authority", f"--from-file={certificates / 'ca.crt'}")
    passwords = servers.get("secret", "ingest-passwords")
    passwords["metadata"] = {"name": "mine"}
    (tmp_path / "secret.json").write_text(json.dumps(passwords))
    empty.kubectl("apply", "--filename", str(tmp_path / "secret.json"))
    nats = {"enabled": False, "url": f"tls://{HOST.format('nats')}:4222", "caSecret": "authority"}
    postgres = {"enabled": False, "url": f"postgresql://USER@{HOST.format('postgres')}:5432/ingest"}
    values = {"nats": nats, "postgres": postgres, "auth": {"existingSecret": "mine", "seed": ""}}
    (tmp_path / "values.json").write_text(json.dumps(values))
    empty.install("--values", str(tmp_path / "values.json"))
    pods = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in empty.get("pods")["items"]}
    assert not pods & {"nats", "postgres"}
    empty.submit()
    empty.until(servers.all_indexed, "all recordings")
    assert "Succeeded" in empty.helm("test", "ingest", "--logs", "--timeout", "8m")
