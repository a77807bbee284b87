"""The page of `bench.real_speech`: each recording to be heard, with the words that differ in colour. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bench import real_speech_score as score
from bench.real_speech_ways import PRODUCT, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
section { border-top: 1px solid #ccc; padding: 1em 0 }
h2 { font-size: 1em; margin: 0 } audio { width: 100% } .way { color: #666 }
del { background: #fdd; color: #900 } ins { background: #dfd; color: #060; text-decoration: none }
"""
HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Real speech</title>'
LEGEND = "<p><del>said, and not written</del> <ins>written, and not said</ins></p>"


def page(figures: Iterable[Figure], folder: Path) -> str:
    """Return the page; the recordings with most errors come first, the audio is read from the folder."""
    worst_first = sorted(figures, key=lambda one: (-one.readings[PRODUCT].wrong, one.recording.file))
    sections = "".join(_section(one, folder) for one in worst_first)
    return f"{HEAD}<style>{STYLE}</style><h1>Real speech</h1>{LEGEND}{sections}</html>"


def _section(figure: Figure, folder: Path) -> str:
    recording = figure.recording
    facts = [f"{figure.readings[PRODUCT].wrong} of {figure.words} words wrong", f"language {figure.language}"]
    if recording.language and not figure.is_language_right:
        facts[-1] += f" instead of {recording.language}"
    if figure.unread_s:
        facts.append(f"{figure.unread_s:.1f} s unread")
    facts += [f"searchable without speech: {text}" for text in figure.searchable]
    source = escape((folder / recording.file).resolve().as_uri(), quote=True)
    ways = "".join(_way(figure, name) for name in figure.readings)
    return (
        f"<section><h2>{escape(recording.file)}</h2><p>{escape('; '.join(facts))}</p>"
        f'<audio controls preload="none" src="{source}"></audio>{ways}</section>'
    )


def _way(figure: Figure, name: str) -> str:
    recording, text = figure.recording, figure.readings[name].text
    if recording.text is None:
        return f'<p><span class="way">{escape(name)}:</span> {escape(text)}</p>'
    language = recording.language or "en"
    parts = score.differences(score.words(recording.text, language), score.words(text, language))
    shown = " ".join(_difference(one) for one in parts)
    return f'<p lang="{escape(language)}"><span class="way">{escape(name)}:</span> {shown}</p>'


def _difference(one: score.Difference) -> str:
    if one.kind == "equal":
        return escape(" ".join(one.said))
    return " ".join(_marked(tag, words) for tag, words in (("del", one.said), ("ins", one.written)) if words)


def _marked(tag: str, words: Sequence[str]) -> str:
    return f"<{tag}>{escape(' '.join(words))}</{tag}>"
