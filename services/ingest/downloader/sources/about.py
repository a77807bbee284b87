"""Reads what a source says about a recording for its readers: description, chapters, persons, numbers, picture.

Nothing of it matters to a stage, so what cannot be read is left out without a word.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from ingest.shared import bounds
from ingest.shared.about import About, Chapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_LETTERS = 20_000  # of a description with its HTML
TAG = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
BREAKS = frozenset({"br", "p", "/p", "/div", "/li", "/h1", "/h2", "/h3"})


def in_info(info: dict[str, Any]) -> About | None:
    """Return what an info dictionary of yt-dlp says."""
    return _about(
        description=info.get("description"),
        chapters=_each(info.get("chapters")),
        persons=[*_each(info.get("cast")), *_each(info.get("creators"))],
        season=info.get("season_number"),
        episode=info.get("episode_number"),
        thumbnail=info.get("thumbnail"),
    )


def in_entry(entry: Any) -> About | None:  # noqa: ANN401 (a foreign or generic shape)
    """Return what an entry of a feed says, as feedparser returns it."""
    image = entry.get("image")
    return _about(
        description=_text(entry.get("summary")),
        persons=[entry.get("author"), entry.get("podcast_person")],
        season=entry.get("itunes_season") or entry.get("podcast_season"),
        episode=entry.get("itunes_episode") or entry.get("podcast_episode"),
        thumbnail=image.get("href") if isinstance(image, dict) else None,
    )


def in_item(item: dict[str, Any]) -> About | None:
    """Return what an item of a JSON feed says."""
    authors = [author.get("name") for author in _each(item.get("authors")) if isinstance(author, dict)]
    said = item.get("summary") or item.get("content_text") or _text(item.get("content_html"))
    return _about(description=said, persons=authors, thumbnail=item.get("image"))


def _about(
    *,
    description: object = None,
    chapters: Iterable[object] = (),
    persons: Iterable[object] = (),
    season: object = None,
    episode: object = None,
    thumbnail: object = None,
) -> About | None:
    """Return what is said within the bounds; None where that is nothing."""
    names = (bounds.title(one) for one in persons if isinstance(one, str))
    found = About(
        description=bounds.description(description) or None if isinstance(description, str) else None,
        chapters=tuple(_chapters(chapters))[: bounds.MOST_CHAPTERS],
        persons=tuple(dict.fromkeys(name for name in names if name))[: bounds.MOST_PERSONS],
        season=_number(season),
        episode=_number(episode),
        thumbnail=_address(thumbnail),
    )
    return None if found == About() else found


def _chapters(said: Iterable[object]) -> Iterator[Chapter]:
    for one in said:
        start_s, title = (one.get("start_time"), one.get("title")) if isinstance(one, dict) else (None, None)
        if isinstance(start_s, int | float) and isinstance(title, str) and 0 <= start_s < bounds.LONGEST_RECORDING_S:
            yield Chapter(start_s=float(start_s), title=bounds.title(title))


def _number(said: object) -> int | None:
    text = str(said) if isinstance(said, int | str) and not isinstance(said, bool) else ""
    return int(text) if re.fullmatch("[0-9]{1,9}", text.strip()) else None


def _address(said: object) -> str | None:
    if not isinstance(said, str) or not said.startswith(("https://", "http://")):
        return None
    return address if len(address := bounds.address(said)) <= bounds.LONGEST_ADDRESS else None


def _text(said: object) -> str | None:
    """Return the text of HTML, in the lines of its paragraphs."""
    if not isinstance(said, str):
        return None
    return html.unescape(TAG.sub(lambda tag: "\n" if tag[1].lower() in BREAKS else "", said[:MOST_LETTERS]))


def _each(said: object) -> list[Any]:
    return said[: bounds.MOST_CHAPTERS] if isinstance(said, list) else []
