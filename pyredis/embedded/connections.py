"""redis-py on a server in the same process: connections, pools and clients without a socket.

``redis.Redis(connection_pool=pool(server))`` talks to the dispatcher directly, byte for byte what a socket would carry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis
import redis.asyncio
from redis.asyncio.connection import Connection as _AsyncBase
from redis.connection import Connection as _Base

from pyredis.embedded.wires import WireSocket, open_wire

if TYPE_CHECKING:
    from pyredis.embedded.server import Server

T = TypeVar("T")


class InProcessConnection(_Base):
    """A blocking connection of redis-py. ``server`` is where to."""

    def __init__(self, *, server: Server, **options: Any) -> None:
        self.server = server
        options.pop("host", None)
        options.pop("port", None)
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("in_process", True), ("db", self.db)]

    def _connect(self) -> Any:
        server = self.server
        if server.stopped:
            raise ConnectionRefusedError(111, "the server is not running")
        return WireSocket(server.place, server.new_protocol, self.socket_timeout)

    def can_read(self, timeout: float | None = 0) -> bool:
        """Whether there is something to read; there is no socket that could be polled."""
        sock: Any = self._sock
        if sock is None:
            self.connect()  # type: ignore[no-untyped-call]
            sock = self._sock
        parser: Any = self._parser
        reader = getattr(parser, "_reader", None)
        if reader is not None:
            if reader.has_data():
                return True
        elif parser._buffer is not None and parser._buffer.unread_bytes():
            return True
        if not sock.wait_readable(timeout):
            return False
        if sock.ended():
            self.disconnect()  # type: ignore[no-untyped-call]
            raise redis.ConnectionError("Connection closed by server.")
        return True


class AsyncInProcessConnection(_AsyncBase):
    """A connection of redis-py's asyncio half."""

    def __init__(self, *, server: Server, **options: Any) -> None:
        self.server = server
        options.pop("host", None)
        options.pop("port", None)
        super().__init__(**options)

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("in_process", True), ("db", self.db)]

    def __del__(self, _warnings: Any = None) -> None:
        """Close silently: nothing of the system's is kept open, so nobody needs a warning."""
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()
            self._reader = self._writer = None

    async def _connect(self) -> None:
        server = self.server
        if server.stopped:
            raise ConnectionRefusedError(111, "the server is not running")
        reader, writer = open_wire(server.place, server.new_protocol)
        self._reader, self._writer = reader, writer  # type: ignore[assignment]


def pool(server: Server, **options: Any) -> redis.ConnectionPool:
    """A pool of connections without sockets; ``options`` as of ``redis.Connection``."""
    return redis.ConnectionPool(connection_class=InProcessConnection, server=server, **options)


def async_pool(server: Server, **options: Any) -> redis.asyncio.ConnectionPool:
    """The same for asyncio."""
    return redis.asyncio.ConnectionPool(connection_class=AsyncInProcessConnection, server=server, **options)


def _address(server: Server) -> dict[str, Any]:
    """Where a client finds the server's socket, and how it gets in."""
    if server.has_port():
        return {"host": server.host, "port": server.port}
    return {"unix_socket_path": server.unixsocket}


def connect(server: Server, in_process: bool, options: dict[str, Any]) -> redis.Redis:
    """A client; it knows the server's password."""
    return _connect(redis.Redis, pool, server, in_process, options)


def connect_async(server: Server, in_process: bool, options: dict[str, Any]) -> redis.asyncio.Redis:
    """The same for asyncio."""
    return _connect(redis.asyncio.Redis, async_pool, server, in_process, options)


def _connect(kind: type[T], make_pool: Callable[..., Any], server: Server, in_process: bool, options: Any) -> T:
    """A client of a class of redis-py, by the server's socket or with a pool of connections without one."""
    options = {**_password(server), **options}
    if not in_process:
        return kind(**{**_address(server), **options})
    template: Any = kind(**options)
    make_client: Any = kind
    client = make_client(connection_pool=make_pool(server, **template.connection_pool.connection_kwargs))
    client.auto_close_connection_pool = True
    return cast(T, client)


def _password(server: Server) -> dict[str, Any]:
    password = server.core.config.requirepass
    return {"password": password} if password else {}
