"""How much a search reads, and how its lists are merged. `bench.search_quality` compares and chooses these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tuning:
    """The bounds of a search, and the weight of each list.

    A passage at a place of a list gets the weight of the list over `constant` + place; a list of weight 0 gives no
    answers. `is_exact` compares all vectors instead of reading their index.
    """

    candidates: int = 100
    most_read: int = 10_000
    most_ranked: int = 2_000
    constant: int = 60
    by_meaning: float = 1.0
    by_words: float = 1.0
    by_title: float = 1.0
    is_exact: bool = False

    @property
    def ef_search(self) -> int:
        """Return how many vectors the index looks at: with fewer, it misses near passages."""
        return 3 * self.candidates


USUAL = Tuning()
