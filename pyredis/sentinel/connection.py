"""One connection to an instance: commands out, replies in, each to its callback in the order of the commands.

Commands may be sent before the connection is made; they leave once it is. Nothing here waits.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis

from pyredis.resp.command import encode_command

Reply = Any
"""bytes, int, None, a list of replies, or a ``hiredis.ReplyError``."""
Callback = Callable[[Reply], None]

_LARGEST_REPLY: Final = 64 << 20
"""Bytes of a reply that has not ended from which on the peer is not what it seems to be."""


class Endpoint:
    """Where a connection goes: ``ip`` and ``port``, from the address ``source`` if one is given, over TLS or not."""

    __slots__ = ("ip", "port", "source", "tls")

    def __init__(self, ip: str, port: int, source: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.ip = ip
        self.port = port
        self.source = source
        self.tls = tls


class Connection(asyncio.Protocol):
    """A connection and its commands. ``on_end(reason)`` is called once, unless :meth:`close` ended it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[str], None]) -> None:
        self.on_end: Callable[[str], None] | None = on_end
        self.on_message: Callback | None = None
        """Gets what is no reply to a command: messages of channels."""
        self.on_turn: Callable[[], None] | None = None
        """Called after each chunk of replies."""
        self.closed = False
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        """Commands from before the connection was made."""
        self._callbacks: deque[Callback | None] = deque()
        self._reader = hiredis.Reader()
        self._unfinished = 0
        self._task: asyncio.Task[None] | None = None

    def open(self, endpoint: Endpoint) -> None:
        """Begin to connect."""
        self._task = self._loop.create_task(self._connect(endpoint))

    async def _connect(self, to: Endpoint) -> None:
        try:
            await self._loop.create_connection(
                lambda: self,
                to.ip,
                to.port,
                ssl=to.tls,
                server_hostname="" if to.tls is not None else None,
                local_addr=(to.source, 0) if to.source else None,
            )
        except (OSError, ValueError) as e:
            self._end((e.strerror if isinstance(e, OSError) else None) or str(e))

    def call(self, argv: list[bytes], callback: Callback | None = None) -> None:
        """Send a command; ``callback`` gets its reply. There is no callback if the connection ends before."""
        if self.closed:
            return
        self._callbacks.append(callback)
        data = encode_command(argv)
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def subscribe(self, channel: bytes) -> None:
        """Send SUBSCRIBE: from now on everything that comes is a message."""
        self.call([b"SUBSCRIBE", channel])

    def local_host(self) -> str:
        """The address of our end; empty before the connection is made."""
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(name[0]) if name else ""

    def close(self) -> None:
        """End the connection; nobody is told."""
        self.on_end = self.on_message = self.on_turn = None
        self._end("")

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self._callbacks.clear()
        self._waiting.clear()
        if self._task is not None and self._transport is None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self.on_end is not None:
            self.on_end(reason)

    # --- asyncio's side ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what was asked for meanwhile."""
        self._transport = cast(asyncio.Transport, transport)
        if self.closed:
            self._transport.abort()
        elif self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has gone."""
        self._end("Server closed the connection" if exc is None else str(exc))

    def data_received(self, data: bytes) -> None:
        """Hand each reply to its callback."""
        if self.closed:
            return
        self._unfinished += len(data)
        try:
            self._reader.feed(data)
            while not self.closed:
                reply = self._reader.gets()
                if reply is False:
                    break
                self._unfinished = 0
                self._dispatch(reply)
        except hiredis.ProtocolError as e:
            self._end(f"Protocol error: {e}")
            return
        if self._unfinished > _LARGEST_REPLY:
            self._end("Reply too large")
        if self.on_turn is not None:
            self.on_turn()

    def _dispatch(self, reply: Reply) -> None:
        if self._callbacks:
            callback = self._callbacks.popleft()
            if callback is not None:
                callback(reply)
        elif self.on_message is not None:
            self.on_message(reply)
