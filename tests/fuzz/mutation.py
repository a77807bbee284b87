"""Makes hostile inputs from good ones: bytes with damage, JSON with values that no sender of ours writes.

Hypothesis draws the seed, the number of edits, and a number from which the edits follow: inputs are cheap, and a
finding is reduced to the fewest edits.
"""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_EDITS = 6
LONGEST_LIST = 100  # that is repeated: edits of edits would need hours
HEAD_SHARE = 0.05  # of a file: its structure is there
HOSTILE_TEXT = (
    "",
    "\x00",
    "\x1b[2J\x1b]52;c;eA==\x07",
    "\u202eevil\u2066",
    "line\nforged line\r\x85\u2028",
    "\ud800",
    "\U0010ffff\ufffe",
    "a" * 5000,
    "\u00e4" * 3000,
    "../../etc/passwd",
    "http://169.254.169.254/",
    "$JS.API.STREAM.DELETE.INGEST",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-05T10:00:00",
    "NaN",
    "1e999",
)
HOSTILE_NUMBERS = (0, -1, 1 << 31, (1 << 63) - 1, 1 << 63, 10**30, -(10**30), 0.1, 1e308, math.inf, -math.inf, math.nan)
HOSTILE_BYTES = (b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(8), b"<" * 50, b"&#x1b;", b"\xff\xfe")


def damaged(*seeds: bytes) -> SearchStrategy[bytes]:
    """Return the seeds with some bytes changed, repeated, moved or missing."""

    def made(seed: bytes, edits: int, number: int) -> bytes:
        data, chance = bytearray(seed), random.Random(number)  # noqa: S311 (repeatable)
        for _ in range(edits):
            _damage(data, chance)
        return bytes(data)

    return st.builds(made, st.sampled_from(seeds), st.integers(0, MOST_EDITS), st.integers(0, 1 << 32))


def _damage(data: bytearray, chance: random.Random) -> None:
    at = int(chance.random() * (HEAD_SHARE if chance.random() < 0.5 else 1.0) * len(data))
    size = chance.choice((1, 2, 4, 16, 200))
    piece = chance.choice((chance.randbytes(size), chance.choice(HOSTILE_BYTES)))
    match chance.choice(("change", "insert", "remove", "repeat", "cut")):
        case "change":
            data[at : at + len(piece)] = piece
        case "insert":
            data[at:at] = piece
        case "remove":
            del data[at : at + size]
        case "repeat":
            data[at:at] = bytes(data[at : at + size]) * chance.choice((2, 50))
        case _:
            del data[at + size :]


def altered(*seeds: Any) -> SearchStrategy[Any]:  # noqa: ANN401 (JSON)
    """Return the seeds (JSON) with some of their values replaced, most by a hostile one of the same type."""

    def made(seed: str, edits: int, number: int) -> Any:  # noqa: ANN401 (JSON)
        root, chance = [json.loads(seed)], random.Random(number)  # noqa: S311 (repeatable)
        for _ in range(edits):
            _alter(root, chance)
        return root[0]

    texts = [json.dumps(seed) for seed in seeds]
    return st.builds(made, st.sampled_from(texts), st.integers(0, MOST_EDITS), st.integers(0, 1 << 32))


def _alter(root: list[Any], chance: random.Random) -> None:
    place, key = _place(root, chance)
    match chance.choice(("like", "like", "like", "like", "any", "drop", "add")):
        case "drop" if place is not root:
            del place[key]
        case "add" if isinstance(place, dict):
            place[chance.choice(HOSTILE_TEXT)] = _any(chance)
        case "any":
            place[key] = _any(chance)
        case _:
            place[key] = _like(place[key], chance)


def _place(root: list[Any], chance: random.Random) -> tuple[Any, Any]:
    """Return (container, key) of a value below the root."""
    place: Any = root
    key: Any = 0
    while isinstance(place[key], dict | list) and place[key] and chance.random() < 0.9:
        place = place[key]
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    return place, key


def _like(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 (JSON)
    """Return a hostile value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return chance.choice((*HOSTILE_NUMBERS, value * 2, -value, value + 1))
        case str():
            return chance.choice((*HOSTILE_TEXT, value * 2, value[1:], value + "\x00"))
        case list() if 0 < len(value) < LONGEST_LIST:
            return value * chance.choice((0, 2, 10))
        case _:
            return value


def _any(chance: random.Random, depth: int = 3) -> Any:  # noqa: ANN401 (JSON)
    """Return a value of any type."""
    kinds = ("number", "text", "none", "list", "dict", "deep") if depth else ("number", "text", "none")
    match chance.choice(kinds):
        case "number":
            return chance.choice((*HOSTILE_NUMBERS, True))
        case "text":
            return chance.choice(HOSTILE_TEXT)
        case "list":
            return [_any(chance, depth - 1) for _ in range(chance.randrange(4))]
        case "dict":
            return {chance.choice(HOSTILE_TEXT): _any(chance, depth - 1) for _ in range(chance.randrange(4))}
        case "deep":
            return _nested(chance.choice((20, 500)))
        case _:
            return None


def _nested(depth: int) -> Any:  # noqa: ANN401 (JSON)
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def written(value: Any) -> bytes:  # noqa: ANN401 (JSON)
    """Return JSON as bytes; numbers that JSON lacks stay as Python writes them."""
    return json.dumps(value).encode("utf-8", "replace")
