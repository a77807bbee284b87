"""The address at which the web server answers agents. The SDK is imported with the first request: it takes seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from anyio import to_thread

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ingest.archive.web.library import Library


class AgentApp:
    """An application that answers the tools of an archive over HTTP."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._opening = asyncio.Lock()
        self._app: ASGIApp | None = None
        self._running: asyncio.Task[None] | None = None  # ends with the event loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        async with self._opening:
            if self._app is None:
                self._app = await self._open()
        await self._app(scope, receive, send)

    async def _open(self) -> ASGIApp:
        manager = await to_thread.run_sync(_load, self._library)
        is_open = asyncio.Event()

        async def run() -> None:
            async with manager.run():
                is_open.set()
                await asyncio.Event().wait()

        self._running = asyncio.create_task(run())
        await is_open.wait()
        app: ASGIApp = manager.handle_request
        return app


def _load(library: Library) -> StreamableHTTPSessionManager:
    from ingest.archive.agents import server

    return server.over_http(server.build(library))
