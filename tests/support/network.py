"""A network of machines on the loopback interface, whose links can be cut, stalled and slowed down.

Machine ``n`` is the address 127.0.1.n: what its processes offer is reached there, and from there they connect to others
(``bind-source-addr``). In truth they listen on 127.0.2.n, and everything in between goes through here. Linux only.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final

CLIENT: Final = 0
"""The machine of whoever has no address of a machine."""
PASS: Final = "pass"
CUT: Final = "cut"
"""Connections are closed, new ones too."""
STALL: Final = "stall"
"""Nothing arrives, and nothing is closed."""


def public(machine: int) -> str:
    """Where a machine is reached."""
    return f"127.0.1.{machine}"


def private(machine: int) -> str:
    """Where its processes listen."""
    return f"127.0.2.{machine}"


class Network:
    """All links, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self._rules: dict[tuple[int, int], str | float] = {}
        self._open: dict[tuple[int, int], set[asyncio.StreamWriter]] = {}
        self._changed = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def offer(self, machine: int, port: int) -> None:
        """What listens on ``port`` of a machine can be reached from now on."""

        async def start() -> None:
            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._connection(machine, port, reader, writer)

            self._servers.append(await asyncio.start_server(accept, public(machine), port))

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)

    def set(self, one: int, other: int, rule: str | float) -> None:
        """The link between two machines, both ways: PASS, CUT, STALL, or seconds by which everything is late."""

        def apply() -> None:
            for pair in ((one, other), (other, one)):
                self._rules[pair] = rule
                if rule == CUT:
                    for writer in self._open.get(pair, set()).copy():
                        writer.transport.abort()
            self._changed.set()
            self._changed = asyncio.Event()

        self._loop.call_soon_threadsafe(apply)

    async def _connection(
        self, machine: int, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host = str(writer.get_extra_info("peername")[0])
        source = int(host.rsplit(".", 1)[1]) if host.startswith("127.0.1.") else CLIENT
        pair = (source, machine)
        connections = self._open.setdefault(pair, set())
        ends = [writer]
        try:
            await self._pass(pair)
            inner_reader, inner_writer = await asyncio.open_connection(private(machine), port)
            ends.append(inner_writer)
            connections.update(ends)
            there = asyncio.ensure_future(self._pump(pair, reader, inner_writer))
            back = asyncio.ensure_future(self._pump(pair, inner_reader, writer))
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for task in (there, back):
                task.cancel()
        except OSError:
            pass
        finally:
            connections.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _pump(self, pair: tuple[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._pass(pair)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass

    async def _pass(self, pair: tuple[int, int]) -> None:
        """Wait as the link's rule says. Raises ConnectionError if it is cut."""
        while (rule := self._rules.get(pair, PASS)) == STALL:
            await self._changed.wait()
        if rule == CUT:
            raise ConnectionError
        if isinstance(rule, float):
            await asyncio.sleep(rule)

    def close(self) -> None:
        """The end."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            for connections in self._open.values():
                for writer in connections.copy():
                    writer.transport.abort()
            await asyncio.sleep(0.05)
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
