"""The home of the volume that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.cache import Cache

if TYPE_CHECKING:
    from ingest.shared.artifacts.home import Home
    from ingest.shared.homes.s3 import Bucket
    from ingest.shared.settings import Settings

COPIES = "copies"  # the folder of local copies


def volume_of(settings: Settings) -> Volume:
    """Return the volume that the settings name."""
    return Volume(home_of(settings))


def home_of(settings: Settings) -> Home:
    """Return the home of the volume; nothing is asked yet."""
    if is_folder(settings):
        return FolderHome(settings.volume)
    try:
        from ingest.shared.homes.s3 import S3Home
    except ImportError as error:
        raise ConfigurationError("obstore is missing: install ingest with the extra objects") from error
    return S3Home(bucket_of(settings), Cache(settings.volume / COPIES, settings.copies_bytes))


def is_folder(settings: Settings) -> bool:
    """Return whether the volume is a folder."""
    return settings.volume_url is None or "://" not in settings.volume_url


def bucket_of(settings: Settings) -> Bucket:
    """Return the bucket of INGEST_VOLUME_URL; raise ConfigurationError for any other address."""
    from ingest.shared.homes.s3 import Bucket

    url = urlsplit(settings.volume_url or "")
    keys = (settings.volume_access_key, settings.volume_secret_key)
    if url.scheme != "s3" or not url.hostname or url.netloc != url.hostname or url.query or url.fragment:
        raise ConfigurationError(
            "INGEST_VOLUME_URL: must be a path, or s3://BUCKET/PREFIX (keys have their own settings)"
        )
    if (keys[0] is None) != (keys[1] is None):
        raise ConfigurationError("INGEST_VOLUME_ACCESS_KEY and INGEST_VOLUME_SECRET_KEY: set both or none")
    return Bucket(
        name=url.hostname,
        prefix=url.path.strip("/"),
        endpoint=settings.volume_endpoint,
        region=settings.volume_region,
        access_key=keys[0].get_secret_value() if keys[0] else None,
        secret_key=keys[1].get_secret_value() if keys[1] else None,
    )
