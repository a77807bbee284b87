"""The provider of PO tokens: a server beside the downloaders, and its plugin for yt-dlp, of the same version.

YouTube gives some clients media only with such a token. The plugin asks the provider for it at
INGEST_YOUTUBE_POT_PROVIDER.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from importlib import metadata
from urllib.parse import urlsplit

from ingest.shared.errors import ConfigurationError
from ingest.shared.text import clean, shorten

PLUGIN = "bgutil-ytdlp-pot-provider"
INSTALL = "pip install 'ingest[youtube]'"
TIMEOUT_S = 5.0
LONGEST_ANSWER = 10_000


def plugin_version() -> str:
    """Return the version of the installed plugin; raise ConfigurationError without it."""
    try:
        return metadata.version(PLUGIN)
    except metadata.PackageNotFoundError as error:
        raise ConfigurationError(f"INGEST_YOUTUBE_POT_PROVIDER needs a plugin of yt-dlp: {INSTALL}") from error


def server_version(address: str) -> str:
    """Return the version of the provider at an address; raise ConfigurationError when it does not answer."""
    place = urlsplit(address)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        answer = json.loads(connection.getresponse().read(LONGEST_ANSWER))
        return shorten(clean(str(answer["version"])), 50)
    except (OSError, HTTPException) as error:
        raise ConfigurationError(f"the provider of PO tokens at {address} does not answer: {error}") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"the server at {address} is no provider of PO tokens") from error
    finally:
        connection.close()


def fits(plugin: str, server: str) -> bool:
    """Return whether a plugin and a provider work together: their first numbers are the same."""
    return plugin.partition(".")[0] == server.partition(".")[0]
