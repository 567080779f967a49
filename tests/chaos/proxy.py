"""A TCP proxy between two parts, which can cut, stall and refuse connections."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from compose.local.ports import HOST

CHUNK = 65_536


class Link:
    """One proxy: everything that connects to `port` is passed on to `target`."""

    def __init__(self, name: str, target: int) -> None:
        self.name = name
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset every connection, and those that come, until `restore`."""
        self._refuses = True
        for writer in list(self._writers):
            writer.transport.abort()

    async def stall(self) -> None:
        """Pass nothing on, close nothing, until `restore`."""
        self._flows.clear()

    async def restore(self) -> None:
        """Serve again."""
        self._refuses = False
        self._flows.set()

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            onward_reader, onward_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, onward_writer)
        self._writers.update(ends)
        try:
            await asyncio.gather(
                self._pass_on(reader, onward_writer), self._pass_on(onward_reader, writer)
            )
        finally:
            for end in ends:
                end.transport.abort()
            self._writers.difference_update(ends)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError):
            if not writer.is_closing():
                await writer.drain()
                writer.close()


class Proxies:
    """All links of a stack, on a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._links: dict[str, Link] = {}

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, name: str, target: int) -> int:
        """Put a proxy before a port; the port to connect to."""
        link = Link(name, target)
        self._links[name] = link
        self._do(link.open)
        return link.port

    def cut(self, name: str) -> None:
        """Reset the connections of a link and refuse new ones."""
        self._do(self._links[name].cut)

    def stall(self, name: str) -> None:
        """Let nothing through a link."""
        self._do(self._links[name].stall)

    def restore(self, name: str) -> None:
        """Let a link serve again."""
        self._do(self._links[name].restore)

    def stop(self) -> None:
        """End the thread and every connection. Repeatable."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._do(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        for link in self._links.values():
            await link.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _do(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(step(), self._loop).result(10)
