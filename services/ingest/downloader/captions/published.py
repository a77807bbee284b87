"""Downloads a transcript that a feed names for an episode, in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import requests

from ingest.downloader import web
from ingest.downloader.captions.cues import LARGEST_BYTES
from ingest.downloader.captions.found import Offer, best, form_of
from ingest.shared import languages
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import network
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.shared.captions import PublishedTranscript
    from ingest.shared.sandbox.child import Reporter

BLOCK_BYTES = 1 << 16


def chosen(published: Sequence[PublishedTranscript], wanted: Sequence[str]) -> Offer | None:
    """Return the transcript to take of those that a feed names; None where none can be read."""
    offers = [Offer(one.address, form_of(one.media_type, one.address), one.language) for one in published]
    return best(offers, wanted)


def language_of(offer: Offer) -> str | None:
    """Return the code of the language that a feed names."""
    return languages.code(offer.language)


def download(_report: Reporter, url: str, path: str, timeout_s: float, user_agent: str) -> int:
    """Write what is at an address into a new file; return its size. Raise NO_CAPTIONS when there is nothing."""
    try:
        with web.Session(user_agent) as session, session.get(url, timeout=timeout_s, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise IngestError(Code.NO_CAPTIONS, f"HTTP {response.status_code}")
            return _written(response, Path(path))
    except (requests.RequestException, ValueError) as error:
        if network.refused():
            raise IngestError(Code.NO_CAPTIONS, f"leads to the private address {network.refused()[0]}") from error
        raise IngestError(Code.NO_CAPTIONS, shorten(type(error).__name__)) from error


def _written(response: requests.Response, path: Path) -> int:
    size = 0
    with path.open("xb") as file:
        for block in response.iter_content(BLOCK_BYTES):
            size += len(block)
            if size > LARGEST_BYTES:
                raise IngestError(Code.NO_CAPTIONS, f"larger than {LARGEST_BYTES >> 20} MiB")
            file.write(block)
    return size
