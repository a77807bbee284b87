"""The bus on NATS JetStream: the only connection code there is.

The client lives on an event loop in a thread of its own, which the work cannot block; every method here is blocking and
may be called from any thread. What the loop does by itself: reconnect for ever, beat `+WPI` for the messages in hand,
and end the process's patience when the broker stays away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from services.shared import nats_topology
from services.shared.bus import (
    MESSAGE_ID,
    BusError,
    BusRefusedError,
    BusUnavailableError,
    Delivery,
    Lag,
    Topology,
)
from services.shared.errors import ConfigurationError
from services.shared.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from services.shared.state import Position

REQUEST_TIMEOUT_S = 5.0
PING_EVERY_S = 10
REPEAT_PAUSE_S = 1.0
OLDEST_SERVER = (2, 12, 9)
BROKEN_SERVERS = ((2, 14, 0),)

T = TypeVar("T")
log = get_logger(__name__)


@dataclass(frozen=True)
class BusOptions:
    """How to reach the broker. `patience_s` is how long it may be away before calls fail and `on_lost` is called."""

    url: str
    name: str
    ack_wait_s: float = 60.0
    patience_s: float = 300.0
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None


class NatsBus:
    """A connection to NATS JetStream; see `services.shared.bus.Bus` for the methods of the worker."""

    def __init__(self, options: BusOptions, on_lost: Callable[[str], None] | None = None) -> None:
        self._options = options
        self._on_lost = on_lost
        self._loop = asyncio.new_event_loop()
        self._client = Client()
        self._stream: JetStreamContext
        self._subscriptions: dict[tuple[int, str], JetStreamContext.PullSubscription] = {}
        self._beats: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._denials: deque[str] = deque(maxlen=20)
        self._denied = asyncio.Event()
        self._away_since: float | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="bus", daemon=True)

    # -- connection -------------------------------------------------------------------------------------------------

    def connect(self) -> NatsBus:
        """Connect; raise BusUnavailableError when nobody answers, ConfigurationError when the server is too old."""
        self._thread.start()
        self._run(self._connect(), limit_s=self._options.patience_s + 2 * REQUEST_TIMEOUT_S)
        return self

    async def _connect(self) -> None:
        deadline = time.monotonic() + self._options.patience_s
        while True:
            try:
                await self._client.connect(
                    self._options.url,
                    name=self._options.name,
                    user=self._options.user,
                    password=self._options.password,
                    tls=self._tls(),
                    inbox_prefix=f"_INBOX_{self._options.name.split('.')[0]}".encode(),
                    connect_timeout=int(REQUEST_TIMEOUT_S),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=int(REPEAT_PAUSE_S),
                    ping_interval=PING_EVERY_S,
                    max_outstanding_pings=2,
                    allow_reconnect=True,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                )
                break
            except (TimeoutError, OSError, nats.errors.Error) as error:
                if "authorization" in str(error).lower():
                    raise BusRefusedError(f"NATS refuses the login of {self._options.name}: {error}") from error
                if time.monotonic() > deadline:
                    raise BusUnavailableError(f"no NATS server answers at {self._options.url}: {error}") from error
                await asyncio.sleep(REPEAT_PAUSE_S)
        self._check_version()
        self._stream = self._client.jetstream(timeout=REQUEST_TIMEOUT_S)
        self._watch = self._loop.create_task(self._watch_absence())

    def _tls(self) -> ssl.SSLContext | None:
        """Return whom to trust; without a file of certificates, the client trusts the system's."""
        if self._options.ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=self._options.ca_file)
        except OSError as error:
            raise ConfigurationError(f"cannot read the certificates in {self._options.ca_file}: {error}") from error

    def _check_version(self) -> None:
        version = self._client.connected_server_version
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
        log.warning("bus_error", error=str(error))

    async def _on_disconnected(self) -> None:
        self._away_since = time.monotonic()

    async def _on_reconnected(self) -> None:
        self._away_since = None
        log.info("bus_reconnected")

    async def _watch_absence(self) -> None:
        while not self._client.is_closed:
            away = self.away_s
            if away > self._options.patience_s and self._on_lost is not None:
                self._on_lost(f"no NATS server for {away:.0f} s at {self._options.url}")
                return
            await asyncio.sleep(min(1.0, self._options.patience_s / 4))

    @property
    def away_s(self) -> float:
        """Seconds since the broker went away; 0 while it is there."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker is there now."""
        return self._client.is_connected

    def close(self) -> None:
        """Close the connection and end the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(BusError):
            self._run(self._close(), limit_s=2 * REQUEST_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(REQUEST_TIMEOUT_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _close(self) -> None:
        if self._client.is_connected:
            with contextlib.suppress(asyncio.TimeoutError, nats.errors.Error):
                await asyncio.wait_for(self._client.flush(), REQUEST_TIMEOUT_S)
        await self._client.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    # -- the worker's side ------------------------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message and wait for the server's acknowledgement; a publish that times out is repeated."""
        all_headers = {**(headers or {}), MESSAGE_ID: message_id}
        self._run(self._repeat(subject, lambda: self._publish(subject, data, all_headers)))

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        await self._stream.publish(subject, data, timeout=REQUEST_TIMEOUT_S, headers=headers)

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message of a consumer, or None. Asks for one: a message in a queue of ours would age."""
        return self._run(self._fetch(threading.get_ident(), consumer, stream, wait_s), limit_s=wait_s + 30)

    async def _fetch(self, caller: int, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        try:
            subscription = self._subscriptions.get((caller, consumer))
            if subscription is None:
                subscription = await self._stream.pull_subscribe_bind(consumer=consumer, stream=stream)
                self._subscriptions[(caller, consumer)] = subscription
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
            (message,) = await self._unless_denied(subject, subscription.fetch(1, timeout=wait_s))
        except (TimeoutError, nats.errors.Error) as error:
            if isinstance(error, (asyncio.TimeoutError, nats.errors.TimeoutError)):
                return None
            raise BusUnavailableError(f"cannot fetch from {consumer}: {error}") from error
        return _delivery(message)

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge and wait until the server knows."""
        self._answer(delivery, b"+ACK")

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Give a message back, due again after `delay_s`."""
        self._answer(delivery, b"-NAK " + json.dumps({"delay": int(delay_s * 1e9)}).encode())

    def _answer(self, delivery: Delivery, answer: bytes) -> None:
        self.release(delivery)

        async def ask() -> None:
            await self._client.request(delivery.reply, answer, timeout=REQUEST_TIMEOUT_S)

        self._run(self._repeat(delivery.reply, ask))

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Beat `+WPI` for a message every third of the acknowledgement time, for at most `limit_s`."""

        async def start() -> None:
            self._beats[delivery.reply] = self._loop.create_task(self._beat(delivery.reply, limit_s))

        self._run(start())

    async def _beat(self, reply: str, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            await asyncio.sleep(self._options.ack_wait_s / 3)
            with contextlib.suppress(nats.errors.Error):
                await self._client.publish(reply, b"+WPI")

    def release(self, delivery: Delivery) -> None:
        """Stop the beats of a message."""
        self._loop.call_soon_threadsafe(self._stop_beat, delivery.reply)

    def _stop_beat(self, reply: str) -> None:
        beat = self._beats.pop(reply, None)
        if beat is not None:
            beat.cancel()

    # -- the operator's side ----------------------------------------------------------------------------------------

    def provision(self, topology: Topology, *, update: bool = False) -> None:
        """Create what is missing and verify the rest; a difference is an error, or with `update` put right."""
        work = nats_topology.provision(self._stream, topology, update=update)
        self._run(self._unless_denied("$JS.API.", work), limit_s=60)

    def reset_consumers(self, topology: Topology) -> None:
        """Make every unacknowledged message deliverable at once (only for a broker that nobody else uses)."""
        self._run(nats_topology.reset_consumers(self._stream, topology), limit_s=60)

    def wipe(self, topology: Topology) -> None:
        """Delete the streams, with everything in them."""
        self._run(nats_topology.wipe(self._stream, topology), limit_s=60)

    def lag(self, consumer: str, stream: str) -> Lag:
        """Return how far a consumer is behind."""
        info = self._run(self._stream.consumer_info(stream, consumer))
        return Lag(waiting=info.num_pending or 0, in_hand=info.num_ack_pending or 0)

    def oldest_at(self, consumer: str, stream: str) -> datetime | None:
        """Return when the oldest message that a consumer has not acknowledged was published, or None without one."""
        return self._run(self._oldest_at(consumer, stream))

    async def _oldest_at(self, consumer: str, stream: str) -> datetime | None:
        info = await self._stream.consumer_info(stream, consumer)
        after, subject = info.ack_floor.stream_seq if info.ack_floor else 0, info.config.filter_subject
        try:
            return (await self._stream.get_msg(stream, seq=after + 1, subject=subject, next=True)).time
        except nats.js.errors.NotFoundError:
            return None

    def stored(self, stream: str) -> int:
        """Return how many messages a stream holds."""
        return int(self._run(self._stream.stream_info(stream)).state.messages)

    def position(self, stream: str) -> Position:
        """Return when a stream was created (seconds) and the sequence of its newest message."""
        info = self._run(self._stream.stream_info(stream))
        return int(info.created.timestamp()) if info.created else 0, int(info.state.last_seq)

    def acknowledged(self, consumer: str, stream: str) -> int:
        """Return the sequence up to which a consumer has acknowledged every message."""
        floor = self._run(self._stream.consumer_info(stream, consumer)).ack_floor
        return int(floor.stream_seq) if floor else 0

    def fill(self, stream: str) -> float:
        """Return the share of its space that a stream uses."""
        info = self._run(self._stream.stream_info(stream))
        return info.state.bytes / info.config.max_bytes if info.config.max_bytes else 0.0

    def after(self, stream: str, subject: str, sequence: int) -> tuple[int, bytes] | None:
        """Return (sequence, data) of the first message after a sequence that a stream holds, or None."""
        try:
            message = self._run(self._stream.get_msg(stream, seq=sequence + 1, subject=subject, next=True))
        except BusRefusedError:
            return None
        return int(message.seq or 0), message.data or b""

    def read(self, stream: str, subject: str) -> Iterator[tuple[int, bytes]]:
        """Yield (sequence, data) of every message that a stream holds."""
        sequence = 0
        while (found := self.after(stream, subject, sequence)) is not None:
            yield found
            sequence = found[0]

    def delete(self, stream: str, sequence: int) -> None:
        """Remove one message from a stream."""
        self._run(self._stream.delete_msg(stream, sequence))

    # -- plumbing ---------------------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, T], limit_s: float | None = None) -> T:
        """Run `work` on the bus thread; translate what NATS raises."""
        limit_s = limit_s if limit_s is not None else self._options.patience_s + 2 * REQUEST_TIMEOUT_S
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(limit_s)
        except TimeoutError as error:
            future.cancel()
            raise BusUnavailableError(f"no answer from NATS within {limit_s:.0f} s") from error
        except nats.errors.Error as error:
            raise BusRefusedError(str(error)) from error

    async def _repeat(self, subject: str, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat `attempt` until the server answers; give up after the patience. Refusals are not repeated."""
        deadline = time.monotonic() + self._options.patience_s
        while True:
            try:
                return await self._unless_denied(subject, attempt())
            except (TimeoutError, nats.errors.Error) as error:
                if isinstance(error, nats.js.errors.APIError):
                    raise BusRefusedError(f"{subject}: {error.description}") from error
                if time.monotonic() > deadline or self._client.is_closed:
                    raise BusUnavailableError(f"{subject}: no answer for {self._options.patience_s:.0f} s") from error
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def _unless_denied(self, subject: str, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, but fail at once when the server denies its subject (the client itself would time out)."""
        task = asyncio.ensure_future(work)
        denied = asyncio.ensure_future(self._denied.wait())
        try:
            await asyncio.wait({task, denied}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._denied.clear()
                reason = next((text for text in self._denials if subject in text), None)
                if reason is not None:
                    task.cancel()
                    raise BusRefusedError(f"{reason}; check the permissions of NATS user {self._options.user}")
            return await task
        finally:
            denied.cancel()


def _delivery(message: Msg) -> Delivery:
    info = message.metadata
    return Delivery(
        subject=message.subject,
        data=message.data,
        sequence=info.sequence.stream,
        delivered=info.num_delivered,
        published_at=info.timestamp,
        reply=message.reply,
        headers=dict(message.headers or {}),
    )
