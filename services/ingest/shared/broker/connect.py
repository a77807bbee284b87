"""A connection to the broker, and what must be on it, as the settings say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ingest.shared.broker import websockets
from ingest.shared.broker.names import Names
from ingest.shared.broker.topology import Topology, topology
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.settings import Settings

COMMAND_WAIT_S = 20.0  # the wait of a command for its first connection; a service may be started before its broker


def bus_topology(settings: Settings) -> Topology:
    """Return the streams and consumers as the settings define them."""
    return topology(
        ack_wait_s=settings.ack_wait_s,
        check_limit=settings.check_limit,
        download_limit=settings.download_limit,
        work_bytes=settings.queue_bytes,
    )


def connect(
    settings: Settings, name: str, on_lost: Callable[[str], None] | None = None, *, first_s: float = math.inf
) -> NatsBus:
    """Connect to NATS as the settings say; `first_s` bounds the wait for the first connection."""
    websockets.import_nats()
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.broker.nats_connection import BusOptions
    from ingest.shared.broker.nats_login import KeyFiles

    if settings.nats_url is None:
        raise ConfigurationError("INGEST_NATS_URL is not set: a service needs a NATS server")
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    options = BusOptions(
        url=settings.nats_url,
        name=name,
        ack_wait_s=settings.ack_wait_s,
        patience_s=settings.bus_patience_s,
        user=settings.nats_user,
        password=password,
        ca_file=settings.nats_ca_file,
        keys=KeyFiles(
            settings.nats_creds_file, settings.nats_nkey_file, settings.nats_cert_file, settings.nats_key_file
        ),
        domain=settings.nats_domain,
        names=Names(settings.nats_prefix),
        first_s=first_s,
    )
    return NatsBus(options, on_lost).connect()
