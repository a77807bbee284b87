"""The address of Postgres: checked before it is used, since errors of the driver would quote its password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ingest.shared.errors import ConfigurationError
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from pydantic import SecretStr

SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://host:5432/name"
MALFORMED = (
    f"INGEST_DATABASE_URL is not an address such as {EXAMPLE}. "
    "Set INGEST_DATABASE_PASSWORD, or write %40 %3A %2F %3F %25 for @ : / ? % in a password"
)


def parameters(url: SecretStr, password: SecretStr | None) -> dict[str, str]:
    """Return the parameters of a connection; raise ConfigurationError, without the password, for a wrong address."""
    text = url.get_secret_value().strip()
    scheme, separator, _ = text.partition("://")
    if separator and scheme not in SCHEMES:
        name = scheme if scheme.replace("+", "").isalnum() else "another scheme"
        raise ConfigurationError(f"INGEST_DATABASE_URL begins with {name}: the archive is in Postgres, as {EXAMPLE}")
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(text).items()}
    except (psycopg.Error, UnicodeError):  # a percent-encoded byte, or one of the environment, that is not UTF-8
        raise ConfigurationError(MALFORMED) from None  # the cause quotes the address
    if not _is_plausible(found):
        raise ConfigurationError(MALFORMED)
    if password is not None:
        found["password"] = password.get_secret_value()
    return found


def _is_plausible(found: dict[str, str]) -> bool:
    """Return whether no part of a password was taken for a host, a port or a name."""
    ports = found.get("port", "").split(",")
    cut_password = "@" in found.get("host", "") + found.get("dbname", "")
    return not cut_password and all(port.isdigit() or not port for port in ports)


def cause(error: psycopg.Error, found: dict[str, str]) -> str:
    """Return why a connection failed: the first attempt's reason as one line, without the password."""
    text = str(error).strip().split("\nMultiple connection attempts failed")[0]
    if found.get("password"):
        text = text.replace(found["password"], "***")
    return shorten(text)
