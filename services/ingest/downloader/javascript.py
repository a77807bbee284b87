"""The JavaScript engine that yt-dlp needs for YouTube: which one is there, and whether it will do.

Without one yt-dlp only warns, and videos lack formats or fail one by one; so the downloader looks before it starts.
"""

from __future__ import annotations

import shutil
import subprocess

from ingest.shared.errors import Code, IngestError

OLDEST = (2, 3)  # what yt-dlp asks for
ANSWER_S = 30.0


def path() -> str | None:
    """Return where deno is: the one that the package brings, or the one on PATH."""
    try:
        from deno import find_deno_bin

        return str(find_deno_bin())
    except (ImportError, FileNotFoundError):  # FileNotFoundError: installed where its program is not, as by --target
        return shutil.which("deno")


def version() -> str:
    """Return the version of deno; raise ENV_JS_RUNTIME when there is none, or one that is too old."""
    binary = path()
    if binary is None:
        raise IngestError(Code.ENV_JS_RUNTIME, "deno is missing: pip install deno")
    try:
        command = [binary, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWER_S)  # noqa: S603 (ours)
        found = done.stdout.split()[1]
        number = tuple(int(part) for part in found.split(".")[:2])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise IngestError(Code.ENV_JS_RUNTIME, f"{binary} does not run: {error}") from error
    if number < OLDEST:
        raise IngestError(
            Code.ENV_JS_RUNTIME, f"deno {found} is too old, yt-dlp wants 2.3 or newer: pip install -U deno"
        )
    return found
