"""Addresses of files on this machine (`file:///home/me/talk.mp3`), as file managers and players write them. Pure."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes

_OF_THIS_MACHINE = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/(?!/)))", re.IGNORECASE)


def path_of(text: str) -> str:
    """Return the path of the file that an address names; any other text as it is."""
    found = _OF_THIS_MACHINE.match(text)
    return os.fsdecode(unquote_to_bytes(text[found.end() :])) if found else text
