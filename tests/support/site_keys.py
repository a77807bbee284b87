"""A bucket of keys in memory, with a clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.shared.broker.bus import Entry


class Keys:
    """What the state of the sites needs of a broker."""

    def __init__(self, now: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> None:
        self.now = now
        self.values: dict[str, Entry] = {}
        self.published: list[tuple[str, bytes]] = []

    def read_key(self, _bucket: str, key: str) -> Entry | None:
        return self.values.get(key)

    def replace_key(self, _bucket: str, key: str, data: bytes, revision: int) -> bool:
        known = self.values.get(key)
        if (known.revision if known else 0) != revision:
            return False
        self.values[key] = Entry(data, revision + 1)
        return True

    def clock(self) -> datetime:
        return self.now

    def publish(self, subject: str, data: bytes, _message_id: str, _headers: object = None) -> None:
        self.published.append((subject, data))

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)
