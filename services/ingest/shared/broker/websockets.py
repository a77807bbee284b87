"""Imports nats-py without aiohttp, which only WebSockets need, and which takes as long to import as all of nats-py."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

LIBRARY = "aiohttp"


class _LazyModule(ModuleType):
    """A module that is imported when an attribute of it is used."""

    def __getattr__(self, name: str) -> object:
        return getattr(import_module(self.__name__), name)


def import_nats() -> None:
    """Import the transports of nats-py; they get aiohttp when the first connection uses a WebSocket."""
    if LIBRARY in sys.modules or find_spec(LIBRARY) is None:
        return
    sys.modules[LIBRARY] = _LazyModule(LIBRARY)
    try:
        import_module("nats.aio.transport")
    finally:
        del sys.modules[LIBRARY]
