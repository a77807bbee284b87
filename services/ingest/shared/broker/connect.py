"""A connection to the broker, and what must be on it, as the settings say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.shared.broker import websockets
from ingest.shared.broker.names import Names
from ingest.shared.broker.topology import UNLIMITED, Topology, files_spec, topology
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.broker.nats_connection import BusOptions
    from ingest.shared.settings import Settings

VOLUME_NEEDS_NATS = "INGEST_VOLUME_URL is on NATS: set INGEST_NATS_URL to the address of a server of yours"
_BUCKET = re.compile(r"[A-Za-z0-9_-]{1,100}")
COMMAND_WAIT_S = 20.0  # the wait of a command for its first connection; a service may be started before its broker


def bus_topology(settings: Settings) -> Topology:
    """Return the streams and consumers as the settings define them."""
    wanted = topology(
        ack_wait_s=settings.ack_wait_s,
        check_limit=settings.check_limit,
        download_limit=settings.download_limit,
        work_bytes=settings.queue_bytes,
    )
    bucket = files_bucket(settings)
    if bucket is None:
        return wanted
    return replace(wanted, streams=(*wanted.streams, files_spec(bucket, settings.volume_bytes or UNLIMITED)))


def files_bucket(settings: Settings) -> str | None:
    """Return the bucket of a volume that is on NATS; None where it is elsewhere."""
    scheme, _, bucket = (settings.volume_url or "").partition("://")
    if scheme != "nats":
        return None
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            "INGEST_VOLUME_URL: must be nats://BUCKET, with letters, digits, _ and - "
            "(the address of NATS and the login have settings of their own)"
        )
    return bucket


def bus_options(settings: Settings, name: str, *, first_s: float = math.inf) -> BusOptions:
    """Return how to reach NATS; `first_s` bounds the wait for the first connection."""
    websockets.import_nats()
    from ingest.shared.broker.nats_connection import BusOptions
    from ingest.shared.broker.nats_login import KeyFiles

    if settings.nats_url is None:
        raise ConfigurationError("INGEST_NATS_URL is not set: a service needs a NATS server")
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    return BusOptions(
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


def connect(
    settings: Settings, name: str, on_lost: Callable[[str], None] | None = None, *, first_s: float = math.inf
) -> NatsBus:
    """Connect to NATS as the settings say; `first_s` bounds the wait for the first connection."""
    options = bus_options(settings, name, first_s=first_s)
    from ingest.shared.broker.nats_bus import NatsBus

    return NatsBus(options, on_lost).connect()
