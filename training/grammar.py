"""The sentences of the miniature recognizer: a grammar of about 110 words on six subjects.

Pure: randomness comes in as an argument. A sentence is `held_out` by its own hash, so that the sentences used for
measuring are never trained on, whatever the seed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class Subject:
    """What can be said on one subject; every list is a word class."""

    people: tuple[str, ...]
    verbs: tuple[str, ...]
    qualities: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]


SUBJECTS: dict[str, Subject] = {
    "sea": Subject(
        ("captain", "sailor", "fisherman", "dolphin"),
        ("steers", "follows", "repairs", "watches"),
        ("wooden", "enormous", "stormy"),
        ("ship", "anchor", "lighthouse", "submarine"),
        ("harbor", "island", "ocean"),
    ),
    "garden": Subject(
        ("gardener", "butterfly", "farmer", "neighbor"),
        ("waters", "visits", "gathers", "plants"),
        ("yellow", "purple", "blooming"),
        ("flowers", "roses", "tomatoes", "sunflower"),
        ("garden", "meadow", "greenhouse"),
    ),
    "kitchen": Subject(
        ("baker", "grandmother", "waiter", "cook"),
        ("prepares", "serves", "slices", "tastes"),
        ("delicious", "crispy", "spicy"),
        ("bread", "chocolate", "pancakes", "soup"),
        ("kitchen", "restaurant", "market"),
    ),
    "space": Subject(
        ("astronaut", "telescope", "rocket", "scientist"),
        ("discovers", "photographs", "measures", "circles"),
        ("distant", "glowing", "frozen"),
        ("planet", "comet", "galaxy", "moon"),
        ("observatory", "universe", "station"),
    ),
    "music": Subject(
        ("violinist", "drummer", "singer", "orchestra"),
        ("plays", "practices", "records", "performs"),
        ("quiet", "joyful", "famous"),
        ("melody", "symphony", "trumpet", "piano"),
        ("theater", "concert", "studio"),
    ),
    "medicine": Subject(
        ("doctor", "nurse", "surgeon", "dentist"),
        ("examines", "protects", "comforts", "remembers"),
        ("nervous", "healthy", "injured"),
        ("patient", "shoulder", "medicine", "bandage"),
        ("hospital", "ambulance", "laboratory"),
    ),
}
TIMES = ("today", "tonight", "every morning", "on sunday", "in winter")


def sentence(rng: random.Random, subject: str) -> str:
    """Return one sentence on `subject`, capitalised and with its full stop."""
    topic = SUBJECTS[subject]
    person, other = rng.sample(topic.people, 2)
    verb, second = rng.sample(topic.verbs, 2)
    thing, another = rng.sample(topic.things, 2)
    quality, place, time = rng.choice(topic.qualities), rng.choice(topic.places), rng.choice(TIMES)
    text = rng.choice(
        (
            f"the {person} {verb} the {quality} {thing}",
            f"{time} the {person} {verb} the {thing}",
            f"the {person} {verb} the {thing} near the {place}",
            f"the {quality} {person} {verb} the {thing} {time}",
            f"in the {place} the {person} {verb} the {quality} {thing}",
            f"the {person} {verb} the {thing} and the {other} {second} the {quality} {another}",
            f"{time} the {person} and the {other} visit the {place}",
        )
    )
    return finish(text)


def jumble(rng: random.Random) -> str:
    """Return three to nine words in random order, so that the recognizer must use the audio instead of guessing."""
    return finish(" ".join(rng.choices(WORDS, k=rng.randint(3, 9))))


def finish(text: str) -> str:
    """Return `text` as a written sentence."""
    return text[0].upper() + text[1:] + "."


def held_out(text: str) -> bool:
    """Tell whether a sentence is kept for measuring (one in ten, by its own hash)."""
    return zlib.crc32(text.encode()) % 10 == 0


def _words() -> tuple[str, ...]:
    spoken = {word for topic in SUBJECTS.values() for group in vars(topic).values() for word in group}
    return tuple(sorted(spoken | {word for time in TIMES for word in time.split()} | {"the", "and", "near", "visit"}))


WORDS = _words()
