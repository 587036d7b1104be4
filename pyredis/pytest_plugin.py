"""Fixtures for pytest, there as soon as pyredis is installed.

===================================  ===============================================================================
``pyredis_server``                   a server of the test's own, with its sockets (:class:`pyredis.Server`)
``redis_client``                     a ``redis.Redis`` connected to it
``redis_async_client``               a ``redis.asyncio.Redis`` on it
``pyredis_session_server``           one server for the session (of each worker of xdist)
``redis_session_client``             a client of that one, which is emptied before the test
``redis_async_session_client``       the same for asyncio
``redis_sentinel_set``               a master, a replica and three sentinels of the test's own
``redis_session_sentinel_set``       one such set for the session, which is as new for every test
``pyredis_factory``                  makes servers: ``pyredis_factory(maxmemory="1mb")``; they end with the test
===================================  ===============================================================================

``@pytest.mark.pyredis(appendonly=True)`` gives the test's own server directives; the ini option ``pyredis_directives``
(lines of ``name value``) those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from pyredis.embedded.sentinels import SentinelSet
    from pyredis.embedded.server import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    parser.addini("pyredis_directives", "lines of redis.conf for the servers of the fixtures", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", "pyredis(**directives): the configuration of the test's own pyredis_server")


def _directives(config: pytest.Config) -> dict[str, Any]:
    """The ini option as arguments of a server; a name that comes again has several lines."""
    found: dict[str, Any] = {}
    for line in config.getini("pyredis_directives"):
        name, _, value = line.strip().partition(" ")
        name = name.replace("-", "_")
        if name in found:
            earlier = found[name] if isinstance(found[name], list) else [found[name]]
            found[name] = [*earlier, value.strip()]
        else:
            found[name] = value.strip()
    return found


def _start(directives: dict[str, Any]) -> Server:
    from pyredis.embedded.server import Server

    return Server(**directives).start()


@pytest.fixture
def pyredis_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Makes servers that end with the test; the arguments of ``pyredis.Server``."""
    servers: list[Server] = []

    def make(**directives: Any) -> Server:
        server = _start({**_directives(request.config), **directives})
        servers.append(server)
        return server

    yield make
    for server in reversed(servers):
        server.stop()


@pytest.fixture
def pyredis_server(request: pytest.FixtureRequest, pyredis_factory: Callable[..., Server]) -> Server:
    """A server of the test's own."""
    directives: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("pyredis"))):
        directives.update(marker.kwargs)
    return pyredis_factory(**directives)


@pytest.fixture
def redis_client(pyredis_server: Server) -> redis.Redis:
    """A client of the test's own server."""
    client: redis.Redis = pyredis_server.connect()
    return client


@pytest.fixture
def redis_async_client(pyredis_server: Server) -> redis.asyncio.Redis:
    """An asyncio client of the test's own server. It needs no closing, whichever loop used it."""
    client: redis.asyncio.Redis = pyredis_server.connect_async(in_process=True)
    return client


@pytest.fixture(scope="session")
def pyredis_session_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for all tests; with xdist one for each worker, as every worker is a process."""
    server = _start(_directives(request.config))
    yield server
    server.stop()


@pytest.fixture
def redis_session_client(pyredis_session_server: Server) -> Iterator[redis.Redis]:
    """A client of the session's server, which is as new."""
    pyredis_session_server.reset()
    client: redis.Redis = pyredis_session_server.connect()
    yield client
    client.close()


@pytest.fixture
def redis_async_session_client(pyredis_session_server: Server) -> redis.asyncio.Redis:
    """An asyncio client of the session's server, which is as new."""
    pyredis_session_server.reset()
    client: redis.asyncio.Redis = pyredis_session_server.connect_async(in_process=True)
    return client


@pytest.fixture
def redis_sentinel_set() -> Iterator[SentinelSet]:
    """A master, a replica and three sentinels that agree about them."""
    from pyredis.embedded.sentinels import SentinelSet

    with SentinelSet() as found:
        yield found


@pytest.fixture(scope="session")
def _pyredis_sentinel_set() -> Iterator[SentinelSet]:
    from pyredis.embedded.sentinels import SentinelSet

    with SentinelSet() as found:
        yield found


@pytest.fixture
def redis_session_sentinel_set(_pyredis_sentinel_set: SentinelSet) -> SentinelSet:
    """One set for all tests (of a worker of xdist): empty, and whole again if the test before broke it."""
    _pyredis_sentinel_set.reset()
    return _pyredis_sentinel_set
