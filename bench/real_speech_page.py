"""The page of `bench.real_speech`: each recording to be heard, with the words that differ in colour. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bench import real_speech_score as score
from bench.real_speech_ways import PRODUCT, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
section { border-top: 1px solid #ccc; padding: 1em 0 }
h2 { font-size: 1em; margin: 0 } audio { width: 100% } .way { color: #666 }
del { background: #fdd; color: #900 } ins { background: #dfd; color: #060; text-decoration: none }
"""
HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Real speech</title>'
LEGEND = (
    "<p><del>said, and not written</del> <ins>written, and not said</ins> "
    "Words are compared without case and marks. The recordings with most errors come first.</p>"
)


def page(figures: Iterable[Figure], folder: Path) -> str:
    """Return the page; the recordings with most errors come first, the audio is read from the folder."""
    worst_first = sorted(figures, key=lambda one: (-one.readings[PRODUCT].wrong, one.recording.file))
    sections = "".join(_section(one, folder) for one in worst_first)
    return f"{HEAD}<style>{STYLE}</style><h1>Real speech</h1>{LEGEND}{sections}</html>"


def _section(figure: Figure, folder: Path) -> str:
    recording = figure.recording
    source = escape((folder / recording.file).resolve().as_uri(), quote=True)
    ways = "".join(_way(figure, name) for name in figure.readings)
    return (
        f"<section><h2>{escape(recording.file)}</h2><p>{escape('; '.join(_facts(figure)))}</p>"
        f'<audio controls preload="none" src="{source}"></audio>{ways}</section>'
    )


def _facts(figure: Figure) -> Iterator[str]:
    recording, language = figure.recording, f"language {figure.language}"
    if recording.seconds:
        yield f"{recording.seconds:.0f} s"
    if recording.is_silent:
        yield "nothing is said"
    elif recording.text is None:
        yield "no text to compare with"
    else:
        yield f"{figure.readings[PRODUCT].wrong} of {figure.words} words wrong"
    is_wrong = recording.language and not figure.is_language_right
    yield f"{language} instead of {recording.language}" if is_wrong else language
    if figure.unread_s:
        yield f"{figure.unread_s:.1f} s unread"
    if figure.diarization:
        yield "{found:.0f} of {speakers:.0f} speakers, {wrong_s:.1f} of {total_s:.1f} s wrong".format(
            **figure.diarization
        )
    yield from (f"searchable without speech: {text}" for text in figure.searchable)
    yield from (f"flagged as invented: {text}" for text in figure.invented)


def _way(figure: Figure, name: str) -> str:
    recording, text = figure.recording, figure.readings[name].text
    if recording.text is None:
        return f'<p><span class="way">{escape(name)}:</span> {escape(text)}</p>'
    language = recording.language or "en"
    parts = score.differences(score.words(recording.text, language), score.words(text, language))
    shown = " ".join(_difference(one, "" if language in score.LETTERS else " ") for one in parts)
    return f'<p lang="{escape(language)}"><span class="way">{escape(name)}:</span> {shown}</p>'


def _difference(one: score.Difference, between: str) -> str:
    if one.kind == "equal":
        return escape(between.join(one.said))
    lists = (("del", one.said), ("ins", one.written))
    return " ".join(f"<{tag}>{escape(between.join(words))}</{tag}>" for tag, words in lists if words)
