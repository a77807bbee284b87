"""The bus on NATS JetStream, over the connection of `nats_connection`.

The client runs on an event loop in a thread of its own, which the work cannot block. Every method here blocks, and may
be called from any thread. The loop reconnects forever, sends `+WPI` (in progress) for the messages in flight, and calls
`on_lost` when the broker stays unreachable.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import nats
import nats.errors
import nats.js.errors

from ingest.shared.broker import nats_provision
from ingest.shared.broker.bus import BusConflictError, BusNothingError, BusUnavailableError, Delivery, Entry, Lag
from ingest.shared.broker.nats_connection import REQUEST_TIMEOUT_S, BusOptions, NatsConnection
from ingest.shared.broker.topology import MESSAGE_ID, WORK_STREAM, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerInfo, RawStreamMsg, StreamInfo

    from ingest.shared.video_state import Position

CHANGES_LIMIT_S = 180.0
GROUP_WAIT_S = 0.05  # for more messages of a group, when there are fewer


class NatsBus:
    """A connection to NATS JetStream; see `ingest.shared.broker.bus.Bus` for the methods of the worker."""

    def __init__(self, options: BusOptions, on_lost: Callable[[str], None] | None = None) -> None:
        self._options = options
        self._names = options.names
        self._nats = NatsConnection(options, on_lost)
        self._subscriptions: dict[tuple[int, str], JetStreamContext.PullSubscription] = {}
        self._beats: dict[str, asyncio.Task[None]] = {}

    def connect(self) -> NatsBus:
        """Connect; raise BusUnavailableError when no server answers, ConfigurationError when the server is too old."""
        self._nats.connect()
        return self

    @property
    def is_connected(self) -> bool:
        """Return whether the broker is connected now."""
        return self._nats.client.is_connected

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._nats.close()

    # -- the worker's side ------------------------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message and wait for the server's acknowledgement; a publish that times out is repeated."""
        all_headers = {**(headers or {}), MESSAGE_ID: message_id}
        to = self._names.subject(subject)
        self._nats.run(self._nats.repeat(to, lambda: self._publish(to, data, all_headers)))

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        await self._nats.stream.publish(subject, data, timeout=REQUEST_TIMEOUT_S, headers=headers)

    def publish_unreliable(self, subject: str, data: bytes) -> None:
        """Send a message without waiting for a confirmation; nothing is sent while the server is away."""

        async def send() -> None:
            if self.is_connected:
                await self._nats.client.publish(self._names.subject(subject), data)

        self._nats.begin(send())

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message of a consumer, or None. Asks for one: a message in a queue of ours would age."""
        work = self._fetch(threading.get_ident(), consumer, self._names.stream(stream), wait_s)
        return self._nats.run(work, limit_s=wait_s + 30)

    def fetch_group(self, consumer: str, stream: str, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` messages of a consumer that are there; without any, wait for the first."""
        first = self.fetch(consumer, stream, wait_s)
        if first is None:
            return []
        work = self._fetch_some(threading.get_ident(), consumer, self._names.stream(stream), most - 1, GROUP_WAIT_S)
        return [first, *self._nats.run(work, limit_s=GROUP_WAIT_S + 30)]

    async def _fetch(self, caller: int, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        return next(iter(await self._fetch_some(caller, consumer, stream, 1, wait_s)), None)

    async def _fetch_some(self, caller: int, consumer: str, stream: str, most: int, wait_s: float) -> list[Delivery]:
        try:
            subscription = self._subscriptions.get((caller, consumer))
            if subscription is None:
                subscription = await self._nats.stream.pull_subscribe_bind(consumer=consumer, stream=stream)
                self._subscriptions[(caller, consumer)] = subscription
            subject = f"{self._options.api}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
            messages = await self._nats.unless_denied(subject, subscription.fetch(most, timeout=wait_s))
        except (TimeoutError, nats.errors.Error) as error:
            if isinstance(error, (asyncio.TimeoutError, nats.errors.TimeoutError)):
                return []
            raise BusUnavailableError(f"cannot fetch from {consumer}: {error}") from error
        return [_delivery(message) for message in messages]

    def ack(self, delivery: Delivery) -> None:
        """Ack a message and wait for the server's confirmation."""
        self._answer(delivery, b"+ACK")

    def ack_group(self, deliveries: Sequence[Delivery]) -> None:
        """Ack messages that have no beats, all at once, and wait for the server's confirmations."""

        async def ask() -> None:
            asked = (self._nats.client.request(one.reply, b"+ACK", timeout=REQUEST_TIMEOUT_S) for one in deliveries)
            await asyncio.gather(*asked)

        if deliveries:
            self._nats.run(self._nats.repeat(deliveries[0].reply, ask, self._options.ack_wait_s))

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Nak a message, to be redelivered after `delay_s`."""
        self._answer(delivery, b"-NAK " + json.dumps({"delay": int(delay_s * 1e9)}).encode())

    def _answer(self, delivery: Delivery, answer: bytes) -> None:
        """Send an ack or nak until the server confirms it, at most for `ack_wait`: a crash may lose the delivery."""
        self.release(delivery)

        async def ask() -> None:
            await self._nats.client.request(delivery.reply, answer, timeout=REQUEST_TIMEOUT_S)

        self._nats.run(self._nats.repeat(delivery.reply, ask, self._options.ack_wait_s))

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Send `+WPI` for a message every third of the acknowledgement time, for at most `limit_s` from now."""

        async def start() -> None:
            self._stop_beat(delivery.reply)
            self._beats[delivery.reply] = self._nats.loop.create_task(self._beat(delivery.reply, limit_s))

        self._nats.begin(start())

    async def _beat(self, reply: str, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            await asyncio.sleep(self._options.ack_wait_s / 3)
            with contextlib.suppress(nats.errors.Error):
                await self._nats.client.publish(reply, b"+WPI")

    def release(self, delivery: Delivery) -> None:
        """Stop the beats of a message."""

        async def stop() -> None:
            self._stop_beat(delivery.reply)

        self._nats.begin(stop())

    def _stop_beat(self, reply: str) -> None:
        beat = self._beats.pop(reply, None)
        if beat is not None:
            beat.cancel()

    # -- keys -------------------------------------------------------------------------------------------------------

    def read_key(self, bucket: str, key: str) -> Entry | None:
        """Return the value of a key, or None."""
        bucket = self._names.bucket(bucket)
        stream = f"KV_{bucket}"
        work = self._nats.stream.get_last_msg(stream, f"$KV.{bucket}.{key}")
        try:
            found = self._nats.run(self._nats.unless_denied(f"{self._options.api}.STREAM.MSG.GET.{stream}", work))
        except BusNothingError:
            return None
        return Entry(found.data or b"", int(found.seq or 0))

    def replace_key(self, bucket: str, key: str, data: bytes, revision: int) -> bool:
        """Write a value if the key is still at `revision` (0: not there yet); return whether it was."""
        subject = f"$KV.{self._names.bucket(bucket)}.{key}"
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        work = self._nats.stream.publish(subject, data, timeout=REQUEST_TIMEOUT_S, headers=headers)
        try:
            self._nats.run(self._nats.unless_denied(subject, work))
        except BusConflictError:
            return False
        return True

    def clock(self) -> datetime:
        """Return the broker's time, which all its clients share."""
        subject = f"{self._options.api}.STREAM.INFO.{self._names.stream(WORK_STREAM)}"

        async def ask() -> bytes:
            work = self._nats.client.request(subject, timeout=REQUEST_TIMEOUT_S)
            return (await self._nats.unless_denied(subject, work)).data

        return datetime.fromisoformat(json.loads(self._nats.run(ask()))["ts"])

    # -- the operator's side ----------------------------------------------------------------------------------------

    def provision(self, topology: Topology, *, update: bool = False) -> None:
        """Create what is missing and verify the rest; a difference is an error, or with `update` put right."""
        self._manage(nats_provision.provision(self._nats.manager, self._names.topology(topology), update=update))

    def reset_consumers(self, topology: Topology) -> None:
        """Make every unacknowledged message deliverable at once (only for a broker that has no other users)."""
        self._manage(nats_provision.reset_consumers(self._nats.manager, self._names.topology(topology)))

    def wipe(self, topology: Topology) -> None:
        """Delete the streams, with everything in them."""
        self._manage(nats_provision.wipe(self._nats.manager, self._names.topology(topology)))

    def _manage(self, work: Coroutine[Any, Any, None]) -> None:
        self._nats.run(self._nats.unless_denied(f"{self._options.api}.", work), limit_s=CHANGES_LIMIT_S)

    def lag(self, consumer: str, stream: str) -> Lag:
        """Return how far a consumer is behind."""
        info = self._nats.run(self._consumer_info(stream, consumer))
        return Lag(waiting=info.num_pending or 0, in_flight=info.num_ack_pending or 0)

    def oldest_at(self, consumer: str, stream: str) -> datetime | None:
        """Return when the oldest message that a consumer has not acknowledged was published, or None without one."""
        return self._nats.run(self._oldest_at(consumer, stream))

    async def _oldest_at(self, consumer: str, stream: str) -> datetime | None:
        info = await self._consumer_info(stream, consumer)
        after, subject = info.ack_floor.stream_seq if info.ack_floor else 0, info.config.filter_subject or ">"
        try:
            return (await self._next_after(stream, subject, after)).time
        except nats.js.errors.NotFoundError:
            return None

    def stored(self, stream: str) -> int:
        """Return how many messages a stream holds."""
        return int(self._nats.run(self._stream_info(stream)).state.messages)

    def position(self, stream: str) -> Position:
        """Return when a stream was created (seconds) and the sequence of its newest message."""
        info = self._nats.run(self._stream_info(stream))
        return int(info.created.timestamp()) if info.created else 0, int(info.state.last_seq)

    def acknowledged(self, consumer: str, stream: str) -> int:
        """Return the sequence up to which a consumer has acknowledged every message."""
        floor = self._nats.run(self._consumer_info(stream, consumer)).ack_floor
        return int(floor.stream_seq) if floor else 0

    def fill(self, stream: str) -> float:
        """Return the share of its space that a stream uses."""
        info = self._nats.run(self._stream_info(stream))
        return info.state.bytes / info.config.max_bytes if info.config.max_bytes else 0.0

    def after(self, stream: str, subject: str, sequence: int) -> tuple[int, bytes] | None:
        """Return (sequence, data) of the first message after a sequence that a stream holds, or None."""
        try:
            message = self._nats.run(self._next_after(stream, subject, sequence))
        except BusNothingError:
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
        stream = self._names.stream(stream)
        subject = f"{self._options.api}.STREAM.MSG.DELETE.{stream}"
        self._nats.run(self._nats.unless_denied(subject, self._nats.stream.delete_msg(stream, sequence)))

    async def _consumer_info(self, stream: str, consumer: str) -> ConsumerInfo:
        stream = self._names.stream(stream)
        subject = f"{self._options.api}.CONSUMER.INFO.{stream}.{consumer}"
        return await self._nats.unless_denied(subject, self._nats.stream.consumer_info(stream, consumer))

    async def _stream_info(self, stream: str) -> StreamInfo:
        stream = self._names.stream(stream)
        return await self._nats.unless_denied(
            f"{self._options.api}.STREAM.INFO.{stream}", self._nats.stream.stream_info(stream)
        )

    async def _next_after(self, stream: str, subject: str, sequence: int) -> RawStreamMsg:
        stream, subject = self._names.stream(stream), self._names.subject(subject)
        work = self._nats.stream.get_msg(stream, seq=sequence + 1, subject=subject, next=True)
        return await self._nats.unless_denied(f"{self._options.api}.STREAM.MSG.GET.{stream}", work)


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
