"""The names of fakeredis: clients with servers of their own, shared servers, URLs, versions, servers that are gone."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import pytest
import redis
import redis.asyncio

from pyredis.embedded.server import Server
from pyredis.fake import (
    FakeAsyncConnection,
    FakeAsyncRedis,
    FakeConnection,
    FakeRedis,
    FakeServer,
    FakeStrictRedis,
)
from tests.support.waiting import wait_until


def test_each_has_a_server_of_its_own() -> None:
    one, two = FakeRedis(), FakeStrictRedis()
    one.set("a", 1)
    assert two.get("a") is None and one.get("a") == b"1"
    assert isinstance(one, redis.Redis)


def test_a_shared_server() -> None:
    server = FakeServer()
    one, two = FakeRedis(server=server), FakeRedis(server=server, decode_responses=True)
    one.set("a", "ü")
    assert two.get("a") == "ü"
    assert FakeRedis(server=server, db=1).get("a") is None
    assert FakeRedis(connection_pool=one.connection_pool).get("a") == "ü".encode()


def test_a_server_with_sockets_can_be_had_too() -> None:
    with Server() as server:
        fake = FakeRedis(server=server)
        fake.set("a", 1)
        assert redis.Redis(port=server.port).get("a") == b"1"


def test_addresses_are_shared() -> None:
    FakeRedis(host="cache.example", port=7000).set("a", 1)
    assert FakeRedis("cache.example", 7000).get("a") == b"1"
    assert FakeRedis(host="cache.example", port=7001).get("a") is None
    assert FakeRedis.from_url("redis://cache.example:7000/0", decode_responses=True).get("a") == "1"
    assert FakeRedis.from_url("redis://cache.example:7000/1").get("a") is None
    server = FakeServer()
    assert FakeRedis.from_url("redis://cache.example:7000/0", server=server).get("a") is None
    assert FakeRedis.from_url("rediss://cache.example:7000/0").get("a") == b"1"
    assert FakeRedis.from_url("unix://tmp/x?db=0", server=server).ping()


def test_urls_with_options() -> None:
    """What a client takes, from_url takes, too."""
    version = FakeRedis.from_url("redis://versions:1/0", version=(7, 0)).info("server")["redis_version"]
    assert version == "7.0.15" == FakeRedis(host="versions", port=1).info("server")["redis_version"]
    gone = FakeRedis.from_url("redis://gone:1/0", connected=False)
    with pytest.raises(redis.ConnectionError):
        gone.ping()
    with pytest.raises(ValueError):
        FakeRedis.from_url("redis://other:1/0", server_type="valkey")
    single = FakeRedis.from_url("redis://single:1/0", single_connection_client=True)
    assert single.client_id() == single.client_id() and single.connection is not None


async def test_urls_with_options_for_asyncio() -> None:
    client = FakeAsyncRedis.from_url("redis://aversions:1/0", version="7.2", single_connection_client=True)
    assert (await client.info("server"))["redis_version"].startswith("7.2")
    await client.aclose()
    gone = FakeAsyncRedis.from_url("redis://agone:1/0", connected=False)
    with pytest.raises(redis.ConnectionError):
        await gone.ping()


def test_pools_of_our_connections() -> None:
    server = FakeServer()
    pool = redis.ConnectionPool(connection_class=FakeConnection, server=server, max_connections=2)
    assert redis.Redis(connection_pool=pool).set("a", 1)
    by_url = redis.ConnectionPool.from_url("redis://here:1", connection_class=FakeConnection)
    redis.Redis(connection_pool=by_url).set("b", 2)
    assert FakeRedis(host="here", port=1).get("b") == b"2"
    blocking = redis.BlockingConnectionPool(connection_class=FakeConnection, server=server)
    assert redis.Redis(connection_pool=blocking).get("a") == b"1"
    assert FakeRedis(server=server, single_connection_client=True).get("a") == b"1"


async def test_async() -> None:
    server = FakeServer()
    client = FakeAsyncRedis(server=server, decode_responses=True)
    await client.set("a", "1")
    assert await client.get("a") == "1"
    assert FakeRedis(server=server).get("a") == b"1"
    pool = redis.asyncio.ConnectionPool(connection_class=FakeAsyncConnection, server=server)
    other = redis.asyncio.Redis(connection_pool=pool)
    assert await other.get("a") == b"1"
    async with other.pipeline() as pipe:
        assert await pipe.incr("n").incr("n").execute() == [1, 2]
    by_url = FakeAsyncRedis.from_url("redis://there:1/0")
    await by_url.set("c", 1)
    assert FakeRedis(host="there", port=1).get("c") == b"1"
    for each in (client, other, by_url):
        await each.aclose()
    await pool.disconnect()


def test_a_server_that_is_gone() -> None:
    server = FakeServer()
    client = FakeRedis(server=server)
    client.set("a", 1)
    server.connected = False
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    with pytest.raises(redis.ConnectionError):
        FakeRedis(server=server).ping()
    assert not server.connected
    server.connected = True
    assert client.get("a") == b"1"
    with pytest.raises(redis.ConnectionError):
        FakeRedis(connected=False).ping()


def test_versions() -> None:
    versions = {(7,): "7.4", (7, 0): "7.0", "7.2": "7.2", 8: "8."}
    for wanted, told in versions.items():
        assert FakeRedis(version=wanted).info("server")["redis_version"].startswith(told)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        FakeRedis(version=(7, 0)).hexpire("h", 1, "f")
    with pytest.raises(ValueError, match="oldest"):
        FakeRedis(version=(5,))
    with pytest.raises(ValueError, match="dragonfly"):
        FakeServer(server_type="dragonfly")


def test_what_takes_more_than_a_dictionary() -> None:
    client = FakeRedis(decode_responses=True)
    assert client.eval("return cjson.encode({redis.call('incr', KEYS[1]), ARGV[1]})", 1, "n", "x") == '[1,"x"]'
    with client.lock("lock", timeout=5):
        assert client.exists("lock")
    thread = threading.Thread(target=client.rpush, args=("queue", "job"))
    thread.start()
    assert list(client.blpop(["queue"], 60)) == ["queue", "job"]
    thread.join()
    client.xadd("s", {"a": 1}, id="1-1")
    client.xgroup_create("s", "g", "0")
    assert client.xreadgroup("g", "c", {"s": ">"}) == [["s", [("1-1", {"a": "1"})]]]
    client.geoadd("geo", [13.361389, 38.115556, "Palermo"])
    assert client.geohash("geo", "Palermo") == ["sqc8b49rny0"]
    client.acl_setuser("bob", enabled=True, passwords=["+x"], commands=["+get"], keys=["*"])
    with pytest.raises(redis.exceptions.NoPermissionError):
        FakeRedis(
            connection_pool=redis.ConnectionPool(
                connection_class=FakeConnection,
                server=client.connection_pool.connection_kwargs["server"],
                username="bob",
                password="x",
            )
        ).set("a", 1)


def test_nothing_is_left_of_those_that_are_forgotten() -> None:
    servers = []
    directories = []
    for _ in range(5):
        client = FakeRedis()
        client.set("a", 1)
        servers.append(weakref.ref(client.connection_pool.connection_kwargs["server"].server.core))
        directories.append(client.connection_pool.connection_kwargs["server"].server.directory)
    del client

    def gone() -> bool:
        gc.collect()  # what a finalizer lets go is collected the next time
        return all(server() is None for server in servers) and not any(map(os.path.exists, directories))

    wait_until(gone)
