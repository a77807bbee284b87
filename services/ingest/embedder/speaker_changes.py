"""Changes of speakers by people: who speaks in a recording, and who does not. `changes` has those of words.

A name by hand beats those of the voice models, and stays when these name the speakers again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.embedder import changes
from ingest.embedder.changes import Change
from ingest.embedder.corrections import names
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.embedder.tables import speaker_statements
from ingest.shared.bounds import LONGEST_NAME
from ingest.shared.errors import ConfigurationError
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.corrections.names import Kind, Span
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.corrections import Author
    from ingest.shared.artifacts.transcript import Turn


def name(rebuilder: Rebuilder, video_id: str, speaker: str, as_name: str, by: Author) -> Change:
    """Name a speaker of a recording; raise ConfigurationError when the recording has no such speaker."""
    turns = _turns(rebuilder, video_id)
    return _make(rebuilder, video_id, _about(turns, "name", speaker, video_id, checked_name(as_name)), by)


def merge(rebuilder: Rebuilder, video_id: str, speaker: str, into: str, by: Author) -> Change:
    """Let two speakers of a recording be one: the second."""
    turns = _turns(rebuilder, video_id)
    target = _spans(turns, into, video_id)
    if speaker.casefold() == into.casefold():
        raise ConfigurationError("name two speakers of the recording")
    is_named = not names.is_unknown(into)
    present = next(turn.speaker for turn in turns if turn.speaker.casefold() == into.casefold())
    made = _about(turns, "name", speaker, video_id, present if is_named else "", () if is_named else target)
    return _make(rebuilder, video_id, made, by)


def move(rebuilder: Rebuilder, video_id: str, times_s: tuple[float, float | None], to: str, by: Author) -> Change:
    """Give the turn at a time, or all from that time until another, to a speaker of the recording or to a new name."""
    at_s, until_s = times_s
    turns = _turns(rebuilder, video_id)
    if until_s is not None and until_s <= at_s:
        raise ConfigurationError("the time ends before it begins")
    end_s = at_s if until_s is None else until_s
    around = [turn for turn in turns if turn.start_s <= at_s < turn.end_s or at_s < turn.start_s < end_s]
    if not around:
        raise ConfigurationError(_no_turn(turns, at_s, video_id))
    span = (at_s, until_s) if until_s is not None else (around[-1].start_s, around[-1].end_s)
    like = names.spans_of(turns, to) if names.is_unknown(to) else ()
    if names.is_unknown(to) and not like:
        raise ConfigurationError(_no_speaker(turns, to, video_id))
    made = SpeakerStatement(0, "turn", "" if like else checked_name(to), (span,), (), like)
    return _make(rebuilder, video_id, made, by)


def refuse(rebuilder: Rebuilder, video_id: str, speaker: str, by: Author) -> Change:
    """Take a name from a speaker of a recording: it is another person, whatever the voice models say."""
    turns = _turns(rebuilder, video_id)
    made = _about(turns, "not", speaker, video_id, speaker)
    if names.is_unknown(speaker):
        raise ConfigurationError(f"{speaker} has no name that could be refused")
    return _make(rebuilder, video_id, made, by)


def undo(rebuilder: Rebuilder, statement: int) -> Change:
    """Take a statement back; raise ConfigurationError for an unknown one."""
    video_id = speaker_statements.video_of(rebuilder.database, statement)
    if video_id is None:
        raise ConfigurationError(f"there is no statement {statement}; see `ingest voices named`")
    speaker_statements.remove(rebuilder.database, video_id, statement)
    _, trouble = changes.rebuild(rebuilder, video_id)
    return Change(video_id, statement, state=changes.TAKEN_BACK, trouble=trouble)


def checked_name(text: str) -> str:
    """Return a name in one line; raise ConfigurationError for one that no person can have."""
    found = one_line(text)
    if not found or len(found) > LONGEST_NAME or names.is_unknown(found):
        raise ConfigurationError(f"{text!r} is no name of a person")
    return found


def _turns(rebuilder: Rebuilder, video_id: str) -> tuple[Turn, ...]:
    """Return the turns of a recording with the names that are shown."""
    content = rebuilder.transcript(video_id)
    overlay = rebuilder.store.overlay(video_id)
    return names.apply(rebuilder.turns(content), overlay.speakers).turns


def _about(
    turns: Sequence[Turn], kind: Kind, speaker: str, video_id: str, as_name: str, like: tuple[Span, ...] = ()
) -> SpeakerStatement:
    spans = _spans(turns, speaker, video_id)
    others = tuple((turn.start_s, turn.end_s) for turn in turns if turn.speaker.casefold() != speaker.casefold())
    return SpeakerStatement(0, kind, as_name, spans, others, like)


def _spans(turns: Sequence[Turn], speaker: str, video_id: str) -> tuple[Span, ...]:
    spans = names.spans_of(turns, speaker)
    if not spans:
        raise ConfigurationError(_no_speaker(turns, speaker, video_id))
    return spans


def _no_speaker(turns: Sequence[Turn], speaker: str, video_id: str) -> str:
    if not turns:
        return f"{video_id} has no diarization: run it again with INGEST_DIARIZATION_MODEL set"
    known = ", ".join(sorted({turn.speaker for turn in turns}))
    return f"{speaker} is not a speaker of {video_id}; its speakers: {known}"


def _no_turn(turns: Sequence[Turn], at_s: float, video_id: str) -> str:
    if not turns:
        return _no_speaker(turns, "", video_id)
    near = min(turns, key=lambda turn: max(turn.start_s - at_s, at_s - turn.end_s))
    return f"{video_id} has no turn at that time; the nearest is from {near.start_s:.1f} to {near.end_s:.1f} s"


def _make(rebuilder: Rebuilder, video_id: str, made: SpeakerStatement, by: Author) -> Change:
    said = rebuilder.store.overlay(video_id).speakers
    is_said = bool(said) and replace(made, id=said[-1].id, author=by.name) == said[-1]
    number = said[-1].id if is_said else speaker_statements.add(rebuilder.database, video_id, made, by)
    built, trouble = changes.rebuild(rebuilder, video_id)
    states = {outcome.statement: outcome.state for outcome in built.speakers} if built is not None else {}
    at_s = min(start_s for start_s, _ in made.spans)
    return Change(video_id, number, at_s, states.get(number, "on its way"), trouble)
