"""Two archives share one account of a NATS server: with a prefix each, neither sees what the other has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.broker.names import Names
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.permissions import USERS, User, authorization, permissions
from ingest.shared.broker.topology import (
    EVENT_STREAM,
    GOVERNOR_BUCKET,
    LATER_STREAM,
    REQUESTED,
    WORK_STREAM,
    Topology,
    event_subject,
    later_consumer,
    later_subject,
)
from ingest.shared.messages import Stage
from tests.support.brokers import nats_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "p" * 8
PREFIXES = ("ingest", "talks", "talks-2")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("shared-nats")
    with nats_with(folder, "") as url:
        yield url


@pytest.fixture
def buses(server: str, test_topology: Topology) -> Iterator[list[NatsBus]]:
    made = [NatsBus(BusOptions(server, f"test.{prefix}", names=Names(prefix))).connect() for prefix in PREFIXES]
    for bus in made:
        bus.provision(test_topology)
    yield made
    for bus in made:
        bus.wipe(test_topology)
        bus.close()


def test_each_archive_has_its_own_messages_keys_and_lags(buses: list[NatsBus]) -> None:
    for number, bus in enumerate(buses):
        data = str(number).encode()
        bus.publish(REQUESTED, data, "same id")
        bus.publish(later_subject(Stage.CHECK), data, "same id")
        bus.publish(event_subject(Stage.CHECK), data, "same id")
        assert bus.replace_key(GOVERNOR_BUCKET, "site", data, 0)
    for number, bus in enumerate(buses):
        data = str(number).encode()
        assert [found for _, found in bus.read(WORK_STREAM, "ingest.>")] == [data]
        assert [found for _, found in bus.read(EVENT_STREAM, "ingest.event.*")] == [data]
        assert (bus.stored(WORK_STREAM), bus.lag(Stage.CHECK, WORK_STREAM).waiting) == (1, 1)
        for consumer, stream in ((Stage.CHECK, WORK_STREAM), (later_consumer(Stage.CHECK), LATER_STREAM)):
            delivery = bus.fetch(consumer, stream, 5)
            assert delivery is not None
            assert delivery.data == data
            bus.ack(delivery)
            assert bus.fetch(consumer, stream, 0.2) is None
        key = bus.read_key(GOVERNOR_BUCKET, "site")
        assert key is not None
        assert key.data == data


def test_the_printed_users_have_the_rights_of_their_prefix_alone(tmp_path: Path, test_topology: Topology) -> None:
    names = Names("talks")
    users = authorization(dict.fromkeys(USERS, f'"{PASSWORD}"'), names)
    with nats_with(tmp_path, users) as url:
        admin = NatsBus(BusOptions(url, "admin", user="admin", password=PASSWORD, names=names)).connect()
        admin.provision(test_topology)
        submit = NatsBus(BusOptions(url, "submit", user="submit", password=PASSWORD, names=names)).connect()
        submit.publish(REQUESTED, b"1", "1")
        with pytest.raises(BusRefusedError):
            submit.publish(later_subject(Stage.ASR), b"1", "1")
        other = NatsBus(BusOptions(url, "submit", user="submit", password=PASSWORD)).connect()
        with pytest.raises(BusRefusedError):
            other.publish(REQUESTED, b"1", "1")
        neighbour = NatsBus(BusOptions(url, "admin", user="admin", password=PASSWORD, names=Names("films"))).connect()
        with pytest.raises(BusRefusedError):
            neighbour.provision(test_topology)
        for bus in (admin, submit, other, neighbour):
            bus.close()


@pytest.mark.parametrize("user", USERS)
def test_every_right_has_the_prefix(user: User) -> None:
    changed = [Names("talks").right(subject) for subject in permissions(user).publish]
    assert not [subject for subject in changed if "ingest" in subject.lower()]
    assert [Names().right(subject) for subject in permissions(user).publish] == list(permissions(user).publish)
