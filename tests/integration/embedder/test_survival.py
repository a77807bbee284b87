"""Fifty corrections and twenty names by hand of a real recording, through all that changes it afterwards.

The words are those that whisper-base recognises with another beam and other chunks. The turns are made; those of the
second run begin elsewhere, have other clusters, and one speaker in two of them.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from typer.testing import CliRunner

from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli.app import app
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep.embed import fill
from ingest.embedder import speaker_changes
from ingest.embedder.passages import PassageLimits
from ingest.embedder.rebuild import rebuilder
from ingest.embedder.tables import corrections, speaker_statements, vectors
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.shared.artifacts.attribution import attribute
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.volume import Volume
from ingest.shared.settings import load
from tests.integration.cli.test_forget import event
from tests.integration.embedder.test_speakers_by_hand import VOICES, index, spoken
from tests.support.on_disk import on_disk
from tests.unit.embedder.corrections.test_survival import corrections as made_corrections
from tests.unit.embedder.corrections.test_survival import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.catalog import PassageRow
    from ingest.embedder.text_model.model_keys import PassageModel, TextModel

TALK = "abcdefghijk"
PEOPLE = 20
TURN_S = 3.5
TURNS = 2 * PEOPLE  # 140 s, as long as the recording
INSIDE_S = 1.0  # of a turn: nearer to its ends, the second run may have another speaker
SMALLER = PassageLimits(min_chars=20, max_chars=80, max_gap_s=1, max_s=8, max_tokens=200)


def turn(number: int, start_s: float, end_s: float, cluster: int) -> Turn:
    name = f"Unknown {cluster + 1}"
    return Turn(start_s=start_s, end_s=end_s, cluster=f"S{cluster + 1}", speaker=name, vector=number)


def first_turns() -> list[Turn]:
    return [turn(number, number * TURN_S, (number + 1) * TURN_S, number % PEOPLE) for number in range(TURNS)]


def later_turns(draw: random.Random) -> list[Turn]:
    """Return the turns of another diarization of the same speakers."""
    order = draw.sample(range(PEOPLE), PEOPLE)
    limits_s = [0.0, *(number * TURN_S + draw.uniform(-0.3, 0.3) for number in range(1, TURNS)), TURNS * TURN_S]
    found = [turn(number, limits_s[number], limits_s[number + 1], order[number % PEOPLE]) for number in range(TURNS)]
    split = found[PEOPLE + 4]  # the second turn of a speaker is that of another one
    found[PEOPLE + 4] = split.model_copy(update={"cluster": "S99", "speaker": "Unknown 99"})
    return found


def run(database: Database, volume: Volume, encoder: TextModel, words: str, turns: list[Turn], generation: int) -> None:
    """Store a run of the recording."""
    content = spoken(turns, TALK)
    own = tuple(attribute(segments(words), turns))
    index(database, volume, encoder, content.model_copy(update={"segments": own}), generation)


def person_at(at_s: float) -> str | None:
    """Return who was named at a time; None near the ends of a turn."""
    number, inside_s = divmod(at_s, TURN_S)
    return f"Person {int(number) % PEOPLE + 1}" if INSIDE_S <= inside_s <= TURN_S - INSIDE_S else None


def judged(passages: list[PassageRow]) -> Iterator[tuple[float, str | None, str]]:
    """Yield the time and the speaker of short passages inside of a turn, with the person who was named there."""
    for one in passages:
        middle_s = (one.start_s + one.end_s) / 2
        meant = person_at(middle_s)
        if meant is not None and one.end_s - one.start_s < TURN_S:
            yield middle_s, one.speaker, meant


def check(database: Database, made: int) -> None:
    """Assert that nothing is lost or misapplied, and that nearly all is in its place."""
    stored = corrections.listed(database, TALK, None, 1000)
    assert len(stored) == made
    states = Counter(one.state for one in stored)
    assert states["needs a look"] <= 0.1 * made
    passages = Catalog(database).passages(TALK)
    text = " ".join(one.text for one in passages)
    said = Counter(re.findall(r"\w+", text))
    for one in stored:
        assert said[one.replacement] == (one.state != "needs a look"), one
    named = speaker_statements.listed(database, TALK)
    assert len(named) == PEOPLE
    assert sum(one.state == "placed" for one in named) >= 0.9 * PEOPLE
    found = list(judged(passages))
    assert len(found) >= PEOPLE
    assert [one for one in found if one[1] != one[2] and not (one[1] or "").startswith("Unknown")] == []
    assert sum(speaker == meant for _, speaker, meant in found) >= 0.9 * len(found)


@pytest.fixture
def made(
    database: Database, archive_encoder: TextModel, tmp_path: Path, use_servers: Callable[[Path], None]
) -> Rebuilder:
    """The recording with its corrections and names."""
    volume = Volume(tmp_path / "volume")
    use_servers(on_disk(volume).root)
    write_events(database, [(event(TALK, "a talk"), (1, 1))])
    run(database, volume, archive_encoder, "beam5", first_turns(), 1)
    by = corrections.author("Ada")
    corrections.add(database, TALK, made_corrections(1), by)
    done = rebuilder(load(AllSettings), database, cast("PassageModel", archive_encoder))
    for number in range(1, PEOPLE + 1):
        speaker_changes.name(done, TALK, f"Unknown {number}", f"Person {number}", by)
    return done


@pytest.mark.long
@pytest.mark.usefixtures("bus")
def test_corrections_and_names_outlive_all_that_changes_a_recording(
    made: Rebuilder, database: Database, archive_encoder: TextModel
) -> None:
    count = len(made_corrections(1))
    check(database, count)
    run(database, made.volume, archive_encoder, "beam1-cut", later_turns(random.Random(3)), 2)  # noqa: S311 (no secret)
    check(database, count)
    replace(made, limits=SMALLER).rebuild(TALK)
    check(database, count)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO models (model, dimensions) VALUES ('other@1', %s)", (archive_encoder.dimensions,)
        )
    assert fill(database, "other@1", archive_encoder, 64) == len(Catalog(database).passages(TALK))
    assert vectors.count_missing(database, "other@1") == 0
    check(database, count)
    Profiles(made.volume.home).keep(Profile("Grace", 1, "m", np.stack([VOICES[0]] * 3)))
    done = CliRunner().invoke(app, ["voices", "relabel", "--all"])
    assert done.exit_code == 0, done.output
    check(database, count)
