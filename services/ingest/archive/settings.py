"""Settings of the read side."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from ingest.embedder.settings import EmbedderSettings
from ingest.shared.settings import Positive


def listed(text: str) -> list[str]:
    """Return the parts of a text that are joined by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _networks(text: str) -> str:
    for one in listed(text):
        ip_network(one)  # raises ValueError with the reason
    return text


class ArchiveSettings(EmbedderSettings):
    """The settings of the read side; it reads the tables and uses the text model of the embedder."""

    archive_host: str = "127.0.0.1"
    """Address on which the page and the API listen; empty: all addresses of the machine."""
    archive_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of the page and the API; 0 takes a free one."""
    archive_names: str = ""
    """Host names under which the page is opened, joined by commas, beside localhost and INGEST_ARCHIVE_HOST; others are
    refused."""
    archive_token: Annotated[SecretStr | None, Field(min_length=1)] = None
    """Token that each request must bring: as a bearer, or as the password that a browser asks for; without it, none."""
    archive_edit_token: Annotated[SecretStr | None, Field(min_length=1)] = None
    """Token that gives the right to change something, as to retry failures; it also gives that to read. Without it, the
    server only reads; `ingest serve` makes one for the archive of the state folder."""
    archive_proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Addresses and networks of proxies before the server, joined by commas, as 10.0.0.7,10.1.0.0/16: their
    X-Forwarded-For names the client, and INGEST_ARCHIVE_PROXY_HEADER its user."""
    archive_proxy_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    """Header in which these proxies name the user, as X-Forwarded-User: who is named may read. Empty: none. From other
    addresses, the header is ignored."""
    archive_editors: str = ""
    """Users of that header who may also change something, joined by commas; INGEST_ARCHIVE_EDIT_TOKEN signs their
    forms."""
    archive_requests_per_minute: Annotated[int, Field(ge=0)] = 0
    """Requests of one client in a minute; further ones get status 429. 0: any number. Clients behind
    INGEST_ARCHIVE_PROXIES are told apart."""
    archive_connections: Positive = 1000
    """Connections at the same time. For one more, the one that waits longest for a request is closed; if all are being
    answered, it gets status 503."""
