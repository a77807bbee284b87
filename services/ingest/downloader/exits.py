"""The exits to YouTube: this machine's own address, and proxies; each may have an account (a file with its cookies).

YouTube limits each address and each account. So each exit has a budget, a pause and a circuit of its own
(`rate_limiter`), and an account is used through one exit only. Addresses of proxies have logins: an exit shows its
number instead.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from ingest.downloader.settings import DownloaderSettings

YOUTUBE = "youtube"  # the site with a budget; stored in the broker
DIRECT = "direct"
SCHEMES = ("http", "https", "socks5", "socks5h")
PORTS = {"http": 80, "https": 443}
SOCKS_PORT = 1080
MOST_EXITS = 100
LONGEST_FILE = 100_000
_COOKIES = re.compile(r"cookies=(\S.*)")


@dataclass(frozen=True)
class Exit:
    """A way to YouTube. `proxy` is its address with the login; None: the way of all other requests."""

    number: int = 1
    proxy: str | None = field(default=None, repr=False)
    cookies_file: str | None = None
    is_one_of_several: bool = False

    @property
    def site(self) -> str:
        """Return the name under which the rate limiter keeps this exit."""
        return YOUTUBE if self.proxy is None else f"{YOUTUBE} exit {self.number}"

    @property
    def endpoint(self) -> str | None:
        """Return host and port of the proxy, without its login."""
        if self.proxy is None:
            return None
        parts = urlsplit(self.proxy)
        return f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, SOCKS_PORT)}"

    @property
    def account(self) -> str | None:
        """Return the name of its account: that of the file with the cookies."""
        return Path(self.cookies_file).name if self.cookies_file else None


ONLY = (Exit(),)


def unlimited(_message: object, _login: bool) -> AbstractContextManager[Exit | None]:  # noqa: FBT001 (a permit)
    """Return the permit of a handler without rate limiter."""
    return nullcontext()


def is_youtube(site: str) -> bool:
    """Return whether a name of the rate limiter is that of an exit to YouTube."""
    return site == YOUTUBE or site.startswith(f"{YOUTUBE} exit ")


def secrets_of(proxy: str | None) -> tuple[str, ...]:
    """Return what of a proxy's address is never shown: its login as it stands in the address, and decoded."""
    parts = urlsplit(proxy or "")
    found = {text for text in (parts.username, parts.password) if text}
    login = parts.netloc.rpartition("@")[0]
    return tuple(sorted({login, *found, *map(unquote, found)} - {""}, key=len, reverse=True))


def exits(settings: DownloaderSettings) -> tuple[Exit, ...]:
    """Return the exits of the settings; without INGEST_SITE_PROXIES it is this machine's own address."""
    cookies = str(settings.cookies_file) if settings.cookies_file else None
    if settings.site_proxies is None:
        return (Exit(cookies_file=cookies),)
    folder = settings.site_proxies.parent
    found = tuple(
        replace(one, cookies_file=str(folder / one.cookies_file)) if one.cookies_file else one
        for one in parsed(_text(settings.site_proxies))
    )
    if cookies is None:
        return found
    direct = next((one for one in found if one.proxy is None and one.cookies_file is None), None)
    if direct is None:
        raise _wrong(f"has no `{DIRECT}` for INGEST_COOKIES_FILE: write cookies=FILE behind an exit")
    return tuple(replace(one, cookies_file=cookies) if one is direct else one for one in found)


def parsed(text: str) -> tuple[Exit, ...]:
    """Return the exits that a text names, a line each; raise ConfigurationError with the number of a wrong line."""
    found: list[Exit] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_exit(line.strip(), number, len(found) + 1))
    if not 1 <= len(found) <= MOST_EXITS:
        raise _wrong(f"has {len(found)} exits; 1 to {MOST_EXITS} are allowed")
    places = [(one.proxy or DIRECT) for one in found]
    accounts = [one.cookies_file for one in found if one.cookies_file]
    if len(set(places)) < len(places) or len(set(accounts)) < len(accounts):
        raise _wrong("has an exit or an account twice; an account is used through one exit only")
    return tuple(replace(one, is_one_of_several=len(found) > 1) for one in found)


def _exit(line: str, number: int, position: int) -> Exit:
    place, _, rest = line.partition(" ")
    account = _COOKIES.fullmatch(rest.strip())
    if rest.strip() and account is None:
        raise _wrong(f"line {number}: after the exit there may be only cookies=FILE")
    cookies_file = account[1] if account else None
    if place == DIRECT:
        return Exit(position, None, cookies_file)
    try:
        parts = urlsplit(place)
        is_valid = _is_valid(parts)
    except ValueError:  # a port that is no number, brackets around no address
        is_valid = False
    if not is_valid:
        schemes = ", ".join(SCHEMES)
        raise _wrong(f"line {number} is no `{DIRECT}` and no SCHEME://[USER:PASSWORD@]HOST:PORT ({schemes})")
    return Exit(position, place, cookies_file)


def _is_valid(parts: SplitResult) -> bool:
    has_port = parts.port is None or parts.port > 0
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    return parts.scheme in SCHEMES and bool(parts.hostname) and has_port and is_bare and parts.netloc.isascii()


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(LONGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise _wrong(f"{file}: {reason}") from error


def _wrong(reason: str) -> ConfigurationError:
    return ConfigurationError(f"INGEST_SITE_PROXIES {reason}")
