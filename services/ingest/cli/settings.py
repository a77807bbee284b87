"""Settings of the command line: those of all rooms together, since the local mode runs them all."""

from __future__ import annotations

from ingest.asr.settings import AsrSettings
from ingest.downloader.settings import DownloaderSettings
from ingest.embedder.settings import EmbedderSettings


class AllSettings(DownloaderSettings, AsrSettings, EmbedderSettings):
    """Every setting there is."""

    @property
    def is_local(self) -> bool:
        """Tell whether a server is missing, so that an embedded one is needed."""
        return self.nats_url is None or self.database_url is None
