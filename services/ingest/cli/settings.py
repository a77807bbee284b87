"""Settings of the command line: those of all services, because the local mode runs all of them."""

from __future__ import annotations

from ingest.archive.settings import ArchiveSettings
from ingest.asr.settings import AsrSettings
from ingest.downloader.settings import DownloaderSettings


class AllSettings(DownloaderSettings, AsrSettings, ArchiveSettings):
    """The settings of all services."""

    @property
    def is_local(self) -> bool:
        """Return whether a server is not configured, so that an embedded one is needed."""
        return self.nats_url is None or self.database_url is None
