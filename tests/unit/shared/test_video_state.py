"""The state of a video as folded from its events: late, twice, from two workers at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shared.errors import Code
from ingest.shared.messages import Event, EventKind, Metadata, Policy, Source, SourceKind, Stage
from ingest.shared.video_state import Position, VideoRecord, VideoState, fold

ID = "abcdefghijk"
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
EPOCH = 1000
BOUNDED = {"max_speakers": 2}
REOPENING = {EventKind.INDEXED, EventKind.REPLAYED}
FAILURES = {EventKind.FAILED, EventKind.SKIPPED}


def event(
    kind: EventKind, *, generation: int = 1, stage: Stage = Stage.ASR, worker: str = "a", **details: object
) -> Event:
    return Event.model_validate(
        {"video_id": ID, "generation": generation, "stage": stage, "kind": kind, "at": BEGAN, "worker": worker}
        | details
    )


def folded(*events: Event, known: VideoRecord | None = None, first: Position = (EPOCH, 1)) -> VideoRecord:
    state = known or VideoRecord(ID)
    for number, one in enumerate(events):
        state = fold(state, one, (first[0], first[1] + number))
    return state


kinds = st.sampled_from(EventKind)
events = st.builds(
    event,
    kinds,
    generation=st.integers(1, 3),
    stage=st.sampled_from(Stage),
    attempt=st.integers(1, 4),
    numbers=st.dictionaries(st.sampled_from(["took_s", "audio_s"]), st.floats(0, 9)),
)
twin_events = st.builds(event, kinds, stage=st.sampled_from(Stage), worker=st.sampled_from("ab"))


@settings(max_examples=300)
@given(before=st.lists(twin_events, max_size=12), after=st.lists(twin_events, max_size=12))
def test_once_indexed_a_generation_stays_indexed_whatever_its_twins_tell(
    before: list[Event], after: list[Event]
) -> None:
    assert folded(*before, event(EventKind.INDEXED), *after).state == VideoState.INDEXED


@settings(max_examples=300)
@given(known=st.lists(events, max_size=8), late=events)
def test_an_older_generation_changes_nothing(known: list[Event], late: Event) -> None:
    state = folded(*known, event(EventKind.STARTED, generation=4))
    assert fold(state, late, (EPOCH, 99)) == state


@settings(max_examples=300)
@given(told=st.lists(events, max_size=10), replayed=st.integers(0, 10))
def test_reading_the_stream_again_changes_nothing(told: list[Event], replayed: int) -> None:
    state = folded(*told)
    assert folded(*told[:replayed], known=state) == state


@settings(max_examples=200)
@given(told=st.lists(events, max_size=10), cut=st.integers(0, 10))
def test_folding_in_two_goes_is_folding_in_one(told: list[Event], cut: int) -> None:
    in_two = folded(*told[cut:], known=folded(*told[:cut]), first=(EPOCH, 1 + min(cut, len(told))))
    assert in_two == folded(*told)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        pytest.param(EventKind.SUBMITTED, VideoState.QUEUED, id="submitted"),
        pytest.param(EventKind.REPLAYED, VideoState.QUEUED, id="replayed"),
        pytest.param(EventKind.STARTED, "running", id="started"),
        pytest.param(EventKind.PROGRESS, "running", id="progress"),
        pytest.param(EventKind.FINISHED, VideoState.QUEUED, id="finished"),
        pytest.param(EventKind.POSTPONED, "postponed", id="postponed"),
        pytest.param(EventKind.RETRYING, VideoState.QUEUED, id="retrying"),
        pytest.param(EventKind.INDEXED, VideoState.INDEXED, id="indexed"),
        pytest.param(EventKind.FAILED, VideoState.FAILED, id="failed"),
        pytest.param(EventKind.SKIPPED, VideoState.SKIPPED, id="skipped"),
        pytest.param(EventKind.DEFERRED, VideoState.DEFERRED, id="deferred"),
    ],
)
def test_every_event_leads_to_its_state(kind: EventKind, state: str) -> None:
    told = folded(event(kind, stage=Stage.DOWNLOAD, attempt=2))
    assert (told.state, told.stage, told.attempts, told.generation) == (state, Stage.DOWNLOAD, 2, 1)
    assert told.is_settled == (state in {"indexed", "failed", "skipped", "deferred"})


@pytest.mark.parametrize("kind", [EventKind.DEFERRED, EventKind.POSTPONED, EventKind.FAILED])
def test_a_deferred_video_is_due_when_its_time_has_come(kind: EventKind) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    told = folded(event(kind, retry_at=at))
    assert [told.is_due(at - timedelta(seconds=1)), told.is_due(at)] == [False, kind is EventKind.DEFERRED]


@pytest.mark.parametrize("ending", [EventKind.FAILED, EventKind.SKIPPED])
@pytest.mark.parametrize(
    "late", [pytest.param(kind, id=kind) for kind in EventKind if kind not in REOPENING | FAILURES]
)
def test_what_has_ended_does_not_begin_again_by_itself(ending: EventKind, late: EventKind) -> None:
    ended = folded(event(ending, code=Code.NOT_AUDIO, text="html"))
    after = fold(ended, event(late, stage=Stage.CHECK, text="late"), (EPOCH, 2))
    assert (str(after.state), after.stage, after.code, after.message) == (
        str(ending),
        Stage.ASR,
        Code.NOT_AUDIO,
        "html",
    )


def test_of_two_failures_the_later_one_is_told() -> None:
    first, second = event(EventKind.FAILED, text="one"), event(EventKind.SKIPPED, text="two")
    assert folded(first, second).message == "two"
    assert fold(fold(VideoRecord(ID), second, (EPOCH, 2)), first, (EPOCH, 1)).message == "two"


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A video's way through the stages, told second by second; it may fail, be asked for again, and fail for good."""
    told = [event(EventKind.SUBMITTED, stage=Stage.CHECK)]
    for stage in Stage:
        last = EventKind.INDEXED if stage is Stage.EMBEDDER else EventKind.FINISHED
        delays = st.sampled_from([EventKind.RETRYING, EventKind.POSTPONED, EventKind.DEFERRED, EventKind.FAILED])
        for outcome in [*draw(st.lists(delays, max_size=2)), draw(st.sampled_from([last, last, EventKind.SKIPPED]))]:
            told += [event(EventKind.STARTED, stage=stage), event(outcome, stage=stage)]
            told += [event(EventKind.REPLAYED, stage=stage)] * (outcome is EventKind.FAILED)
        if told[-1].kind is EventKind.SKIPPED:
            break
    return [one.model_copy(update={"at": BEGAN + timedelta(seconds=number)}) for number, one in enumerate(told)]


@settings(max_examples=500)
@given(told=histories(), data=st.data())
def test_a_video_ends_as_it_did_whatever_the_order_in_which_its_events_are_stored_and_folded(
    told: list[Event], data: st.DataObject
) -> None:
    ended = folded(*told)
    late_s = {one: data.draw(st.integers(0, 5)) for one, it in enumerate(told) if it.kind is EventKind.FINISHED}
    stream = sorted(range(len(told)), key=lambda one: (one + late_s.get(one, 0), one))
    state = VideoRecord(ID)
    for place in data.draw(st.permutations(range(len(told)))):
        state = fold(state, told[stream[place]], (EPOCH, 1 + place))
    assert (state.state, state.stage, state.is_settled) == (ended.state, ended.stage, True)


@settings(max_examples=500)
@given(told=histories(), data=st.data())
def test_a_video_that_goes_on_does_not_seem_to_have_ended(told: list[Event], data: st.DataObject) -> None:
    replayed = [number for number, one in enumerate(told) if one.kind is EventKind.REPLAYED]
    told = told[: 1 + data.draw(st.sampled_from(replayed))] if replayed else told[:-1]
    state = VideoRecord(ID)
    for place in data.draw(st.permutations(range(len(told)))):
        state = fold(state, told[place], (EPOCH, 1 + place))
    assert state.state not in {VideoState.INDEXED, VideoState.FAILED, VideoState.SKIPPED}


def test_a_stage_that_has_ended_changes_nothing_when_the_next_one_has_begun() -> None:
    deferred = folded(event(EventKind.STARTED), event(EventKind.DEFERRED, retry_at=BEGAN))
    finished = event(EventKind.FINISHED, stage=Stage.DOWNLOAD, numbers={"took_s": 2.0})
    after = fold(deferred, finished, (EPOCH, 3))
    assert (after.state, after.retry_at, after.figures) == (VideoState.DEFERRED, BEGAN, {"download.took_s": 2.0})
    assert folded(event(EventKind.RETRYING), event(EventKind.STARTED, stage=Stage.DOWNLOAD), finished).state == "queued"


@pytest.mark.parametrize("late", [pytest.param(kind, id=kind) for kind in EventKind])
def test_an_indexed_video_is_not_reopened_within_its_generation(late: EventKind) -> None:
    assert folded(event(EventKind.INDEXED), event(late)).state == VideoState.INDEXED


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in EventKind])
def test_a_second_submission_of_the_same_run_changes_no_state(kind: EventKind) -> None:
    known = folded(event(kind, code=Code.IS_LIVE, text="live", retry_at=BEGAN, attempt=2))
    after = fold(known, event(EventKind.SUBMITTED, stage=Stage.CHECK), (EPOCH, 2))
    unchanged = ("state", "stage", "attempts", "code", "message", "retry_at")
    assert [getattr(after, name) for name in unchanged] == [getattr(known, name) for name in unchanged]


@pytest.mark.parametrize("ending", [EventKind.FAILED, EventKind.SKIPPED])
@pytest.mark.parametrize("again", [{"kind": EventKind.REPLAYED}, {"kind": EventKind.SUBMITTED, "generation": 2}])
def test_a_replay_and_a_new_submission_reopen_what_has_failed_and_forget_why(
    ending: EventKind, again: dict[str, Any]
) -> None:
    ended = folded(event(ending, code=Code.NOT_AUDIO, text="html"), event(**again))
    assert (ended.state, ended.code, ended.message) == (VideoState.QUEUED, None, "")


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_events_in_any_order_tell_the_same(order: tuple[int, ...]) -> None:
    told = [
        event(EventKind.SUBMITTED, generation=2, policy={"max_duration_s": 60.0}, fresh_from=2, metadata=BOUNDED),
        event(EventKind.STARTED, generation=2, stage=Stage.CHECK),
        event(EventKind.FINISHED, generation=2, stage=Stage.CHECK, numbers={"took_s": 2.0}, metadata={"title": "A"}),
        event(EventKind.STARTED, generation=2, stage=Stage.DOWNLOAD),
    ]
    first = folded(event(EventKind.SUBMITTED, policy={"min_duration_s": 9.0}), event(EventKind.FAILED))
    state = first
    for number in order:
        state = fold(state, told[number], (EPOCH, 10 + number))
    assert state == folded(*told, known=first, first=(EPOCH, 10))


def test_a_replay_keeps_how_the_video_was_asked_for() -> None:
    asked = event(EventKind.SUBMITTED, policy={"max_duration_s": 60.0}, fresh_from=1, metadata={"max_speakers": 2})
    replayed = folded(asked, event(EventKind.FAILED, code=Code.NOT_AUDIO), event(EventKind.REPLAYED))
    assert (replayed.policy, replayed.fresh_from) == (Policy(max_duration_s=60.0), 1)
    assert replayed.metadata == Metadata(max_speakers=2)


def test_a_newer_generation_begins_anew_whatever_the_older_came_to() -> None:
    state = folded(event(EventKind.INDEXED), event(EventKind.STARTED, generation=2))
    assert (state.state, state.generation) == ("running", 2)


def test_a_deferred_video_keeps_its_time_until_it_goes_on() -> None:
    premiere = BEGAN + timedelta(days=1)
    deferred = folded(event(EventKind.DEFERRED, code=Code.NOT_YET_AVAILABLE, retry_at=premiere))
    assert (deferred.retry_at, deferred.code) == (premiere, Code.NOT_YET_AVAILABLE)
    started = fold(deferred, event(EventKind.STARTED), (EPOCH, 2))
    assert (started.state, started.retry_at, started.code) == ("running", None, None)


def test_a_wiped_broker_counts_anew_and_is_believed() -> None:
    state = folded(event(EventKind.FAILED), first=(EPOCH, 5000))
    replayed = event(EventKind.REPLAYED)
    assert fold(state, replayed, (EPOCH, 17)).state == VideoState.FAILED
    assert fold(state, replayed, (EPOCH + 1, 1)).state == VideoState.QUEUED


def test_figures_and_facts_add_up_and_later_ones_count() -> None:
    source = Source(kind=SourceKind.YOUTUBE, url="https://www.youtube.com/watch?v=abcdefghijk")
    state = folded(
        event(EventKind.SUBMITTED, source=source, metadata={"title": "old", "channel": "channel"}),
        event(EventKind.PROGRESS, numbers={"audio_s": 5.0}, metadata={"title": "new"}),
        event(EventKind.FINISHED, numbers={"took_s": 2.0, "audio_s": 9.0}),
        event(EventKind.FINISHED, stage=Stage.EMBEDDER, numbers={"took_s": 3.0}),
    )
    assert state.source == source
    assert state.metadata == Metadata(title="new", channel="channel")
    assert state.figures == {"asr.audio_s": 9.0, "asr.took_s": 2.0, "embedder.took_s": 3.0}
    assert (state.asked_at, state.position, state.updated_at) == (BEGAN, (EPOCH, 4), BEGAN)


def test_bounds_of_speakers_are_those_of_the_latest_request() -> None:
    bounded = folded(event(EventKind.SUBMITTED, metadata={"max_speakers": 2, "title": "A talk"}))
    begun = folded(event(EventKind.STARTED), known=bounded, first=(EPOCH, 2))
    assert begun.metadata == Metadata(title="A talk", max_speakers=2)
    asked_again = folded(event(EventKind.SUBMITTED, generation=2), known=begun, first=(EPOCH, 3))
    assert asked_again.metadata == Metadata(title="A talk")


def test_limits_and_fresh_files_are_those_of_the_latest_request() -> None:
    asked = event(EventKind.SUBMITTED, policy={"max_duration_s": 60.0}, fresh_from=1)
    begun = folded(asked, event(EventKind.STARTED))
    assert (begun.policy, begun.fresh_from) == (Policy(max_duration_s=60.0), 1)
    asked_again = folded(event(EventKind.SUBMITTED, generation=2), known=begun, first=(EPOCH, 3))
    assert (asked_again.policy, asked_again.fresh_from) == (Policy(), 0)


def test_a_late_twin_still_adds_what_it_knows() -> None:
    state = folded(event(EventKind.INDEXED), event(EventKind.FINISHED, numbers={"took_s": 2.0}))
    assert (state.state, state.figures, state.position) == (VideoState.INDEXED, {"asr.took_s": 2.0}, (EPOCH, 2))


def test_nobody_starves_for_a_video_before_it_was_asked_for() -> None:
    finished = event(EventKind.FINISHED, numbers={"gpu_starved_s": 9000.0, "gpu_busy_s": 50.0})
    later = finished.model_copy(update={"at": BEGAN + timedelta(seconds=30)})
    assert folded(finished).figures["asr.gpu_starved_s"] == 9000.0
    requested = folded(event(EventKind.SUBMITTED, stage=Stage.CHECK), later)
    assert requested.figures == {"asr.gpu_starved_s": 30.0, "asr.gpu_busy_s": 50.0}


def test_the_time_of_the_request_is_that_of_the_latest() -> None:
    requested = folded(event(EventKind.SUBMITTED), event(EventKind.STARTED))
    assert requested.asked_at == BEGAN
    later = event(EventKind.SUBMITTED, generation=2).model_copy(update={"at": BEGAN + timedelta(hours=1)})
    assert folded(later, known=requested, first=(EPOCH, 3)).asked_at == BEGAN + timedelta(hours=1)
    begun_anew = event(EventKind.STARTED, generation=2)
    assert folded(begun_anew, known=requested, first=(EPOCH, 3)).asked_at is None


@pytest.mark.parametrize("kind", sorted(set(EventKind) - {EventKind.PROGRESS}))
def test_figures_of_progress_end_with_the_next_event(kind: EventKind) -> None:
    running = folded(
        event(EventKind.STARTED, numbers={"took_s": 1.0}), event(EventKind.PROGRESS, numbers={"progress_done": 5.0})
    )
    assert running.figures == {"asr.took_s": 1.0, "asr.progress_done": 5.0}
    assert folded(event(kind), known=running, first=(EPOCH, 3)).figures == {"asr.took_s": 1.0}
