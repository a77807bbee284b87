"""Dead letters are data: what is sent again is a message of their stage, to the queue of their stage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ingest.cli import console
from ingest.cli.upkeep.dead import print_list, print_one, replay
from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, INPUT_OF, WORK_STREAM, dead_subject
from ingest.shared.errors import Code, ConfigurationError
from ingest.shared.messages import (
    Artifact,
    AudioReady,
    DeadLetter,
    Event,
    EventKind,
    Source,
    SourceKind,
    Stage,
    decode,
    encode,
)

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus

AUDIO, TRANSCRIPT = INPUT_OF[Stage.ASR], INPUT_OF[Stage.EMBEDDER]
MESSAGE = AudioReady(
    video_id="abcdefghijk",
    generation=3,
    source=Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3"),
    audio=Artifact(path="a", sha256="0" * 64, size_bytes=1, duration_s=1.0),
)
LETTER: dict[str, Any] = {
    "stage": Stage.ASR,
    "subject": AUDIO,
    "payload": encode(MESSAGE).decode(),
    "code": Code.UNEXPECTED,
    "text": "a fault",
    "attempts": {"UNEXPECTED": 3},
    "at": datetime(2026, 1, 2, tzinfo=UTC),
    "video_id": MESSAGE.video_id,
    "generation": 3,
}
UNREADABLE = [
    pytest.param(b"not json at all", id="no dead letter"),
    pytest.param(encode(DeadLetter.model_validate(LETTER | {"payload": ""})), id="no message"),
    pytest.param(encode(DeadLetter.model_validate(LETTER | {"payload": LETTER["payload"][:-9]})), id="half a message"),
    pytest.param(encode(DeadLetter.model_validate(LETTER | {"payload": '{"video_id": "../../etc/x"}'})), id="bad id"),
    pytest.param(encode(DeadLetter.model_validate(LETTER | {"stage": Stage.EMBEDDER})), id="in another stage's name"),
]


def bury(bus: NatsBus, *letters: bytes) -> None:
    for number, data in enumerate(letters):
        bus.publish(dead_subject(Stage.ASR), data, f"letter {number}")


@pytest.mark.parametrize(
    "subject", ["$JS.API.STREAM.DELETE.INGEST_EVENTS", TRANSCRIPT, "ingest.event.check", "", ">", AUDIO]
)
def test_a_letter_goes_to_the_queue_of_its_stage_whatever_subject_it_names(bus: NatsBus, subject: str) -> None:
    bus.publish("ingest.event.check", b"{}", "an event")
    bury(bus, encode(DeadLetter.model_validate(LETTER | {"subject": subject, "video_id": "zzzzzzzzzzz"})))
    assert replay(bus, None).sent == [1]
    assert [decode(AudioReady, data) for _, data in bus.read(WORK_STREAM, "ingest.>")] == [MESSAGE]
    assert list(bus.read(WORK_STREAM, AUDIO)) != []
    (_, _), (_, told) = bus.read(EVENT_STREAM, "ingest.event.*")
    event = decode(Event, told)
    assert (event.kind, event.stage, event.video_id) == (EventKind.REPLAYED, Stage.ASR, MESSAGE.video_id)
    assert bus.stored(DEAD_STREAM) == 0


@pytest.mark.parametrize("data", UNREADABLE)
def test_a_letter_that_cannot_be_read_is_skipped_and_named(bus: NatsBus, data: bytes) -> None:
    bury(bus, data, encode(DeadLetter.model_validate(LETTER)))
    done = replay(bus, None)
    assert (done.sent, [one.number for one in done.skipped]) == ([2], [1])
    assert bus.stored(DEAD_STREAM) == bus.stored(WORK_STREAM) == 1


def test_the_list_names_letters_that_cannot_be_read(bus: NatsBus) -> None:
    bury(bus, b"not json at all", encode(DeadLetter.model_validate(LETTER)))
    with console.out.capture() as said:
        print_list(bus, as_json=False)
        print_list(bus, as_json=True)
        print_one(bus, 1)
    shown = said.get()
    assert [shown.count(word) for word in ("2 dead letters", "BAD_MESSAGE", "a fault")] == [1, 3, 2]


def test_a_number_that_is_none_is_refused_before_anything_is_sent(bus: NatsBus) -> None:
    bury(bus, encode(DeadLetter.model_validate(LETTER)))
    with pytest.raises(ConfigurationError, match="there is no dead letter 7"):
        replay(bus, [1, 7])
    assert bus.stored(WORK_STREAM) == 0
