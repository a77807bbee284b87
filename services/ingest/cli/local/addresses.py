"""Writes and reads the addresses of the servers of a state folder: settings, in a file that its commands share."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ingest.cli.settings import AllSettings
from ingest.shared.settings import as_environment, is_secret, variable

if TYPE_CHECKING:
    from ingest.cli.local.shared_files import Files

FIELDS = ("nats_url", "nats_user", "nats_password", "database_url")


def write(files: Files, settings: AllSettings) -> None:
    """Write the addresses in the settings."""
    new = files.addresses.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(as_environment(settings, FIELDS), file)
    new.replace(files.addresses)


def read(files: Files) -> dict[str, str]:
    """Return the addresses by field; nothing without the file."""
    try:
        found = json.loads(files.addresses.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: found[variable(name)] for name in FIELDS if variable(name) in found}


def applied(files: Files, settings: AllSettings) -> AllSettings | None:
    """Return settings with the addresses of the running servers, or None before there are any."""
    found = read(files) if files.keeper_lives else {}
    return with_addresses(settings, found) if found else None


def with_addresses(settings: AllSettings, found: dict[str, str]) -> AllSettings:
    """Return settings with other addresses, by field."""
    values = {name: SecretStr(text) if is_secret(AllSettings, name) else text for name, text in found.items()}
    return settings.model_copy(update=values)
