"""A broker that speaks TLS: trusted by a file of certificates; an error at once when it is not trusted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.errors import ConfigurationError
from tests.support.brokers import nats_with
from tests.support.certificates import make_authority, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.broker.topology import Topology

PATIENCE_S = 60.0
AT_ONCE_S = 5.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]) -> Path:
    """A folder with an authority (ca.crt), one for 127.0.0.1 signed by it (tls.crt, tls.key), and other.crt."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = program("openssl", "openssl")
    for name in ("ca", "other"):
        make_authority(openssl, folder, name)
    sign(openssl, folder, "tls", "IP:127.0.0.1")
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[str]:
    tls = f'tls {{ cert_file: "{certificates}/tls.crt", key_file: "{certificates}/tls.key" }}'
    with nats_with(tmp_path_factory.mktemp("broker"), tls) as url:
        yield url


def connect(url: str, ca_file: Path | None) -> NatsBus:
    return NatsBus(BusOptions(url=url, name="test", patience_s=PATIENCE_S, ca_file=ca_file)).connect()


def test_a_named_authority_is_trusted(broker: str, certificates: Path, test_topology: Topology) -> None:
    bus = connect(broker, certificates / "ca.crt")
    bus.provision(test_topology)
    bus.close()


@pytest.mark.parametrize("name", [None, "other.crt"])
def test_a_certificate_of_nobody_we_trust_is_told_at_once(broker: str, certificates: Path, name: str | None) -> None:
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=r"is not trusted: .*INGEST_NATS_CA_FILE"):
        connect(broker, certificates / name if name else None)
    assert time.monotonic() - began < AT_ONCE_S


def test_a_file_of_certificates_that_is_not_there_is_named(broker: str, certificates: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.crt"):
        connect(broker, certificates / "missing.crt")
