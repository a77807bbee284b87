"""Runs a server of the standard library in a thread, and ends it also when the test fails.

A server that is closed while its thread serves leaves a thread that asks the closed socket for ever, as fast as it can.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socketserver import BaseServer

POLL_S = 0.02


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Serve within the block; afterwards the server is closed."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_S}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
