"""`ingest dead`: lists dead letters (messages that a stage has given up) and sends them to their stage again.

A dead letter is data. Its subject is ignored, and its payload is decoded: what is sent again is a message of its stage.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.shared.broker.topology import DEAD_STREAM, INPUT_OF, dead_subject, event_subject
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.messages import DeadLetter, Event, EventKind, Stage, VideoMessage, decode, encode
from ingest.shared.pipeline import SPEC_OF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.shared.broker.nats_bus import NatsBus


@dataclass(frozen=True)
class Unreadable:
    """A message of the stream that is no dead letter, or one whose message its stage could not read either."""

    number: int
    reason: str


@dataclass(frozen=True)
class Replay:
    """The numbers of the dead letters that were sent again, and those that were skipped, with the reason."""

    sent: list[int]
    skipped: list[Unreadable]


def letters(bus: NatsBus) -> dict[int, DeadLetter | Unreadable]:
    """Return the dead letters by their numbers, oldest first."""
    found = {
        number: _letter(number, stage, data)
        for stage in Stage
        for number, data in bus.read(DEAD_STREAM, dead_subject(stage))
    }
    return dict(sorted(found.items()))


def _letter(number: int, stage: Stage, data: bytes) -> DeadLetter | Unreadable:
    """Return a dead letter of a stage; a stage may write none in another's name."""
    try:
        letter = decode(DeadLetter, data)
    except IngestError as error:
        return Unreadable(number, str(error))
    if letter.stage is not stage:
        return Unreadable(number, f"a dead letter of {letter.stage} among those of {stage}")
    return letter


def print_list(bus: NatsBus, *, as_json: bool) -> None:
    """Print all dead letters, a line each."""
    found = letters(bus)
    if as_json:
        console.print_json([_as_json(*one) for one in found.items()])
        return
    header = ("no", "stage", "video", "code", "at", "text")
    console.out.print(console.table(f"{len(found)} dead letters", header, (_cells(*one) for one in found.items())))


def _as_json(number: int, letter: DeadLetter | Unreadable) -> dict[str, object]:
    if isinstance(letter, Unreadable):
        return {"number": number, "unreadable": letter.reason}
    return {"number": number, **letter.model_dump(mode="json")}


def _cells(number: int, letter: DeadLetter | Unreadable) -> tuple[object, ...]:
    if isinstance(letter, Unreadable):
        return (number, None, None, "unreadable", None, letter.reason)
    return (number, letter.stage, letter.video_id, letter.code, f"{letter.at:%Y-%m-%d %H:%M}", letter.text)


def print_one(bus: NatsBus, number: int) -> None:
    """Print one dead letter as JSON, with its message."""
    found = letters(bus)
    _refuse_missing([number], found)
    console.print_json(_as_json(number, found[number]))


def replay(bus: NatsBus, numbers: list[int] | None) -> Replay:
    """Send dead letters (all when `numbers` is None) to their stage again; one that cannot be read is skipped."""
    found = letters(bus)
    _refuse_missing(numbers or (), found)
    sent: list[int] = []
    skipped: list[Unreadable] = []
    for number in found if numbers is None else numbers:
        letter = found[number]
        message = letter if isinstance(letter, Unreadable) else _message(number, letter)
        if isinstance(message, Unreadable):
            skipped.append(message)
        elif isinstance(letter, DeadLetter):
            _send(bus, number, letter, message)
            sent.append(number)
    return Replay(sent, skipped)


def _message(number: int, letter: DeadLetter) -> VideoMessage | Unreadable:
    """Return the message of a dead letter, as its stage reads it."""
    model: type[VideoMessage] = SPEC_OF[letter.stage].reads
    try:
        return decode(model, letter.payload.encode(errors="replace"))
    except IngestError as error:
        return Unreadable(number, f"its message cannot be read: {error}")


def _refuse_missing(numbers: Iterable[int], found: dict[int, DeadLetter | Unreadable]) -> None:
    missing = sorted(set(numbers) - found.keys())
    if missing:
        raise ConfigurationError(f"there is no dead letter {', '.join(map(str, missing))}; see `ingest dead list`")


def _send(bus: NatsBus, number: int, letter: DeadLetter, message: VideoMessage) -> None:
    """Publish the event that reopens the video, then the message, and only then delete the dead letter."""
    event = Event(
        video_id=message.video_id,
        generation=message.generation,
        stage=letter.stage,
        kind=EventKind.REPLAYED,
        at=datetime.now(UTC),
    )
    subject = event_subject(letter.stage)
    bus.publish(subject, encode(event), f"{subject}:{message.video_id}:replay:{time.time_ns()}")
    bus.publish(INPUT_OF[letter.stage], encode(message), f"replay:{number}:{letter.at.timestamp()}")
    bus.delete(DEAD_STREAM, number)
