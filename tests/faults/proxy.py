"""A faulty network: passes bytes on between clients and a server, late, in part, or not at all.

    worker ── client ─► Proxy ── server ─► nats-server | Postgres

A stalled connection transfers nothing and does not close on either side: a half-open connection stays half open. A
reset connection ends at once. The proxy runs on one event loop in its own thread; any thread may call its methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

BLOCK_BYTES = 16 << 10
SLOW_BLOCK_BYTES = 512
AT_ONCE = struct.pack("ii", 1, 0)  # linger for 0 s: the other side gets a reset, not an end of stream

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class Link:
    """A client and its connection to the server; `said` counts the expected words that it has sent."""

    client: asyncio.StreamWriter
    said: int = 0
    is_doomed: bool = False


class Proxy:
    """Listens on this machine for clients of the server to which `reach` connects.

    `cuts` counts the connections that were cut; `held_s` sums the delays of blocks of bytes.
    """

    def __init__(self, reach: Callable[[], Coroutine[Any, Any, Streams]]) -> None:
        self._reach = reach
        self._links: set[Link] = set()
        self._words: tuple[bytes, ...] = ()
        self._bytes_per_s: float | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self.cuts = 0
        self.held_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._do(self._listen())
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """End every connection, and the thread."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- faults -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Hold all data for the time of a block, without closing a connection; then deliver what was sent."""
        self._loop.call_soon_threadsafe(self._flows.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._flows.set)

    @contextlib.contextmanager
    def slowed(self, bytes_per_s: float) -> Iterator[None]:
        """Limit each direction of each connection to this rate for the time of a block."""
        self._bytes_per_s = bytes_per_s
        try:
            yield
        finally:
            self._bytes_per_s = None

    def reset(self) -> None:
        """Reset every connection at once."""

        def end() -> None:
            for link in self._links:
                _reset(link.client)

        self._loop.call_soon_threadsafe(end)

    def cut_after(self, *words: bytes) -> None:
        """Cut, once, the connection that sends these words in turn: after the server's answer, before it arrives."""

        def begin() -> None:
            self._words = words
            for link in self._links:
                link.said = 0

        self._loop.call_soon_threadsafe(begin)

    # -- connections --------------------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._server.close()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        link = Link(to_client)
        self._links.add(link)
        try:
            await self._flows.wait()
            server, to_server = await self._reach()
            await self._both_ways((client, to_server), (server, to_client), link)
        except OSError:
            _reset(to_client)  # the server does not listen
        finally:
            self._links.discard(link)
            to_client.close()

    async def _both_ways(self, there: Streams, back: Streams, link: Link) -> None:
        ways = [
            asyncio.ensure_future(self._hand_on(*there, link, self._sent)),
            asyncio.ensure_future(self._hand_on(*back, link, self._answered)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            there[1].close()

    async def _hand_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: Link,
        notice: Callable[[Link, bytes], None],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(SLOW_BLOCK_BYTES if self._bytes_per_s else BLOCK_BYTES):
                if self._bytes_per_s:
                    wait_s = len(data) / self._bytes_per_s
                    self.held_s += wait_s
                    await asyncio.sleep(wait_s)
                await self._flows.wait()
                notice(link, data)
                writer.write(data)
                await writer.drain()

    def _sent(self, link: Link, data: bytes) -> None:
        while link.said < len(self._words) and self._words[link.said] in data:
            link.said += 1
        if self._words and link.said == len(self._words):
            self._words = ()
            link.is_doomed = True

    def _answered(self, link: Link, _: bytes) -> None:
        if link.is_doomed:
            self.cuts += 1
            _reset(link.client)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()
