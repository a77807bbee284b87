"""What the services need from a message bus, and how it fails. No NATS in here; `topology` says what is on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


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
    """How far a consumer is behind: messages never delivered, and messages in someone's hands."""

    waiting: int
    in_hand: int


class BusError(Exception):
    """The bus did not do what was asked; the message says what and what to do."""


class BusUnavailableError(BusError):
    """The broker did not answer in time. The request may still have been carried out."""


class BusRefusedError(BusError):
    """The broker refuses: no permission, no such stream, or a queue that is full."""


class BusNothingError(BusRefusedError):
    """What was asked for is not there."""


class BusConflictError(BusRefusedError):
    """Somebody else has written since."""


class Bus(Protocol):
    """A broker as the worker sees it. Every method blocks, and may be called from any thread."""

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message and return when the broker has it; repeated with the same id until it does."""

    def mention(self, subject: str, data: bytes) -> None:
        """Send a message that may be lost, and wait for nothing."""

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message of a consumer, or None when there is none within `wait_s`."""

    def ack(self, delivery: Delivery) -> None:
        """Tell the broker that a message is done, and wait until it knows."""

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Give a message back, to be delivered again after `delay_s`."""

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Keep a message ours for up to `limit_s` from now: beat every third of the consumer's acknowledgement time."""

    def release(self, delivery: Delivery) -> None:
        """Stop the beats of a message."""
