"""The interface of a message bus, and its errors. No NATS in here; `topology` has the streams and consumers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FETCH_WAIT_S: Final = 1.0  # of a thread that fetches in a loop: so long may pass until it sees that it has to stop


@dataclass(frozen=True)
class Delivery:
    """A message handed to us, until we answer it. `reply` is the broker's address for that answer."""

    subject: str
    data: bytes
    sequence: int
    delivered: int
    published_at: datetime
    reply: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """The value of a key, and its revision."""

    data: bytes
    revision: int


@dataclass(frozen=True)
class Lag:
    """How far a consumer is behind: messages never delivered, and messages delivered but not acknowledged."""

    waiting: int
    in_flight: int


class BusError(Exception):
    """The bus did not do what was asked; the message says what and what to do."""


class BusUnavailableError(BusError):
    """The broker did not answer in time. The request may still have been carried out."""


class BusRefusedError(BusError):
    """The broker refuses: no permission, no such stream, or a queue that is full."""


class BusNothingError(BusRefusedError):
    """What was asked for is not there."""


class BusConflictError(BusRefusedError):
    """The key was written by another client since."""


class BusFullError(BusRefusedError):
    """The stream, the account or the server has no room."""


class Bus(Protocol):
    """The part of a broker that a worker uses. Every method blocks, and may be called from any thread."""

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message and return when the broker has it; repeated with the same id until it does."""

    def publish_unreliable(self, subject: str, data: bytes) -> None:
        """Send a message that may be lost, and wait for nothing."""

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message of a consumer, or None when there is none within `wait_s`."""

    def ack(self, delivery: Delivery) -> None:
        """Ack a message and wait for the broker's confirmation."""

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Nak a message, to be redelivered after `delay_s`."""

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Report a message as in progress for up to `limit_s` from now, every third of the consumer's `ack_wait`."""

    def release(self, delivery: Delivery) -> None:
        """Stop reporting a message as in progress."""
