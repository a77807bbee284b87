"""Text of feeds, sites and other users of the servers, through every command that prints it."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ingest.asr.speakers.profiles import Profile
from ingest.cli import console
from ingest.cli.find import search, status
from ingest.cli.runs.display import Display
from ingest.cli.upkeep import aside, dead
from ingest.cli.voices import enroll, relabel, relabeler
from ingest.embedder.search.question import Answers, Hit
from ingest.embedder.tables.catalog import SpeakerRow, VideoRow
from ingest.embedder.tables.set_aside import RefusedEvent
from ingest.shared.broker.topology import dead_subject
from ingest.shared.errors import Code, IngestError
from ingest.shared.links import link
from ingest.shared.messages import DeadLetter, Metadata, Stage, encode
from ingest.shared.telemetry import logs
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.broker.nats_bus import NatsBus

HOSTILE = "a\x1b[2J\x1b]52;c;QUJD\x07\x9b31m\u202eb\u2066\r\nFORGED\u2028FORGED\x85FORGED\x7f\u200f [bold]c[/] :smile:"
ADDRESS = "https://me:hunter2@h/\x1b]0;x\x07a\u202e\nFORGED.mp3?token=swordfish&id=5"
VIDEO = "abcdefghijk"
AT = datetime(2026, 1, 2, tzinfo=UTC)
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")


def row() -> VideoRow:
    values: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(VideoRow))
    texts = dict.fromkeys(("error_message", "title", "channel", "language"), HOSTILE)
    known = {"video_id": VIDEO, "source_kind": "media", "source_url": ADDRESS, "state": "failed", "stage": "check"}
    return VideoRow(**{**values, **texts, **known, "figures": {HOSTILE: 1.0}, "error_code": "NOT_AUDIO"})


class OneVideo:
    """A catalog of one hostile video."""

    def videos(self, _ids: object) -> dict[str, VideoRow]:
        return {VIDEO: row()}

    def about(self, _video: str) -> dict[str, str]:
        return {"description": HOSTILE}

    def speakers(self, _video: str) -> list[SpeakerRow]:
        return [SpeakerRow(HOSTILE, 1, 2.0, 0.5, 0)]


class OneLetter:
    """A broker with one hostile dead letter."""

    def read(self, _stream: str, subject: str) -> Iterator[tuple[int, bytes]]:
        if subject != dead_subject(Stage.CHECK):
            return
        yield (
            1,
            encode(
                DeadLetter(
                    stage=Stage.CHECK,
                    subject=HOSTILE,
                    payload=f'{{"url":"{ADDRESS}"}}',
                    code=Code.BAD_FIELD,
                    text=HOSTILE,
                    attempts={HOSTILE: 1},
                    at=AT,
                    video_id=HOSTILE,
                )
            ),
        )


def profile() -> Profile:
    return Profile(HOSTILE, 1, HOSTILE, np.ones((1, 2), np.float32), sources=(HOSTILE,))


def hit() -> Hit:
    values: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Hit))
    texts = dict.fromkeys(("title", "channel", "speaker", "text", "sentence"), HOSTILE)
    return Hit(
        **{
            **values,
            **texts,
            "also_speaking": (HOSTILE,),
            "video_id": VIDEO,
            "start_s": 1.0,
            "url": link("media", ADDRESS, 1.0),
        }
    )


def refused_event() -> RefusedEvent:
    data = json.dumps({"text": HOSTILE, "url": ADDRESS}, ensure_ascii=False).encode()
    return RefusedEvent((1, 2), f"{HOSTILE} {ADDRESS}", data, HOSTILE, AT)


def still_refused() -> aside.Replay:
    return aside.Replay([HOSTILE], [aside.Refusal(HOSTILE, f"{HOSTILE} {ADDRESS}")])


def show_progress() -> None:
    message = {"code": Code.NOT_AUDIO, "message": HOSTILE, "metadata": Metadata(title=HOSTILE)}
    states = (VideoState.FAILED, VideoState.POSTPONED)
    with Display([], quiet=False) as display:
        display.print_line(HOSTILE)
        display.update([VideoRecord(f"abcdefghij{state[0]}", state=state, **message) for state in states])  # type: ignore[arg-type]


def fail() -> None:
    raise IngestError(Code.BAD_FIELD, HOSTILE)


def show_log() -> None:
    logs.configure(json_lines=False)
    try:
        fail()
    except IngestError:
        logs.get_logger(HOSTILE).exception(HOSTILE, title=HOSTILE, several=[HOSTILE, {HOSTILE: ADDRESS}])


CATALOG, BUS = cast("Catalog", OneVideo()), cast("NatsBus", OneLetter())
PRINTERS: tuple[tuple[str, Callable[[bool], object]], ...] = (
    ("status VIDEO", lambda as_json: status.show_video(CATALOG, VIDEO, as_json=as_json)),
    ("status --state-is", lambda as_json: status.show_list([row()], as_json=as_json)),
    ("search", lambda as_json: search.print_answers(Answers([hit()]), as_json=as_json)),
    ("dead list", lambda as_json: dead.print_list(BUS, as_json=as_json)),
    ("aside list", lambda as_json: aside.print_list([refused_event()], as_json=as_json)),
    ("voices enroll", lambda as_json: enroll.print_enrolled(profile(), as_json=as_json)),
    (
        "voices relabel",
        lambda as_json: relabel.print_reports([relabeler.RelabelReport(VIDEO, {HOSTILE: 1}, HOSTILE)], as_json=as_json),
    ),
)
TEXT_ONLY: tuple[tuple[str, Callable[[], object]], ...] = (
    ("progress of a run", show_progress),
    ("a log with a traceback", show_log),
    ("aside replay", lambda: aside.print_replay(still_refused(), as_json=False)),
    ("any table", lambda: console.out.print(console.table(HOSTILE.splitlines()[0], ("x",), [[HOSTILE]]))),
    ("any text", lambda: console.out.print(HOSTILE.replace("\n", " "))),
)


def is_harmless(text: str) -> bool:
    """Return whether no character controls the terminal, no line is forged, and no login or token is shown."""
    is_secret_shown = any(secret in text for secret in ("hunter2", "swordfish"))
    return not CONTROLS.search(text) and not is_secret_shown and not re.search("^ {0,3}FORGED", text, re.MULTILINE)


@pytest.mark.parametrize("show", [pytest.param(show, id=name) for name, show in PRINTERS])
def test_a_command_prints_hostile_text_as_text(
    show: Callable[[bool], object], capsys: pytest.CaptureFixture[str]
) -> None:
    show(False)
    printed = capsys.readouterr()
    assert "FORGED" in printed.out
    assert is_harmless(printed.out + printed.err)


@pytest.mark.parametrize("show", [pytest.param(show, id=name) for name, show in PRINTERS])
def test_a_command_prints_hostile_text_as_json_that_is_read_unchanged(
    show: Callable[[bool], object], capsys: pytest.CaptureFixture[str]
) -> None:
    show(True)
    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert "\u202eb\u2066" in str(json.loads(printed)) or "\\u202eb\\u2066" in str(json.loads(printed))


@pytest.mark.parametrize("show", [pytest.param(show, id=name) for name, show in TEXT_ONLY])
def test_progress_and_logs_contain_hostile_text_as_text(
    show: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    show()
    printed = capsys.readouterr()
    assert "QUJD" in printed.out + printed.err
    assert is_harmless(printed.out + printed.err)
