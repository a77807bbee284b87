"""Cuts passages into subtitles: at ends of sentences, else at commas and pauses, else between words near the middle."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts import sentences
from ingest.shared.artifacts.transcript import Word, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.archive.export.document import Document

CLAUSE_ENDS = (",", ";", ":", "—", "\u2013", "、", "\uff0c", "\uff1b", "،", "؛")
PAUSE_S = 0.4
LONGEST_PAUSE_S = 2.0  # subtitles do not stay through a longer one
LEAST_S = 0.001  # the players' smallest unit
AT_CLAUSE, AT_PAUSE = 0.3, 0.2  # how far from the middle, in parts of the text, such a place is preferred


@dataclass(frozen=True)
class Rules:
    """Columns of a line (a wide letter has two), lines of a subtitle, its longest time, and if speakers are named."""

    columns: int = 42
    lines: int = 2
    seconds: float = 7.0
    labels: bool = True


@dataclass(frozen=True)
class Cue:
    """A subtitle; `text` is that of its lines. `speaker` is the name of its speaker, None when it is not known."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    text: str
    speaker: str | None


def cues(document: Document, rules: Rules, *, prefixed: bool = False) -> list[Cue]:
    """Return the subtitles of a recording by time. With `prefixed`, a text begins with its speaker at each change."""
    found: list[Cue] = []
    named: str | None = None
    for passage, words, language in document.spoken():
        spoken = [word for word in words if word.text.strip()]
        if prefixed and passage.speaker and passage.speaker != named and spoken:
            label = Word(
                start_s=spoken[0].start_s, end_s=spoken[0].start_s, text=f"{_plain(passage.speaker)}:", probability=1
            )
            spoken = [label, spoken[0].model_copy(update={"before": " "}), *spoken[1:]]
        named = passage.speaker
        groups = _groups(spoken, language, rules)
        found.extend(_cue(group, passage.speaker, rules) for group in groups)
    return sorted(found, key=lambda cue: (cue.start_s, cue.end_s))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _cue(words: Sequence[Word], speaker: str | None, rules: Rules) -> Cue:
    start_s = words[0].start_s
    end_s = min(max(words[-1].end_s, start_s + LEAST_S), start_s + rules.seconds)
    return Cue(
        start_s, end_s, tuple(wrapped(words, rules.columns)), _plain(join(words)), _plain(speaker) if speaker else None
    )


def _groups(words: Sequence[Word], language: str, rules: Rules) -> Iterator[Sequence[Word]]:
    """Yield the words of each subtitle: parts of sentences, merged while they fit."""
    group: list[Word] = []
    for sentence in sentences.split(words, language) if words else ():
        for part in _parts(sentence, rules):
            if group and not (_fits([*group, *part], rules) and part[0].start_s - group[-1].end_s < PAUSE_S):
                yield group
                group = []
            group.extend(part)
    if group:
        yield group


def _fits(words: Sequence[Word], rules: Rules) -> bool:
    is_short = words[-1].end_s - words[0].start_s <= rules.seconds
    pauses = (after.start_s - before.end_s for before, after in itertools.pairwise(words))
    return (
        is_short and max(pauses, default=0.0) <= LONGEST_PAUSE_S and len(wrapped(words, rules.columns)) <= rules.lines
    )


def _parts(words: Sequence[Word], rules: Rules) -> Iterator[Sequence[Word]]:
    if _fits(words, rules):
        yield words
    elif len(words) > 1:
        cut = _best_cut(words)
        yield from _parts(words[:cut], rules)
        yield from _parts(words[cut:], rules)
    elif len(wrapped(words, rules.columns)) > rules.lines and len(words[0].text) > 1:
        yield from _parts(_halves(words[0]), rules)
    else:
        yield words  # one word that is spoken for longer than a subtitle may stay


def _halves(word: Word) -> list[Word]:
    middle, middle_s = len(word.text) // 2, (word.start_s + word.end_s) / 2
    first = word.model_copy(update={"text": word.text[:middle], "end_s": middle_s})
    return [first, word.model_copy(update={"text": word.text[middle:], "start_s": middle_s, "before": ""})]


def _best_cut(words: Sequence[Word]) -> int:
    """Return the index before which words are parted best."""

    def cost(index: int) -> float:
        before, after = words[index - 1], words[index]
        off = abs(index / len(words) - 0.5)
        off -= AT_CLAUSE if before.text.endswith(CLAUSE_ENDS) else 0.0
        pause_s = after.start_s - before.end_s
        return off - (AT_PAUSE if pause_s >= PAUSE_S else 0.0) - (1.0 if pause_s > LONGEST_PAUSE_S else 0.0)

    return min(range(1, len(words)), key=cost)


def columns(text: str) -> int:
    """Return the width of a text; a letter that is twice as wide as a Latin one has two columns."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def wrapped(words: Sequence[Word], width: int) -> list[str]:
    """Return words in as few lines of at most `width` columns as possible, of about the same length."""
    lines = _filled(words, width)
    if len(lines) == 1:
        return lines
    least, most = 1, width
    while least < most:
        middle = (least + most) // 2
        if len(_filled(words, middle)) <= len(lines):
            most = middle
        else:
            least = middle + 1
    return _filled(words, most)


def _filled(words: Sequence[Word], width: int) -> list[str]:
    lines = [""]
    for word in words:
        blank = " " if word.before and lines[-1] else ""
        text = _plain(word.text)
        if lines[-1] and columns(lines[-1] + blank + text) > width:
            lines.append("")
            blank = ""
        lines[-1] += blank + text
        while columns(lines[-1]) > width and len(lines[-1]) > 1:
            kept = _prefix(lines[-1], width)
            lines[-1:] = [lines[-1][:kept], lines[-1][kept:]]
    return lines


def _prefix(text: str, width: int) -> int:
    """Return the number of letters of a text that fit into a width, at least one."""
    used = 0
    for index, letter in enumerate(text):
        used += columns(letter)
        if used > width:
            return max(1, index)
    return len(text)
