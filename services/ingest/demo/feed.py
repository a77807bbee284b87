"""The samples as a podcast: a feed and its audio files, served on loopback."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from ingest.demo import SAMPLES, Sample, episodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TITLE = "The Miniature Podcast"
HOST = "127.0.0.1"
FEED_PATH = "/feed.xml"


def feed_xml(found: Sequence[Sample], base: str, folder: Path = SAMPLES) -> str:
    """Return the RSS feed of samples whose files are in `folder` and served below `base`."""
    items = "".join(_item(sample, f"{base}/{sample.file}", (folder / sample.file).stat().st_size) for sample in found)
    head = '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">'
    return f"{head}<channel><title>{TITLE}</title>{items}</channel></rss>"


def _item(sample: Sample, url: str, size: int) -> str:
    published = format_datetime(datetime.fromisoformat(sample.published).replace(tzinfo=UTC))
    return (
        f"<item><guid isPermaLink='false'>{escape(sample.file)}</guid><title>{escape(sample.title)}</title>"
        f"<pubDate>{published}</pubDate><itunes:duration>{sample.duration_s:.0f}</itunes:duration>"
        f"<enclosure type='audio/ogg' length='{size}' url={quoteattr(url)}/></item>"
    )


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != FEED_PATH:
            super().do_GET()
            return
        content = feed_xml(episodes(), f"http://{self.headers['Host']}").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """Handle a request. A client may close the connection early: some read only the start of a file."""
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        """Close the connection, which the client may have closed already."""
        with suppress(ConnectionError):
            super().finish()

    def log_message(self, *_args: object) -> None:
        """Write no line for each request."""


def serve(port: int) -> None:
    """Serve the feed on all interfaces until the process ends."""
    ThreadingHTTPServer(("", port), partial(_Handler, directory=str(SAMPLES))).serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """Serve the feed on loopback and give its URL."""
    server = ThreadingHTTPServer((HOST, 0), partial(_Handler, directory=str(SAMPLES)))
    threading.Thread(target=server.serve_forever, name="feed", daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}{FEED_PATH}"
    finally:
        server.shutdown()
        server.server_close()
