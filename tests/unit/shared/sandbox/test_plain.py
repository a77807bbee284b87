"""What a child may send: its answers come whole, and anything else is an error in the parent, never more."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata
from ingest.shared.sandbox import child, plain
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.fork_server import ANSWERS

if TYPE_CHECKING:
    from ingest.shared.sandbox.child import Reporter

LIMITS = ChildLimits(60.0)


@dataclass(frozen=True)
class Listing:
    names: tuple[str, ...]
    metadata: Metadata
    length_s: float | None = None


def listed(_report: Reporter, listing: Listing, times: int) -> list[Listing]:
    return [listing] * times


def measured(_report: Reporter) -> float:
    return 1.0


def test_values_of_all_types_cross_the_boundary_in_both_directions() -> None:
    metadata = Metadata(title="Ein Gespräch \U0001f399", published_at=datetime(2026, 1, 2, tzinfo=UTC), duration_s=3.5)
    listing = Listing(("a", "\u2028"), metadata)
    assert child.run(listed, (listing, 2), LIMITS) == [listing, listing]


def test_text_that_is_not_unicode_does_not_lose_its_neighbours() -> None:
    frame = plain.done_frame(listed, [Listing(("half \ud83d of a pair", "whole"), Metadata())])
    assert plain.Answers(listed).take(frame)[0][1][0].names == ("half ? of a pair", "whole")


@pytest.mark.parametrize("cut", [1, 4, 7, 1000])
def test_an_answer_may_come_in_any_pieces(cut: int) -> None:
    sent = plain.report_frame({"bytes": 1.0}) + plain.done_frame(measured, 2.5)
    answers = plain.Answers(measured)
    found = [item for at in range(0, len(sent), cut) for item in answers.take(sent[at : at + cut])]
    assert found == [(plain.REPORT, {"bytes": 1.0}), (plain.DONE, 2.5)]


def frame(kind: bytes, content: object, size: int | None = None) -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return plain.HEADER.pack(kind, len(data) if size is None else size) + data


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("/tmp/unpickled-in-the-parent",)  # noqa: S108 (must not be made)


CRAFTED = [
    pytest.param(frame(b"D", "text"), id="another type"),
    pytest.param(frame(b"D", {"__class__": "float"}), id="an object"),
    pytest.param(frame(b"D", "1.5"), id="a number as text"),
    pytest.param(frame(b"D", b"[" * 100_000), id="deep"),
    pytest.param(frame(b"D", b"\xff\xfe"), id="not UTF-8"),
    pytest.param(frame(b"D", b""), id="nothing"),
    pytest.param(frame(b"D", b"1" * 10_000_000), id="a long number"),
    pytest.param(frame(b"D", b"1", size=(64 << 20) + 1), id="too large"),
    pytest.param(frame(b"D", b"", size=(1 << 32) - 1), id="four gigabytes"),
    pytest.param(frame(b"D", pickle.dumps(Evil())), id="pickle"),
    pytest.param(frame(b"R", {"bytes": "many"}), id="report of text"),
    pytest.param(frame(b"R", b'{"bytes": NaN}'), id="report of no number"),
    pytest.param(frame(b"R", b'{"bytes": 1e999}'), id="report of infinity"),
    pytest.param(frame(b"R", b"{}", size=1 << 20), id="large report"),
    pytest.param(frame(b"E", {"code": "NO_SUCH", "message": "x"}), id="error without a code"),
    pytest.param(frame(b"E", {"code": "IS_LIVE", "message": "x", "retry_at": "2026-01-01T00:00:00"}), id="no zone"),
    pytest.param(frame(b"E", {"code": "IS_LIVE", "message": 7}), id="error without text"),
    pytest.param(frame(b"X", b""), id="no kind"),
    pytest.param(b"\x80\x04\x95" + pickle.dumps(Evil()), id="bare pickle"),
]


def send_raw(_report: Reporter, data: str) -> float:
    """Send bytes in the place of an answer, as a child that is taken over can."""
    rest = bytes.fromhex(data)
    while rest:
        rest = rest[os.write(ANSWERS, rest) :]
    time.sleep(60)
    return 0.0


@pytest.mark.parametrize("sent", CRAFTED)
def test_a_crafted_answer_is_an_error_at_once(sent: bytes) -> None:
    with pytest.raises(plain.BadAnswerError):
        plain.Answers(measured).take(sent)


def test_a_child_that_sends_a_crafted_answer_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(IngestError, match="its process sent a frame of kind b'D'") as caught:
        child.run(send_raw, (frame(b"D", "text").hex(),), LIMITS)
    assert caught.value.code is Code.JOB_CRASHED
    assert time.monotonic() - began < 30


def test_a_child_that_stops_in_the_middle_of_an_answer_is_ended_at_its_deadline() -> None:
    with pytest.raises(IngestError) as caught:
        child.run(send_raw, (frame(b"D", b"1.", size=100).hex(),), ChildLimits(2.0))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def test_the_text_of_an_error_is_clean_and_short() -> None:
    sent = frame(b"E", {"code": "IS_LIVE", "message": "\x1b[2J" + "x" * 10_000})
    ((_, failure),) = plain.Answers(measured).take(sent)
    assert failure.error().message == ("[2J" + "x" * 10_000)[: plain.LONGEST_MESSAGE]


@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from([b"", b"D", b"R", b"E"]))
def test_no_bytes_do_more_than_raise_the_one_error(pieces: list[bytes], kind: bytes) -> None:
    answers = plain.Answers(listed)
    try:
        for piece in pieces:
            answers.take(frame(kind, piece) if kind else piece)
    except plain.BadAnswerError:
        return
