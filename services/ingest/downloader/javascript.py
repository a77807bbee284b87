"""Finds deno, the JavaScript engine that yt-dlp needs for YouTube, and checks its version.

Without deno, yt-dlp only warns, and videos lack formats or fail one by one. So the downloader checks before it starts.
"""

from __future__ import annotations

import shutil
import subprocess

from ingest.shared.errors import Code, IngestError

OLDEST = (2, 3)  # required by yt-dlp
TIMEOUT_S = 30.0


def path() -> str | None:
    """Return the path of deno: from its Python package if that is installed, else from PATH; None without deno."""
    try:
        from deno import find_deno_bin

        return str(find_deno_bin())
    except (ImportError, FileNotFoundError):  # FileNotFoundError: `pip install --target` does not install the program
        return shutil.which("deno")


def version() -> str:
    """Return the version of deno; raise ENV_JS_RUNTIME when deno is missing, broken or too old."""
    binary = path()
    if binary is None:
        raise IngestError(Code.ENV_JS_RUNTIME, "deno is missing: pip install deno")
    try:
        command = [binary, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)  # noqa: S603 (ours)
        found = done.stdout.split()[1]
        number = tuple(int(part) for part in found.split(".")[:2])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise IngestError(Code.ENV_JS_RUNTIME, f"{binary} does not run: {error}") from error
    if number < OLDEST:
        raise IngestError(
            Code.ENV_JS_RUNTIME, f"deno {found} is too old, yt-dlp needs 2.3 or newer: pip install -U deno"
        )
    return found
