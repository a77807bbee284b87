"""What a person says about speakers: applied to turns, and found again in those of another diarization."""

from __future__ import annotations

import pytest

from ingest.embedder.corrections import names
from ingest.embedder.corrections.names import SpeakerStatement
from ingest.shared.artifacts.transcript import Turn

# a line: cluster, speaker, start, end
FIRST = (("A", "Unknown 1", 0, 10), ("B", "Unknown 2", 10, 20), ("A", "Unknown 1", 20, 30), ("B", "Unknown 2", 30, 40))


def turns(*lines: tuple[str, str, float, float]) -> list[Turn]:
    return [
        Turn(start_s=start_s, end_s=end_s, cluster=cluster, speaker=speaker, score=0.9, rule="cluster", vector=number)
        for number, (cluster, speaker, start_s, end_s) in enumerate(lines)
    ]


def said(kind: names.Kind, speaker: str, name: str, number: int = 1) -> SpeakerStatement:
    """Return what was said about a speaker of the first diarization."""
    made = turns(*FIRST)
    others = tuple((turn.start_s, turn.end_s) for turn in made if turn.speaker != speaker)
    return SpeakerStatement(number, kind, name, names.spans_of(made, speaker), others, (), "ada")


def moved(start_s: float, end_s: float, name: str = "Grace", like: tuple[names.Span, ...] = ()) -> SpeakerStatement:
    return SpeakerStatement(2, "turn", name, ((start_s, end_s),), (), like, "ada")


def speakers(found: names.NamedTurns) -> list[str]:
    return [turn.speaker for turn in found.turns]


@pytest.mark.parametrize(
    ("now", "after"),
    [
        pytest.param(FIRST, ["Ada", "Unknown 2", "Ada", "Unknown 2"], id="same"),
        pytest.param(
            (("X", "Unknown 1", 0, 9.5), ("Y", "Unknown 2", 10.2, 21), ("X", "Unknown 1", 21, 30), ("Y", "B", 30, 40)),
            ["Ada", "Unknown 2", "Ada", "B"],
            id="other-limits",
        ),
        pytest.param(
            (("X", "Unknown 1", 0, 10), ("Y", "Unknown 2", 10, 20), ("Z", "New", 20, 30), ("Z", "New", 38, 40)),
            ["Ada", "Unknown 2", "Ada", "New"],
            id="two-for-one",
        ),
        pytest.param(
            tuple(("X", "Unknown 1", start_s, end_s) for _, _, start_s, end_s in FIRST),
            ["Ada", "Unknown 1", "Ada", "Unknown 1"],
            id="one-for-two",
        ),
        pytest.param((*FIRST, ("A", "Unknown 1", 50, 53)), ["Ada", "Unknown 2", "Ada", "Unknown 2", "Ada"], id="more"),
        pytest.param(
            (("X", "Bob", 0, 10), ("Y", "Bob", 10, 20), ("X", "Bob", 20, 30), ("Y", "Bob", 30, 40)),
            ["Ada", "Bob", "Ada", "Bob"],
            id="a-machine-says-another-name",
        ),
    ],
)  # fmt: skip
def test_a_name_goes_to_the_turns_of_its_times_and_to_no_other(
    now: tuple[tuple[str, str, float, float], ...], after: list[str]
) -> None:
    found = names.apply(turns(*now), [said("name", "Unknown 1", "Ada")])
    assert speakers(found) == after
    assert [outcome.state for outcome in found.outcomes] == ["placed"]
    by_hand = [turn for turn in found.turns if turn.speaker == "Ada"]
    assert {(names.author_of(turn), turn.score) for turn in by_hand} == {("ada", None)}


def test_a_name_without_turns_needs_a_look() -> None:
    found = names.apply(
        turns(("X", "Unknown 1", 8, 20), ("Y", "Unknown 2", 100, 120)), [said("name", "Unknown 1", "Ada")]
    )
    assert speakers(found) == ["Unknown 1", "Unknown 2"]
    assert [outcome.state for outcome in found.outcomes] == ["needs a look"]


def test_a_later_statement_wins() -> None:
    both = [said("name", "Unknown 1", "Ada", 1), said("name", "Unknown 1", "Grace", 2)]
    assert speakers(names.apply(turns(*FIRST), reversed(both))) == ["Grace", "Unknown 2", "Grace", "Unknown 2"]


def test_two_speakers_become_one() -> None:
    merged = said("name", "Unknown 2", "")
    merged = SpeakerStatement(1, "name", "", merged.spans, merged.others, names.spans_of(turns(*FIRST), "Unknown 1"))
    assert speakers(names.apply(turns(*FIRST), [merged])) == ["Unknown 1"] * 4
    names_of = {"A": "Unknown 5", "B": "Bob"}
    other_numbers = [(cluster, names_of[cluster], start_s, end_s) for cluster, _, start_s, end_s in FIRST]
    assert speakers(names.apply(turns(*other_numbers), [merged])) == ["Unknown 5"] * 4


def test_a_turn_is_moved_whole_or_in_part() -> None:
    found = names.apply(turns(*FIRST), [moved(20, 30)])
    assert speakers(found) == ["Unknown 1", "Unknown 2", "Grace", "Unknown 2"]
    found = names.apply(turns(*FIRST), [moved(13, 16)])
    assert [(turn.speaker, turn.start_s, turn.end_s) for turn in found.turns[1:4]] == [
        ("Unknown 2", 10, 13),
        ("Grace", 13, 16),
        ("Unknown 2", 16, 20),
    ]
    found = names.apply(turns(("X", "Unknown 1", 0, 30.2)), [moved(20, 30)])
    assert [(turn.speaker, turn.start_s) for turn in found.turns] == [("Unknown 1", 0), ("Grace", 20)]
    found = names.apply(turns(*FIRST), [moved(20, 30, "", ((10, 20),))])
    assert speakers(found) == ["Unknown 1", "Unknown 2", "Unknown 2", "Unknown 2"]


def test_a_refused_name_is_taken_away_and_never_given_to_another() -> None:
    taken = [(cluster, "Ada" if cluster == "A" else name, start_s, end_s) for cluster, name, start_s, end_s in FIRST]
    refused = said("not", "Unknown 1", "Ada")
    found = names.apply(turns(*taken), [refused])
    assert speakers(found) == ["Unknown 1", "Unknown 2", "Unknown 1", "Unknown 2"]
    assert found.outcomes[0].state == "placed"
    assert names.apply(turns(*FIRST), [refused]).outcomes[0].state == "right"
    assert speakers(names.apply(turns(("B", "Ada", 10, 20)), [refused])) == ["Ada"]


def test_nothing_said_changes_nothing() -> None:
    assert names.apply(turns(*FIRST), ()).turns == tuple(turns(*FIRST))
