"""Asks the embedder for changes: the page has no right to write, and this one message is all that it can send."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.shared.broker import connect as broker
from ingest.shared.broker.topology import CHANGE_REQUESTED
from ingest.shared.messages import ChangeRequested, encode

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import Wish
    from ingest.shared.settings import Settings

CONNECT_S = 5.0
ID_BYTES = 8  # 11 letters


class ChangeRequests:
    """Publishes wishes. The connection is opened with the first one, and again after it was lost."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings.model_copy(update={"bus_patience_s": CONNECT_S})
        self._name = name
        self._opening = threading.Lock()
        self._bus: NatsBus | None = None

    def ask(self, change: Wish, author: str) -> str:
        """Publish a wish and return its id; raise BusError when the broker does not take it."""
        change_id = secrets.token_urlsafe(ID_BYTES)
        asked = ChangeRequested(change_id=change_id, at=datetime.now(UTC), change=change, author=author)
        self._connected().publish(CHANGE_REQUESTED, encode(asked), change_id)
        return change_id

    def close(self) -> None:
        """Close the connection."""
        if self._bus is not None:
            self._bus.close()

    def _connected(self) -> NatsBus:
        with self._opening:
            if self._bus is None:
                self._bus = broker.connect(self._settings, self._name, self._lost, first_s=CONNECT_S)
            return self._bus

    def _lost(self, _reason: str) -> None:
        self._bus = None
