"""Finds start tags in a page or a list, in a time that grows with its length.

The parser of the standard library takes a time that grows with the square of some broken pages. It reads what this
leaves: whole tags, each after the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMENT, COMMENT_END = "<!--", "-->"


def start_tags(text: str, *names: str) -> str:
    """Return the start tags of these names outside of comments."""
    tag = re.compile(rf"<(?:{'|'.join(names)})(?=[\s/>])[^<>]*>", re.IGNORECASE)
    return "".join(found for part in _outside_comments(text) for found in tag.findall(part))


def _outside_comments(text: str) -> Iterator[str]:
    at = 0
    while (start := text.find(COMMENT, at)) >= 0:
        yield text[at:start]
        end = text.find(COMMENT_END, start + len(COMMENT))
        if end < 0:
            return
        at = end + len(COMMENT_END)
    yield text[at:]
