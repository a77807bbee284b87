"""A connection to a NATS server: the client on an event loop of its own thread, for callers in any thread.

Reconnects forever. If the broker is unreachable for longer than `patience_s`, calls `on_lost`. Permission and login
errors fail immediately; nats-py would time out or retry. `nats_bus` sends the requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import ssl
import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from ingest.shared.broker.bus import BusConflictError, BusError, BusNothingError, BusRefusedError, BusUnavailableError
from ingest.shared.broker.names import OURS, Names
from ingest.shared.broker.nats_login import KeyFiles, Login
from ingest.shared.broker.permissions import inbox_prefix
from ingest.shared.errors import ConfigurationError
from ingest.shared.outgoing import without_login
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from pathlib import Path

    from nats.js import JetStreamContext

REQUEST_TIMEOUT_S = 5.0
CHANGE_TIMEOUT_S = 60.0  # a stream or consumer is several files, each flushed to a disk that may be busy
PING_EVERY_S = 10
REPEAT_PAUSE_S = 1.0
CLOSED = "the connection to NATS is closed"
OLDEST_SERVER = (2, 12, 9)
BROKEN_SERVERS = ((2, 14, 0),)
WRITTEN_SINCE = (10071, 10164)  # wrong last sequence (of the subject); the second form is that of newer servers

ADDRESS = re.compile(r"((nats|tls|wss?)://)?([^/@\s]+@)?[\w.:\[\]-]+/?")
NO_FILES = KeyFiles()

T = TypeVar("T")
log = get_logger(__name__)


@dataclass(frozen=True)
class BusOptions:
    """How to reach the broker. Calls fail, and `on_lost` is called, when it is unreachable for `patience_s`.

    The first connection is waited for as long, or for `first_s` if that is shorter.
    """

    url: str
    name: str
    ack_wait_s: float = 60.0
    patience_s: float = 300.0
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    keys: KeyFiles = NO_FILES
    domain: str | None = None
    names: Names = OURS
    first_s: float = math.inf

    @property
    def connect_s(self) -> float:
        """Return how long the first connection is waited for."""
        return min(self.first_s, self.patience_s)

    @property
    def login(self) -> Login:
        """Return how the client logs in."""
        return Login(self.user, self.password, self.ca_file, self.keys)

    @property
    def servers(self) -> list[str]:
        """Return the address of each server."""
        return [address.strip() for address in self.url.split(",") if address.strip()]

    @property
    def shown(self) -> str:
        """Return the addresses without user and password."""
        return ", ".join(without_login(address) for address in self.servers)

    @property
    def api(self) -> str:
        """Return the beginning of the subjects of JetStream."""
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"

    @property
    def inbox(self) -> str:
        """Return where the server's answers go: for a user of ours to an inbox of its own, else to the usual one."""
        if self.login.has_key or (self.login.keys.cert and not self.login.user):
            return "_INBOX"
        return inbox_prefix(self.login.user or self.name.split(".")[0])


def _require_addresses(options: BusOptions) -> None:
    if not options.servers or not all(ADDRESS.fullmatch(address) for address in options.servers):
        raise ConfigurationError(
            "INGEST_NATS_URL is not an address such as nats://host:4222, or several joined by commas. "
            "User and password have settings of their own"
        )


class _Client(Client):
    """A client that logs in with a key: nats-py itself would need another package for it."""

    def __init__(self, login: Login) -> None:
        super().__init__()
        if login.keys.nkey:
            self._public_nkey = login.public_key()


class NatsConnection:
    """The client and its thread. Coroutines run on that thread: `run` brings them there.

    The thread is no portal of anyio: a process that fails before `close` would wait for the portal's thread forever.
    """

    def __init__(self, options: BusOptions, on_lost: Callable[[str], None] | None = None) -> None:
        _require_addresses(options)
        options.login.check()
        self._options = options
        self._on_lost = on_lost
        self.loop = asyncio.new_event_loop()
        self.client = _Client(options.login)
        self.stream: JetStreamContext
        self.manager: JetStreamContext
        self._watch: asyncio.Task[None] | None = None
        self._denials: deque[str] = deque(maxlen=20)
        self._denied = asyncio.Event()
        self._refusal: BusRefusedError | ConfigurationError | None = None
        self._refused = asyncio.Event()
        self._away_since: float | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, name="bus", daemon=True)

    def connect(self) -> None:
        """Connect; raise BusUnavailableError when no server answers, BusRefusedError when the login is refused.

        ConfigurationError is raised when the server is too old or its certificate not trusted.
        """
        self._thread.start()
        self.run(self._connect(), limit_s=self._options.connect_s + 2 * REQUEST_TIMEOUT_S)

    async def _connect(self) -> None:
        """Connect. nats-py would retry forever, and treat a refused login as an unreachable server."""
        refused = asyncio.ensure_future(self._refused.wait())
        connecting = asyncio.ensure_future(self.client.connect(self._options.servers, **self._client_options()))
        waited_for = {refused, connecting}
        await asyncio.wait(waited_for, timeout=self._options.connect_s, return_when=asyncio.FIRST_COMPLETED)
        refused.cancel()
        if not connecting.done():
            connecting.cancel()
            if self._refusal is not None:
                raise self._refusal
            raise BusUnavailableError(f"no NATS server answers at {self._options.shown} (INGEST_NATS_URL)")
        await connecting
        self._check_version()
        self.stream = self.client.jetstream(timeout=REQUEST_TIMEOUT_S, domain=self._options.domain)
        self.manager = self.client.jetstream(timeout=CHANGE_TIMEOUT_S, domain=self._options.domain)
        self._watch = self.loop.create_task(self._watch_absence())

    def _client_options(self) -> dict[str, Any]:
        login = self._options.login
        with_key = {"signature_cb": login.sign, "user": login.name} if login.has_key else {}
        return {
            "name": self._options.name,
            "user": login.user,
            "password": login.password,
            **with_key,
            **({"user_jwt_cb": login.jwt} if login.keys.creds else {}),
            "tls": login.tls(),
            "inbox_prefix": self._options.inbox.encode(),
            "connect_timeout": int(REQUEST_TIMEOUT_S),
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": int(REPEAT_PAUSE_S),
            "ping_interval": PING_EVERY_S,
            "max_outstanding_pings": 2,
            "allow_reconnect": True,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnected,
            "reconnected_cb": self._on_reconnected,
        }

    def _check_version(self) -> None:
        version = self.client.connected_server_version
        number = (version.major, version.minor, version.patch)
        if number < OLDEST_SERVER or number in BROKEN_SERVERS:
            raise ConfigurationError(
                f"nats-server {'.'.join(map(str, number))} loses acknowledgements or messages after a crash; "
                f"use {'.'.join(map(str, OLDEST_SERVER))} or newer (not 2.14.0)"
            )

    async def _on_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self._denials.append(str(error))
            self._denied.set()
        if "authorization" in str(error).lower():
            self._refuse(BusRefusedError(f"NATS refuses the login of {self._options.login.name or self._options.name}"))
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "INGEST_NATS_CA_FILE names the certificates to trust"
            reason = f"the certificate of {self._options.shown} is not trusted: {error.verify_message} ({hint})"
            self._refuse(ConfigurationError(reason))
        log.warning("bus_error", error=str(error))

    def _refuse(self, reason: BusRefusedError | ConfigurationError) -> None:
        self._refusal = reason
        self._refused.set()

    async def _on_disconnected(self) -> None:
        self._away_since = time.monotonic()

    async def _on_reconnected(self) -> None:
        self._away_since = None
        log.info("bus_reconnected")

    async def _watch_absence(self) -> None:
        while not self.client.is_closed:
            away = self.away_s
            if away > self._options.patience_s and self._on_lost is not None:
                self._on_lost(f"no NATS server for {away:.0f} s at {self._options.shown}")
                return
            await asyncio.sleep(min(1.0, self._options.patience_s / 4))

    @property
    def away_s(self) -> float:
        """Seconds since the broker went away; 0 while it is there."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_connected(self) -> bool:
        """Return whether the broker is connected now."""
        return self.client.is_connected

    def close(self) -> None:
        """Close the connection and end the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(BusError):
            self.run(self._close(), limit_s=2 * REQUEST_TIMEOUT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(REQUEST_TIMEOUT_S)
        if not self._thread.is_alive():
            self.loop.close()

    async def _close(self) -> None:
        if self.client.is_connected:
            with contextlib.suppress(asyncio.TimeoutError, nats.errors.Error):
                await asyncio.wait_for(self.client.flush(), REQUEST_TIMEOUT_S)
        # The server may have closed the socket while data were pending: asyncio raises TypeError then on Python 3.12+.
        with contextlib.suppress(OSError, TypeError, nats.errors.Error):
            await self.client.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def run(self, work: Coroutine[Any, Any, T], limit_s: float | None = None) -> T:
        """Run `work` on the bus thread; translate what NATS raises.

        BusUnavailableError is also raised when the connection was closed meanwhile.
        """
        limit_s = limit_s if limit_s is not None else self._options.patience_s + 2 * REQUEST_TIMEOUT_S
        future = self.begin(work)
        if future is None:
            raise BusUnavailableError(CLOSED)
        try:
            return future.result(limit_s)
        except CancelledError as error:
            raise BusUnavailableError(CLOSED) from error
        except TimeoutError as error:
            future.cancel()
            raise BusUnavailableError("NATS does not answer in time") from error
        except nats.js.errors.NotFoundError as error:
            raise BusNothingError(str(error)) from error
        except nats.js.errors.BadRequestError as error:
            if error.err_code in WRITTEN_SINCE:
                raise BusConflictError(str(error)) from error
            raise BusRefusedError(str(error)) from error
        except nats.errors.Error as error:
            raise BusRefusedError(str(error)) from error

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T] | None:
        """Begin `work` on the bus thread, and wait for nothing; return None when the connection is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:
            work.close()
            return None

    async def repeat(
        self, subject: str, attempt: Callable[[], Coroutine[Any, Any, None]], longest_s: float = math.inf
    ) -> None:
        """Repeat `attempt` until the server answers; give up after `patience_s`, or `longest_s` where that is less.

        Refusals are not repeated.
        """
        patience_s = min(self._options.patience_s, longest_s)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return await self.unless_denied(subject, attempt())
            except (TimeoutError, nats.errors.Error) as error:
                if isinstance(error, nats.js.errors.APIError):
                    raise BusRefusedError(f"{subject}: {error.description}") from error
                if isinstance(error, nats.errors.MaxPayloadError):
                    raise BusRefusedError(f"{subject}: the message is larger than the server takes") from error
                if time.monotonic() > deadline or self.client.is_closed:
                    raise BusUnavailableError(f"{subject}: no answer for {patience_s:.0f} s") from error
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def unless_denied(self, subject: str, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, but fail at once when the server denies its subject (the client itself would time out)."""
        task = asyncio.ensure_future(work)
        denied = asyncio.ensure_future(self._denied.wait())
        try:
            await asyncio.wait({task, denied}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._denied.clear()
                wanted = f'"{subject}'.lower()  # nats-py writes denials in lower case
                reason = next((text for text in self._denials if wanted in text.lower()), None)
                if reason is not None:
                    task.cancel()
                    raise BusRefusedError(f"{reason}; check the permissions of NATS user {self._options.login.name}")
            return await task
        finally:
            denied.cancel()
