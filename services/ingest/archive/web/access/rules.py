"""Who may read the archive, by its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.archive.settings import listed
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ingest.archive.settings import ArchiveSettings


@dataclass(frozen=True)
class Rules:
    """Under which host names the archive is open, for whom, and for how many requests.

    Each of `tokens` opens it. `wants_user`: so does a user that a proxy names. With neither, it is open to all. `most`
    are the requests of one client in a minute; 0: any number.
    """

    names: frozenset[str] = frozenset()
    tokens: tuple[str, ...] = ()
    wants_user: bool = False
    most: int = 0


def check(settings: ArchiveSettings) -> None:
    """Raise ConfigurationError for a setting that needs another one."""
    for name, needed, reason in (
        ("archive_edit_token", "nats_url", "changes are messages"),
        ("archive_proxy_header", "archive_proxies", "each client can send the header"),
        ("archive_editors", "archive_proxy_header", "it names the users"),
        ("archive_editors", "archive_edit_token", "it signs their forms"),
    ):
        if getattr(settings, name) and not getattr(settings, needed):
            raise ConfigurationError(f"INGEST_{name.upper()} is set: set INGEST_{needed.upper()}, too; {reason}")


def rules_of(settings: ArchiveSettings) -> Rules:
    """Return the rules of these settings."""
    token, edit_token = secret(settings.archive_token), secret(settings.archive_edit_token)
    return Rules(
        names=frozenset((settings.archive_host, *listed(settings.archive_names))),
        tokens=tuple(one for one in (token, edit_token) if one) if token or settings.archive_proxy_header else (),
        wants_user=bool(settings.archive_proxy_header),
        most=settings.archive_requests_per_minute,
    )


def secret(found: SecretStr | None) -> str | None:
    """Return the text of a secret."""
    return found.get_secret_value() if found else None
