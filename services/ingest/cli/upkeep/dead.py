"""`ingest dead`: messages that could not be handled."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import connected
from ingest.shared.broker.topology import DEAD_STREAM, event_subject
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import DeadLetter, Event, EventKind, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.settings import AllSettings
    from ingest.shared.broker.nats_bus import NatsBus


def letters(bus: NatsBus) -> Iterator[tuple[int, DeadLetter]]:
    """Yield the dead letters with their numbers, oldest first."""
    for number, data in bus.read(DEAD_STREAM, "ingest.dead.*"):
        yield number, decode(DeadLetter, data)


def print_list(settings: AllSettings, *, as_json: bool) -> None:
    """Print all dead letters, a line each."""
    with connected(settings) as to:
        found = list(letters(to.bus))
    if as_json:
        console.print_json([{"number": number, **letter.model_dump(mode="json")} for number, letter in found])
        return
    cells = (
        (number, letter.stage, letter.video_id, letter.code, f"{letter.at:%Y-%m-%d %H:%M}", letter.text)
        for number, letter in found
    )
    console.out.print(
        console.table(f"{len(found)} dead letters", ("no", "stage", "video", "code", "at", "text"), cells)
    )


def print_one(settings: AllSettings, number: int) -> None:
    """Print one dead letter as JSON, with its message."""
    with connected(settings) as to:
        found = dict(letters(to.bus))
    if number not in found:
        raise ConfigurationError(f"there is no dead letter {number}; see `ingest dead list`")
    console.print_json(found[number].model_dump(mode="json"))


def replay(settings: AllSettings, numbers: list[int] | None) -> int:
    """Send dead letters (all when no numbers are given) to their stage again; return how many were sent."""
    with connected(settings) as to:
        return replay_letters(to.bus, numbers)


def replay_letters(bus: NatsBus, numbers: list[int] | None) -> int:
    """Do what `replay` does, with a given connection."""
    found = dict(letters(bus))
    chosen = found if numbers is None else {number: found[number] for number in numbers if number in found}
    missing = set(numbers or ()) - found.keys()
    if missing:
        raise ConfigurationError(f"there is no dead letter {', '.join(map(str, sorted(missing)))}")
    for number, letter in chosen.items():
        _send(bus, number, letter)
    return len(chosen)


def _send(bus: NatsBus, number: int, letter: DeadLetter) -> None:
    """Tell that the video is on its way again, send the message, and only then remove the letter."""
    if letter.video_id is not None and letter.generation is not None:
        event = Event(
            video_id=letter.video_id,
            generation=letter.generation,
            stage=letter.stage,
            kind=EventKind.REPLAYED,
            at=datetime.now(UTC),
        )
        subject = event_subject(letter.stage)
        bus.publish(subject, encode(event), f"{subject}:{letter.video_id}:replay:{time.time_ns()}")
    bus.publish(letter.subject, letter.payload.encode(), f"replay:{number}:{letter.at.timestamp()}")
    bus.delete(DEAD_STREAM, number)
