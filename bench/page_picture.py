"""Writes docs/page.png: the page of the demonstration's conversation, in a browser (chromium) on a real server.

ingest demo --state FOLDER
python -m bench.page_picture FOLDER
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ingest.demo import ENROLLED, conversation
from tests.support.browser import Page, browser

PICTURE = Path(__file__).parents[1] / "docs/page.png"
WIDTH, HEIGHT = 1280, 720
SECOND = 12.0  # in the first long answer
LARGEST_BYTES = 200_000


def main() -> None:
    """Serve the archive of a demonstration and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, help="state folder of `ingest demo`")
    parser.add_argument("--to", type=Path, default=PICTURE)
    asked = parser.parse_args()
    command = [sys.executable, "-m", "ingest.cli", "serve", "--state", str(asked.state), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 (this program)
        try:
            found = re.search(r"http://\S+", server.stdout.readline() if server.stdout else "")
            if found is None:
                sys.exit("the server did not start; its reason stands above")
            with tempfile.TemporaryDirectory() as folder, browser("chromium", Path(folder)) as page:
                picture = take(page, found[0])
        finally:
            server.terminate()
    if len(picture) > LARGEST_BYTES:
        sys.exit(f"the picture has {len(picture)} bytes; at most {LARGEST_BYTES} go into the documents")
    asked.to.write_bytes(picture)
    print(f"{asked.to}: {len(picture)} bytes")


def take(page: Page, base: str) -> bytes:
    """Return the picture of the conversation while its word at SECOND is spoken."""
    page.look(WIDTH, HEIGHT, dark=False)
    page.call("Emulation.setScrollbarsHidden", hidden=True)
    page.open(f"{base}/recordings?speaker={ENROLLED}")
    titles = "[...document.querySelectorAll('.list .name')]"
    path = page.run(f"{titles}.find((link) => link.textContent === {conversation().title!r}).getAttribute('href')")
    page.open(f"{base}{path}?t={SECOND}")
    page.until("document.querySelector('[data-ready]') && document.querySelector('.word.spoken')")
    page.until("document.querySelector('audio').readyState >= 2")
    page.run("scrollTo({top: 0, behavior: 'instant'})")
    return page.picture()


if __name__ == "__main__":
    main()
