"""NATS servers as others run them: several of them, with credentials, nkeys, client certificates, domains, limits."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local import preparation, state_folder
from ingest.cli.local.state_folder import open_connections
from ingest.cli.settings import AllSettings
from ingest.shared.broker.bus import BusRefusedError, BusUnavailableError
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_login import KeyFiles
from ingest.shared.broker.topology import GOVERNOR_BUCKET, REQUESTED, WORK_STREAM
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import Stage
from ingest.shared.settings import load
from tests.support.brokers import nats_with
from tests.support.certificates import make_authority, sign
from tests.support.nats_operator import JETSTREAM, TINY_JETSTREAM, USER, Key, Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.broker.topology import Topology

NOWHERE = "nats://127.0.0.1:1"
PATIENCE_S = 20.0
AT_ONCE_S = 5.0


def work_through(topology: Topology, url: str, keys: KeyFiles | None = None, **options: str) -> None:
    """Create the streams, and do once what services do with them."""
    opened = NatsBus(BusOptions(url, "test", patience_s=PATIENCE_S, keys=keys or KeyFiles(), **options)).connect()  # type: ignore[arg-type] # fields by name
    try:
        opened.provision(topology)
        opened.publish(REQUESTED, b"{}", "one")
        delivery = opened.fetch(Stage.CHECK, WORK_STREAM, 5.0)
        assert delivery is not None
        opened.ack(delivery)
        assert opened.replace_key(GOVERNOR_BUCKET, "site", b"x", 0)
        assert opened.read_key(GOVERNOR_BUCKET, "site") is not None
        assert opened.lag(Stage.CHECK, WORK_STREAM).waiting == 0
        assert opened.stored(WORK_STREAM) == 0
        opened.clock()
    finally:
        opened.close()


# -- logins ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator({"archive": JETSTREAM, "tiny": TINY_JETSTREAM, "none": None})


@pytest.fixture(scope="module")
def operated(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server in operator mode."""
    with nats_with(tmp_path_factory.mktemp("operated"), operator.configuration()) as url:
        yield url


def test_credentials_log_in(operator: Operator, operated: str, tmp_path: Path, test_topology: Topology) -> None:
    keys = KeyFiles(creds=operator.credentials("archive", tmp_path / "archive.creds"))
    work_through(test_topology, operated, keys, user="ignored", password="ignored")  # noqa: S106 (ignored)


def test_the_seed_of_an_nkey_logs_in(tmp_path: Path, test_topology: Topology) -> None:
    key = Key.make(USER)
    (tmp_path / "user.nk").write_text(key.seed + "\n")
    with nats_with(tmp_path, f"authorization {{ users: [{{ nkey: {key.public} }}] }}") as url:
        work_through(test_topology, url, KeyFiles(nkey=tmp_path / "user.nk"))


def test_a_client_certificate_logs_in(
    tmp_path: Path, test_topology: Topology, program: Callable[[str, str], str]
) -> None:
    openssl = program("openssl", "openssl")
    make_authority(openssl, tmp_path)
    for name in ("server", "client"):
        sign(openssl, tmp_path, name, "IP:127.0.0.1")
    files = [f'{kind}_file: "{tmp_path}/{name}"' for kind, name in (("cert", "server.crt"), ("key", "server.key"))]
    tls = f'tls {{ {", ".join(files)}, ca_file: "{tmp_path}/ca.crt", verify: true }}'
    certificate = KeyFiles(cert=tmp_path / "client.crt", key=tmp_path / "client.key")
    with nats_with(tmp_path, tls) as url:
        work_through(test_topology, url, certificate, ca_file=tmp_path / "ca.crt")  # type: ignore[arg-type] # a path


def test_a_key_that_the_server_does_not_trust_is_named_at_once(
    operated: str, tmp_path: Path, test_topology: Topology
) -> None:
    keys = KeyFiles(creds=Operator({"archive": JETSTREAM}).credentials("archive", tmp_path / "other.creds"))
    began = time.monotonic()
    with pytest.raises(BusRefusedError, match=r"refuses the login of .*other\.creds"):
        work_through(test_topology, operated, keys)
    assert time.monotonic() - began < AT_ONCE_S


SEED = "SUAMLJKYYGYSOYQTRLLKKBUZJFVHGMQFBKZCYRGCNKEI7FUKQCG5K6HR4E"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        pytest.param("creds", None, "cannot read the NATS login in", id="no credentials"),
        pytest.param("creds", SEED, "has no USER NKEY SEED: it is not a credentials file", id="a seed"),
        pytest.param("nkey", None, "cannot read the NATS login in", id="no seed"),
        pytest.param("nkey", SEED[:-1] + "A", "has no seed of a NATS user", id="mistyped"),
        pytest.param("nkey", Key.make(0).seed, "has no seed of a NATS user", id="seed of an account"),
        pytest.param("nkey", "ÄÖ", "has no seed of a NATS user", id="nonsense"),
        pytest.param("cert", "x", "belong together", id="a certificate without key"),
    ],
)
def test_a_file_that_cannot_log_in_is_named_before_the_first_connection(
    kind: str, content: str | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        NatsBus(BusOptions(NOWHERE, "test", keys=KeyFiles(**{kind: tmp_path / "file"})))
    assert "\n" not in str(refused.value)
    assert content is None or content not in str(refused.value)


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_all_addresses_of_a_cluster_are_used(
    tmp_path: Path, wait_until: Callable[[Callable[[], bool]], None], test_topology: Topology
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with nats_with(tmp_path / "other", "") as other, ExitStack() as running:
        one = running.enter_context(nats_with(tmp_path / "one", ""))
        buses = [
            NatsBus(BusOptions(urls, "test", patience_s=PATIENCE_S)).connect()
            for urls in (f"{NOWHERE},{one}, {other}", f"{one},{other}", f"{other},{one}")
        ]
        running.close()
        for bus in buses:
            wait_until(lambda bus=bus: bus.is_connected)  # type: ignore[misc] # of this turn
            bus.provision(test_topology)
            bus.close()


@pytest.mark.long
def test_a_command_does_not_wait_for_a_server_as_long_as_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_folder, "COMMAND_WAIT_S", 1.0)
    monkeypatch.setattr(preparation, "COMMAND_WAIT_S", 1.0)
    settings = load(AllSettings, nats_url=NOWHERE, state_path=tmp_path / "state", database_url=None)
    began = time.monotonic()
    with (
        pytest.raises(
            (BusUnavailableError, ConfigurationError), match=r"no NATS server answers at .* \(INGEST_NATS_URL"
        ),
        open_connections(settings),
    ):
        pass
    assert time.monotonic() - began < settings.bus_patience_s / 4


@pytest.mark.parametrize("url", ["", ",", "http://host:4222", "nats://me:hunter2@x@host:4222", "nats://a b", "one;two"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="INGEST_NATS_URL is not an address") as refused:
        NatsBus(BusOptions(url, "test"))
    assert "hunter2" not in str(refused.value)


# -- JetStream ---------------------------------------------------------------------------------------------------------


def test_a_domain_is_used(tmp_path: Path, test_topology: Topology) -> None:
    with nats_with(tmp_path, f'jetstream {{ store_dir: "{tmp_path}", domain: hub }}') as url:
        work_through(test_topology, url, domain="hub")
        with pytest.raises(BusRefusedError, match=r"JetStream does not answer: .* set INGEST_NATS_DOMAIN"):
            work_through(test_topology, url, domain="elsewhere")


def test_a_server_without_jetstream_is_told_how_to_start_it(tmp_path: Path, test_topology: Topology) -> None:
    with (
        nats_with(tmp_path, "jetstream: disabled") as url,
        pytest.raises(BusRefusedError, match="JetStream does not answer: start nats-server with -js"),
    ):
        work_through(test_topology, url)


def test_a_storage_that_is_too_small_names_the_setting_and_the_need(tmp_path: Path, test_topology: Topology) -> None:
    with (
        nats_with(tmp_path, f'jetstream {{ store_dir: "{tmp_path}", max_file_store: 100MB }}') as url,
        pytest.raises(ConfigurationError, match=r"INGEST_QUEUE_BYTES=67108864 need 298435456 bytes .* max_file_store"),
    ):
        work_through(test_topology, url)


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        pytest.param("tiny", "INGEST_QUEUE_BYTES=67108864 need 298435456 bytes", id="too little storage"),
        pytest.param("none", "JetStream is off for the account of this NATS user", id="no JetStream"),
    ],
)
def test_the_limits_of_an_account_are_named(
    account: str, reason: str, operator: Operator, operated: str, tmp_path: Path, test_topology: Topology
) -> None:
    keys = KeyFiles(creds=operator.credentials(account, tmp_path / "user.creds"))
    with pytest.raises((ConfigurationError, BusRefusedError), match=reason):
        work_through(test_topology, operated, keys)
