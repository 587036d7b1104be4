"""A client of the server that has no socket: the console sends commands through it, and takes the replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_CLOSED, CLIENT_METERED, CLIENT_NO_TOUCH, CLIENT_STOP, Client
from pyredis.core.dispatch import process_command, refresh_fast
from pyredis.resp.command import encode_command

if TYPE_CHECKING:
    from pyredis.core.server import Server

NAME: Final = b"pyredis-console"
"""How the console's clients are called in CLIENT LIST."""
_WAITING: Final = 4 << 20
"""Bytes of replies that wait to be taken; what comes beyond that is dropped and counted."""


class Closed(Exception):
    """The server has ended the session (CLIENT KILL, a user who may not do this any more, the end of the server)."""


def _address(pair: tuple[str, int]) -> bytes:
    host, port = pair
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()


class Session:
    """One client. It is a connection as the core knows it, and must be closed in the end."""

    def __init__(self, server: Server, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.server = server
        self.replies: deque[bytes] = deque()
        self.waiting = 0
        """Bytes in ``replies``."""
        self.dropped = 0
        """Writes that found no room."""
        self.closed = False
        self._arrived = asyncio.Event()
        server.update_time()
        self.client = Client(server, server.new_client_id(), self, _address(peer), _address(local))
        self.client.name = NAME
        self.client.flags |= CLIENT_NO_TOUCH  # looking at a key does not make it a used one
        server.add_client(self.client)

    def send(self, argv: list[bytes]) -> None:
        """Have a command run, now if it may."""
        if self.closed:
            raise Closed
        server, c = self.server, self.client
        server.update_time()
        c.last_interaction = server.mstime
        if c.flags & CLIENT_METERED:
            server.eviction.received(sum(map(len, argv)))
        server.stats.net_input_bytes += len(encode_command(argv))
        if c.flags & CLIENT_STOP:
            c.pending.append(argv)
        else:
            process_command(c, argv)
        server.flush_client(c)
        server.after_event()

    async def reply(self, seconds: float | None = None) -> bytes:
        """The next reply, encoded. Raises Closed, and TimeoutError if there is none so long."""
        async with asyncio.timeout(seconds):
            while not self.replies:
                if self.closed:
                    raise Closed
                self._arrived.clear()
                await self._arrived.wait()
        data = self.replies.popleft()
        self.waiting -= len(data)
        return data

    def take_all(self) -> bytes:
        """Whatever has come."""
        data = b"".join(self.replies)
        self.replies.clear()
        self.waiting = 0
        return data

    async def wait(self, seconds: float) -> None:
        """Until something has come, or for so long. Raises Closed."""
        if not self.replies and not self.closed:
            self._arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError:
                pass
        if self.closed and not self.replies:
            raise Closed

    def select(self, db: int) -> None:
        """Use a database. Raises IndexError for a number that is none."""
        if db < 0:
            raise IndexError
        self.client.db = self.server.dbs[db]

    # --- what the core sees -----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Keep a reply for whoever waits."""
        if self.closed:
            return
        stats = self.server.stats
        stats.net_output_bytes += len(data)
        stats.writes_processed += 1
        if self.replies and self.waiting + len(data) > _WAITING:
            self.dropped += 1
        else:
            self.replies.append(data)
            self.waiting += len(data)
        self._arrived.set()

    def close(self, flush: bool = False) -> None:
        """End; the server forgets the client."""
        if not self.closed:
            self.closed = True
            self.client.flags |= CLIENT_CLOSED
            self._arrived.set()
            self.server.free_client(self.client)
            refresh_fast(self.client)

    def may_run(self) -> bool:
        """One command is sent at a time, so nothing piles up."""
        return True

    def resume_reading(self) -> None:
        """Nothing was received meanwhile."""

    def limits_changed(self) -> None:
        """The session has its own limits."""

    def when_drained(self, callback: Callable[[], None]) -> None:
        """What is written is taken at once."""
        if self.server.loop is not None:
            self.server.loop.call_soon(callback)

    def output_bytes(self) -> int:
        """Replies that nobody has taken."""
        return self.waiting

    def input_bytes(self) -> int:
        """Nothing waits to be parsed."""
        return 0

    def fileno(self) -> int:
        """There is no socket."""
        return -1
