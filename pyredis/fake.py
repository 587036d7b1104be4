"""The names of fakeredis, with this server behind them.

``from pyredis.fake import FakeRedis``: a ``redis.Redis`` that needs no server to be started, no socket and no thread.
It speaks to a whole server, so scripts, transactions, blocking commands, ACL and every reply are those of Redis.
docs/embedding.md tells what differs from fakeredis.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final

import redis
import redis.asyncio

from pyredis.core.compat import RELEASES, version_number
from pyredis.embedded.connections import AsyncInProcessConnection, InProcessConnection
from pyredis.embedded.server import Server

__all__ = [
    "FakeAsyncConnection",
    "FakeAsyncRedis",
    "FakeConnection",
    "FakeRedis",
    "FakeServer",
    "FakeStrictRedis",
]

_by_address: Final[dict[tuple[str, int], FakeServer]] = {}
_lock = threading.Lock()
_OWN: Final = frozenset(("server", "version", "server_type", "lua_modules", "connected"))


class FakeServer:
    """What clients have in common that were made with it. ``version``: of Redis, e.g. ``(7, 2)``."""

    def __init__(self, server_type: str = "redis", version: tuple[int, ...] | str | int | None = None) -> None:
        if server_type != "redis":
            raise ValueError(f"only a Redis can be had, no {server_type}")
        release: dict[str, Any] = {} if version is None else {"compat_version": _release(version)}
        self.server = Server(listen=False, **release).start()
        weakref.finalize(self, self.server.stop)

    @property
    def connected(self) -> bool:
        """False: clients meet ``ConnectionError``, as if the server were gone."""
        return not self.server.faults.refusing

    @connected.setter
    def connected(self, value: bool) -> None:
        self.server.faults.refuse(not value)
        if not value:
            self.server.faults.cut()

    @staticmethod
    def of_address(
        host: str, port: int, server_type: str = "redis", version: tuple[int, ...] | str | int | None = None
    ) -> FakeServer:
        """The one that all clients with this address share; the first of them chooses its version."""
        with _lock:
            server = _by_address.get((host, port))
            if server is None:
                server = _by_address[(host, port)] = FakeServer(server_type, version)
            return server


def _release(version: tuple[int, ...] | str | int) -> str:
    """The newest release that is not above ``version``: 7 is 7.x."""
    parts = version.split(".") if isinstance(version, str) else version if isinstance(version, tuple) else (version,)
    numbers = [int(part) for part in parts][:2]
    wanted = version_number(f"{numbers[0]}.{numbers[1]}") if len(numbers) > 1 else numbers[0] * 100 + 99
    fitting = [name for name in RELEASES if version_number(name) <= wanted]
    if not fitting:
        raise ValueError(f"no Redis {version}; the oldest is {min(RELEASES, key=version_number)}")
    return max(fitting, key=version_number)


def _server_of(options: dict[str, Any]) -> Server:
    """The server that a connection's options mean; takes them out."""
    server = options.pop("server", None)
    if server is None:
        server = FakeServer.of_address(options.get("host", "localhost"), int(options.get("port", 6379)))
    options["_keep"] = server
    return server.server if isinstance(server, FakeServer) else server


class FakeConnection(InProcessConnection):
    """For pools: ``ConnectionPool(connection_class=FakeConnection, server=FakeServer())``.

    Without a ``server``, connections with the same host and port share one.
    """

    def __init__(self, **options: Any) -> None:
        server = _server_of(options)
        self.fake_server = options.pop("_keep")
        super().__init__(server=server, **_without_sockets(options))


class FakeAsyncConnection(AsyncInProcessConnection):
    """The same for ``redis.asyncio``."""

    def __init__(self, **options: Any) -> None:
        server = _server_of(options)
        self.fake_server = options.pop("_keep")
        super().__init__(server=server, **_without_sockets(options))


def _without_sockets(options: dict[str, Any]) -> dict[str, Any]:
    """Without what only a unix socket or TLS needs."""
    return {name: value for name, value in options.items() if name != "path" and not name.startswith("ssl")}


class _Own:
    """The options that are ours, not redis-py's. Raises ValueError for what cannot be had."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.server: FakeServer | Server | None = options.get("server")
        self.version: Any = options.get("version")
        self.server_type: str = options.get("server_type", "redis")
        self.connected: bool = options.get("connected", True)
        if options.get("lua_modules"):
            raise ValueError("scripts have the libraries of Redis, and no others")

    def shared(self, host: str, port: int) -> FakeServer:
        """The server of an address; whoever names it first chooses its version."""
        return FakeServer.of_address(host, port, self.server_type, self.version)

    def disconnect(self, server: FakeServer | Server | None) -> None:
        """``connected=False``."""
        if not self.connected and isinstance(server, FakeServer):
            server.connected = False


def _take_out(options: dict[str, Any]) -> _Own:
    return _Own({name: options.pop(name) for name in _OWN if name in options})


def _prepare(args: tuple[Any, ...], options: dict[str, Any]) -> FakeServer | Server | None:
    """The server of a client to be made with these arguments; None if its pool knows better. Takes our own out."""
    own = _take_out(options)
    server: FakeServer | Server | None = own.server
    if server is None and options.get("connection_pool") is None:
        host = args[0] if args else options.get("host")
        if host:
            port = args[1] if len(args) > 1 else options.get("port", 6379)
            server = own.shared(str(host), int(port))
        else:
            server = FakeServer(own.server_type, own.version)
    own.disconnect(server)
    return server


def _prepare_pool(pool: Any, own: _Own, connection: type) -> None:
    """Have a pool that was made from a URL lead to the server that our own options mean."""
    server = own.server
    if server is None:
        where = pool.connection_kwargs
        server = own.shared(str(where.get("host") or where.get("path") or "localhost"), int(where.get("port", 6379)))
    own.disconnect(server)
    _take_over(pool, server, connection)


def _take_over(pool: Any, server: FakeServer | Server | None, connection: type) -> None:
    """Have a pool make our connections."""
    if not issubclass(pool.connection_class, InProcessConnection | AsyncInProcessConnection):
        pool.connection_class = connection
    if server is not None:
        pool.connection_kwargs["server"] = server


class FakeRedis(redis.Redis):
    """``redis.Redis`` with a server of its own (or ``server=``, or the one of its ``host`` and ``port``)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        server = _prepare(args, options)
        single = options.pop("single_connection_client", False)
        super().__init__(*args, **options)
        _take_over(self.connection_pool, server, FakeConnection)
        if single:
            pool: Any = self.connection_pool
            try:
                self.connection = pool.get_connection()
            except TypeError:  # redis-py 5 wants to know what for
                self.connection = pool.get_connection("_")

    @classmethod
    def from_url(cls, url: str, **options: Any) -> FakeRedis:
        """As ``redis.Redis.from_url``; the same host and port mean the same server, unless ``server`` is given."""
        own = _take_out(options)
        single = options.pop("single_connection_client", False)
        pool = redis.ConnectionPool.from_url(url, **options)
        _prepare_pool(pool, own, FakeConnection)
        client = cls(connection_pool=pool, single_connection_client=single)
        client.auto_close_connection_pool = True
        return client


class FakeStrictRedis(FakeRedis):
    """Another name of old."""


class FakeAsyncRedis(redis.asyncio.Redis):
    """``redis.asyncio.Redis`` in the same way."""

    def __init__(self, *args: Any, **options: Any) -> None:
        server = _prepare(args, options)
        super().__init__(*args, **options)
        _take_over(self.connection_pool, server, FakeAsyncConnection)

    @classmethod
    def from_url(cls, url: str, *args: Any, **options: Any) -> FakeAsyncRedis:
        """As ``redis.asyncio.Redis.from_url``."""
        own = _take_out(options)
        if args:
            raise TypeError("from_url takes options by name")
        single = options.pop("single_connection_client", False)
        pool = redis.asyncio.ConnectionPool.from_url(url, **options)
        _prepare_pool(pool, own, FakeAsyncConnection)
        client = cls(connection_pool=pool, single_connection_client=single)
        client.auto_close_connection_pool = True
        return client
