"""Keeps the recordings that were given up while their site fails, and asks for them again when its hold ends.

Until a site is held, a recording that fails uses up its attempts; but its failure may be the site's. So its message is
kept beside the dead letter. When the hold ends, it is sent to its stage again, as `ingest dead replay` would do. When
the row of failures ends without a hold, the failures were those of the recordings, and their messages are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ingest.downloader.sites.site_states import KeyStore, SiteStates
from ingest.shared.broker.bus import BusError
from ingest.shared.broker.topology import INPUT_OF, event_subject
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Event, EventKind, VideoMessage, decode, encode
from ingest.shared.pipeline import SPEC_OF
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.downloader.sites.trouble import Trouble
    from ingest.shared.messages import Stage

KEY = "given_up"
MOST_BYTES = 400_000  # of the messages of all sites: they are one value of the broker, of limited size
LONGEST_MESSAGE = 20_000
Kept = tuple[float, str, str]  # when it was given up, its code, its message
log = get_logger(__name__)


class Broker(KeyStore, Protocol):
    """What is needed of the broker."""

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message."""


@dataclass(frozen=True)
class Letters:
    """The messages of one stage of a site. The field name is stored in the broker."""

    up: tuple[Kept, ...] = ()


class GivenUp:
    """The recordings of one stage that were given up while their site failed."""

    def __init__(self, broker: Broker, stage: Stage) -> None:
        self._broker = broker
        self._stage = stage
        self._states = SiteStates(broker, KEY, _parsed, _fewest)

    def keep(self, name: str, message: VideoMessage, code: Code) -> None:
        """Keep the message of a recording that was given up; without the broker, only its dead letter is there."""
        text = encode(message).decode()
        if len(text) > LONGEST_MESSAGE:
            return

        def decide(states: dict[str, Letters], now: float) -> tuple[dict[str, Letters], None]:
            known = states.get(name, Letters())
            return {**states, name: Letters((*known.up, (now, code, text)))}, None

        try:
            self._states.update(decide)
        except BusError as error:
            log.warning("given_up_not_kept", site=name, error=str(error))

    def end(self, name: str, trouble: Trouble) -> None:
        """End the trouble of a site: after a hold, ask again for what failed for its reason since it began.

        First the messages are sent, then they are dropped: if this is interrupted, they are sent twice.
        """
        try:
            kept = self._states.read()[0].get(name)
            if kept is None:
                return
            for at, code, text in kept.up:
                if trouble.pause_s > 0 and code == trouble.code and at >= trouble.since:
                    self._send(text, at)
            self._states.update(lambda states, _now: (_without(states, name, kept), None))
        except BusError as error:
            log.warning("given_up_not_sent", site=name, error=str(error))

    def _send(self, text: str, at: float) -> None:
        """Publish the event that reopens a recording, then its message."""
        model: type[VideoMessage] = SPEC_OF[self._stage].reads
        try:
            message = decode(model, text.encode())
        except IngestError as error:
            log.warning("given_up_unreadable", error=str(error))
            return
        event = Event(
            video_id=message.video_id,
            generation=message.generation,
            stage=self._stage,
            kind=EventKind.REPLAYED,
            at=datetime.now(UTC),
        )
        number = f"{message.job}:again:{at}"
        subject = event_subject(self._stage)
        self._broker.publish(subject, encode(event), f"{subject}:{number}")
        self._broker.publish(INPUT_OF[self._stage], encode(message), f"{self._stage}:{number}")
        log.info("asked_again", video_id=message.video_id)


def _without(states: dict[str, Letters], name: str, sent: Letters) -> dict[str, Letters]:
    """Return the states without what was sent; what was added meanwhile stays."""
    left = tuple(one for one in states.get(name, Letters()).up if one not in sent.up)
    others = {other: known for other, known in states.items() if other != name}
    return {**others, name: Letters(left)} if left else others


def _parsed(stored: dict[str, Any], _now: float) -> Letters:
    return Letters(tuple((float(at), str(code), str(text)) for at, code, text in stored["up"]))


def _fewest(states: dict[str, Letters]) -> dict[str, Letters]:
    """Return the messages that were given up last, as many as the value may have."""
    latest = sorted(((one, name) for name, known in states.items() for one in known.up), reverse=True)
    found: dict[str, Letters] = {}
    left = MOST_BYTES
    for one, name in latest:
        left -= len(one[2].encode())
        if left < 0:
            break
        found[name] = Letters((one, *found.get(name, Letters()).up))
    return found
