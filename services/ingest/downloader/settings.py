"""Settings of the downloader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ingest.shared.settings import Positive, PositiveSeconds, Settings


class DownloaderSettings(Settings):
    """What the downloader needs to know."""

    io_workers: Positive = 12
    """Downloads at a time in this process."""
    check_workers: Positive = 20
    """Accessibility checks at a time in this process."""
    allowed_hosts: str = ""
    """Private hosts (names or addresses, comma-separated) that may be reached; no others are."""
    file_roots: str = ""
    """Folders (comma-separated) whose files may be read as sources; none by default."""
    extractors: str = "youtube.*"
    """yt-dlp extractors (regular expressions, comma-separated) for pages of video sites."""
    cookies_file: Path | None = None
    """Cookies for YouTube in Netscape format, never written to; risks the account they belong to."""
    max_download_bytes: Positive = 4 << 30
    """Largest file that is downloaded."""
    max_audio_s: PositiveSeconds = 12 * 3600.0
    """Longest recording that is accepted."""
    download_deadline_s: PositiveSeconds = 3600.0
    """After this long a download is ended."""
    check_deadline_s: PositiveSeconds = 120.0
    """After this long an accessibility check is ended."""
    socket_timeout_s: PositiveSeconds = 20.0
    """How long a silent connection is waited for."""
    min_rate_bytes_s: Annotated[float, Field(ge=0)] = 10_000.0
    """A download slower than this, on average over the rate window, is ended."""
    rate_window_s: PositiveSeconds = 30.0
    """The time over which the download rate is measured."""
    site_pause_s: PositiveSeconds = 3600.0
    """How long to leave a site alone that limits us, when it does not say."""
    site_videos_per_hour: Positive = 250
    """Videos an hour that the whole fleet asks YouTube for; it bears about 300 from one address."""
    site_burst: Positive = 10
    """Videos that may be asked for at once after a pause."""
    disk_budget_bytes: Positive = 100 << 30
    """Space for files on the shared volume: fetching pauses above 80 % and goes on below 70 %."""
    scratch_path: Path | None = None
    """Folder for unfinished downloads. Without it, the folder `scratch` on the shared volume."""

    @property
    def scratch(self) -> Path:
        """Return the folder for unfinished downloads."""
        return self.scratch_path or self.volume / "scratch"


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated setting."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
