"""Settings of the read side."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from ingest.embedder.settings import EmbedderSettings
from ingest.shared.settings import Positive


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
    archive_connections: Positive = 1000
    """Connections at the same time. For one more, the one that waits longest for a request is closed; if all are being
    answered, it gets status 503."""
