"""A broker with the users of a real installation."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.permissions import USERS, Client, User, accounts, authorization
from tests.support.brokers import nats_with, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.shared.broker.topology import Topology


@pytest.fixture(scope="module")
def passwords() -> dict[User, str]:
    return {user: secrets.token_urlsafe(12) for user in USERS}


@pytest.fixture(scope="module", params=[accounts, authorization], ids=["an account each", "one account"])
def guarded(
    tmp_path_factory: pytest.TempPathFactory, passwords: dict[User, str], request: pytest.FixtureRequest
) -> Iterator[str]:
    """The address of a nats-server with the users of `ingest.shared.broker.permissions`."""
    folder = tmp_path_factory.mktemp("guarded")
    with nats_with(folder, request.param(quoted(passwords))) as url:
        yield url


@pytest.fixture
def login(guarded: str, passwords: dict[User, str], test_topology: Topology) -> Iterator[Callable[[User], NatsBus]]:
    """A function that logs a user in, to a broker whose streams are new and empty."""
    opened: list[NatsBus] = []

    def enter(user: User) -> NatsBus:
        options = BusOptions(guarded, f"test.{user}", ack_wait_s=2.0, user=user, password=passwords[user])
        opened.append(NatsBus(options).connect())
        return opened[-1]

    admin = enter(Client.ADMIN)
    admin.wipe(test_topology)
    admin.provision(test_topology)
    yield enter
    for bus in opened:
        bus.close()
