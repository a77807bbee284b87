"""Settings of the downloader."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import Positive, PositiveSeconds, Settings


class DownloaderSettings(Settings):
    """The settings that the downloader reads."""

    io_workers: Positive = 12
    """Downloads at a time in this process."""
    check_workers: Positive = 20
    """Accessibility checks at a time in this process."""
    allowed_hosts: str = ""
    """Hosts (names or addresses, comma-separated) that may be reached although their address is private."""
    file_roots: str = ""
    """Folders whose files may be read as sources, separated by commas, or as a JSON list; none by default."""
    file_links: bool = False
    """Whether links inside these folders may lead out of them. `ingest run` follows those of its sources."""
    extractors: str = "youtube.*"
    """yt-dlp extractors (regular expressions, comma-separated) that are allowed for YouTube."""
    cookies_file: Path | None = None
    """File with cookies for YouTube in Netscape format, only read. YouTube may block the account they belong to. With
    INGEST_SITE_PROXIES, it is the account of the exit `direct`."""
    site_proxies: Path | None = None
    """File with the exits to YouTube, a line each: `direct`, or a proxy (http, https, socks5) with its login; behind it
    `cookies=FILE` for its account. Each has a budget of its own (docs/youtube.md)."""
    max_download_bytes: Positive = 4 << 30
    """Largest file that is downloaded."""
    max_audio_s: PositiveSeconds = 12 * 3600.0
    """Longest recording that is accepted."""
    user_agent: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,300}$")] = f"ingest/{metadata.version('ingest')}"
    """Name of this program for feeds and media files. (YouTube is asked with the name that yt-dlp uses.)"""
    download_deadline_s: PositiveSeconds = 3600.0
    """Longest time of a download; then it is ended and tried again."""
    check_deadline_s: PositiveSeconds = 120.0
    """Longest time of an accessibility check; then it is ended and tried again."""
    socket_timeout_s: PositiveSeconds = 20.0
    """Longest time without data on a connection."""
    min_rate_bytes_s: Annotated[float, Field(ge=0)] = 10_000.0
    """Lowest rate of a download, on average over the rate window; a slower download is ended and tried again."""
    rate_window_s: PositiveSeconds = 30.0
    """Window over which the rate of a download is averaged."""
    youtube_extractor_args: str = ""
    """Arguments of yt-dlp's extractors of YouTube, as KEY:NAME=VALUE;NAME=VALUE, separated by spaces."""
    youtube_pot_provider: Annotated[str | None, Field(pattern=r"^http://[\w.\[\]:-]+:[0-9]{1,5}/?$")] = None
    """Provider of PO tokens, as http://HOST:4416; needs `pip install 'ingest[youtube]'` (docs/youtube.md)."""
    site_pause_s: PositiveSeconds = 3600.0
    """Pause after a site has throttled us, when its reply names no time."""
    site_videos_per_hour: Positive = 150
    """Videos per hour that the whole fleet requests from YouTube through one exit. Each is asked for twice (check and
    download), and about 300 an hour from an address are tolerated. A limit halves it; it is slowly raised again."""
    site_burst: Positive = 10
    """Videos that may be requested at once after a pause."""
    disk_budget_bytes: Positive = 100 << 30
    """Space for files on the shared volume. Downloads pause above 80 % of it and resume below 70 %."""
    scratch_path: Path | None = None
    """Folder for unfinished downloads. Without it, the folder `scratch` on the shared volume."""

    @property
    def scratch(self) -> Path:
        """Return the folder for unfinished downloads."""
        return self.scratch_path.resolve() if self.scratch_path else self.volume / "scratch"

    @property
    def longest_job_s(self) -> float:
        """Return the longest time that a job may take."""
        return max(2 * self.download_deadline_s, super().longest_job_s)  # fetched, and decoded


def listed_paths(text: str) -> tuple[Path, ...]:
    """Return the paths of a setting: a JSON list, in which a path may have commas, or separated by commas."""
    if not text.lstrip().startswith("["):
        return tuple(map(Path, listed(text)))
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"a list of paths is no valid JSON: {error}") from error
    if not all(isinstance(path, str) for path in found):
        raise ConfigurationError("a list of paths in JSON has something that is no text")
    return tuple(map(Path, found))


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated setting."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
