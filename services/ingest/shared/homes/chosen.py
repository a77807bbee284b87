"""The home of the volume that the settings name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.connect import COMMAND_WAIT_S, VOLUME_NEEDS_NATS, bus_options, files_bucket
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.cache import Cache

if TYPE_CHECKING:
    from ingest.shared.artifacts.home import Home
    from ingest.shared.broker.nats_connection import BusOptions
    from ingest.shared.broker.nats_files import NatsFiles
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
    copies = Cache(settings.volume / COPIES, settings.copies_bytes)
    bucket = files_bucket(settings)
    if bucket is not None:
        return _on_nats(settings, bucket, copies)
    try:
        from ingest.shared.homes.s3 import S3Home
    except ImportError as error:
        raise ConfigurationError("obstore is missing: install ingest with the extra objects") from error
    return S3Home(bucket_of(settings), copies)


def _on_nats(settings: Settings, bucket: str, copies: Cache) -> Home:
    if settings.nats_url is None:
        raise ConfigurationError(VOLUME_NEEDS_NATS)
    options = bus_options(settings, f"files.{settings.worker_name}", first_s=COMMAND_WAIT_S)
    from ingest.shared.homes.jetstream import JetStreamHome

    return JetStreamHome(_files(options, bucket), copies)


@cache
def _files(options: BusOptions, bucket: str) -> NatsFiles:
    """Return the files of a bucket: one connection in a process, opened at the first use."""
    from ingest.shared.broker.nats_files import NatsFiles

    return NatsFiles(options, bucket)


def is_folder(settings: Settings) -> bool:
    """Return whether the volume is a folder."""
    return settings.volume_url is None or "://" not in settings.volume_url


def bucket_of(settings: Settings) -> Bucket:
    """Return the bucket of INGEST_VOLUME_URL; raise ConfigurationError for any other address."""
    from ingest.shared.homes.s3 import Bucket

    keys = (settings.volume_access_key, settings.volume_secret_key)
    try:
        url = urlsplit(settings.volume_url or "")
    except ValueError:  # half an IPv6 address
        url = urlsplit("")
    if url.scheme != "s3" or not url.hostname or url.netloc != url.hostname or url.query or url.fragment:
        raise ConfigurationError(
            "INGEST_VOLUME_URL: must be a path, s3://BUCKET/PREFIX or nats://BUCKET (keys have their own settings)"
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
