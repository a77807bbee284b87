"""A made-up archive in which it is known who said what when, and questions to it.

Conversations of small talk, in which each fact is said once, by one speaker. Facts of one kind differ in names and a
number, so that each of them has near-duplicates in other recordings. A question has words of the fact (`names`,
`numbers`), an exact phrase of it (`phrase`), or other words (`paraphrase`). Half of the facts choose settings, the
other half is reported.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts.transcript import Segment, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HALVES = ("tune", "report")
WORD_S = 0.35
PAUSE_S = 0.6  # between turns
SPEAKERS = 3  # in a conversation
TURNS = 40
LONGEST_TURN = 6  # sentences
PHRASE = 4  # last words of a fact

PEOPLE = (
    "Abel Bauer,Carla Dietz,Edith Faber,Gustav Hahn,Ida Jansen,Karl Lenz,Marta Nowak,Oskar Peters,Rosa Schmitt,"
    "Theo Ullrich"
)
TEAMS = "logistics,marketing,finance,research,catering,security,translation,purchasing,payroll,archive"
PROJECTS = "Falcon,Heron,Osprey,Kestrel,Plover,Curlew,Avocet,Gannet,Petrel,Linnet"
CITIES = "Lisbon,Tallinn,Bergen,Girona,Trieste,Utrecht,Kaunas,Malmo,Bilbao,Leipzig"
PARTS = (
    "the pump,the gearbox,the antenna,the hydraulic valve,the cooling fan,the landing light,the fuel gauge,"
    "the door seal,the rudder,the winch"
)
FOODS = (
    "lentil soup,plum cake,fish stew,rye bread,apple pancakes,cheese dumplings,mushroom risotto,onion tart,"
    "barley salad,pear jam"
)
MONTHS = "January,February,March,April,May,June,July,September,October,November"


@dataclass(frozen=True)
class Pattern:
    """A kind of fact: what is said, and questions by kind. `{0}` to `{2}` are its slots."""

    said: str
    slots: tuple[str, str, str]
    names: str
    numbers: str
    paraphrase: str


PATTERNS = (
    Pattern("The new head of {0} is {1}, who came from {2} last winter.", (TEAMS, PEOPLE, CITIES),
            "head of {0}", "{1} {2}", "who is in charge of the {0} department now"),
    Pattern("Project {0} will cost {2} million euros, said the board in {1}.", (PROJECTS, MONTHS, ""),
            "project {0} million euros", "{0} {2} million", "how expensive does {0} get"),
    Pattern("We open the office in {0} on the {2}th of {1}.", (CITIES, MONTHS, ""),
            "office in {0}", "{0} {2}th {1}", "when does the branch at {0} start to work"),
    Pattern("They replaced {0} after {2} hours because it leaked near {1}.", (PARTS, CITIES, ""),
            "replaced {0}", "{0} {2} hours", "how long did {0} last before it was swapped"),
    Pattern("For the party {1} cooks {0} for {2} guests.", (FOODS, PEOPLE, ""),
            "{0} party", "{0} {2} guests", "which dish does {1} prepare for the celebration"),
    Pattern("The {0} team moves to the {2}th floor in {1}.", (TEAMS, MONTHS, ""),
            "{0} team floor", "{0} {2}th floor", "where will the people of {0} sit later this year"),
)  # fmt: skip
SMALL_TALK = (
    ("I think", "Honestly", "As far as I know", "Well", "You know", "Last week", "At the moment", "In my opinion"),
    ("the weather", "the train", "my neighbour", "the new printer", "our coffee", "the old garden", "this book",
     "the match", "the long meeting", "the parking place", "the music", "the museum", "my bicycle", "the holiday"),
    ("was better than", "reminds me of", "has nothing to do with", "came before", "is as slow as", "looks like",
     "costs more than", "was louder than", "is nicer than", "goes well with"),
    ("a rainy Sunday", "the queue at the bakery", "a walk by the river", "the film about the sea", "a cold tea",
     "the photos on the wall", "a broken umbrella", "the stairs to the attic", "an empty street", "a good joke",
     "the lamp in the hall", "a game of chess"),
)  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A question whose answer is known: the recording, who says it, and the second at which its sentence begins."""

    kind: str
    text: str
    video_id: str
    speaker: str
    second: float
    half: str


@dataclass(frozen=True)
class Transcript:
    """A recording of the archive."""

    video_id: str
    title: str
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Fact:
    """What is said once, and the questions to it by kind."""

    said: str
    questions: dict[str, str]
    half: str


def archive(recordings: int, facts: int, seed: int) -> Iterator[tuple[Transcript, list[Query]]]:
    """Yield the conversations of an archive, each with its share of the facts and their questions."""
    draw = random.Random(seed)
    made = _facts(facts, draw)
    for number in range(recordings):
        yield _conversation(number, made[number::recordings], draw)


def _facts(count: int, draw: random.Random) -> list[Fact]:
    """Return at most `count` facts: one of each pattern for each of its first names, the patterns in turn."""
    found = []
    for number in range(len(TEAMS.split(","))):
        for pattern in PATTERNS:
            first, *others = pattern.slots
            slots = [first.split(",")[number], *(_slot(one, draw) for one in others)]
            said = pattern.said.format(*slots)
            asked = {kind: getattr(pattern, kind).format(*slots) for kind in ("names", "numbers", "paraphrase")}
            asked["phrase"] = '"' + " ".join(said.rstrip(".").split()[-PHRASE:]) + '"'
            found.append(Fact(said, asked, HALVES[number % len(HALVES)]))
    facts = found[:count]
    draw.shuffle(facts)
    return facts


def _slot(names: str, draw: random.Random) -> str:
    return draw.choice(names.split(",")) if names else str(draw.randrange(11, 99))


def _conversation(number: int, facts: Sequence[Fact], draw: random.Random) -> tuple[Transcript, list[Query]]:
    video_id = f"q{number:010}"
    speakers = [f"Speaker {number * SPEAKERS + one}" for one in range(SPEAKERS)]
    turns: list[list[tuple[str, Fact | None]]] = [
        [(_small_talk(draw), None) for _ in range(draw.randint(1, LONGEST_TURN))] for _ in range(TURNS)
    ]
    for fact in facts:
        turn = draw.choice(turns)
        turn.insert(draw.randint(0, len(turn)), (fact.said, fact))
    segments, asked, now_s = [], [], 0.0
    for place, turn in enumerate(turns):
        speaker = speakers[place % SPEAKERS]
        for text, told in turn:
            segment = _segment(text, now_s, speaker)
            if told is not None:
                asked += [
                    Query(kind, question, video_id, speaker, segment.start_s, told.half)
                    for kind, question in told.questions.items()
                ]
            segments.append(segment)
            now_s = segment.end_s
        now_s += PAUSE_S
    return Transcript(video_id, f"Conversation {number}", segments), asked


def _small_talk(draw: random.Random) -> str:
    opening, *rest = (draw.choice(part) for part in SMALL_TALK)
    return f"{opening}, {' '.join(rest)}."


def _segment(text: str, start_s: float, speaker: str) -> Segment:
    words = tuple(
        Word(start_s=start_s + WORD_S * number, end_s=start_s + WORD_S * (number + 1), text=word, probability=1.0)
        for number, word in enumerate(text.split())
    )
    made = Segment(start_s=start_s, end_s=words[-1].end_s, text=text, words=words, avg_logprob=-0.2,
                   compression_ratio=1.4, no_speech_prob=0.01)  # fmt: skip
    return made.model_copy(update={"speaker": speaker})
