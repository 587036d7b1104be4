"""redis-py on ours and on redis-server: RESP2 and RESP3, plain and asyncio, its own parsers and hiredis.

Whatever a call returns or raises must be the same from both.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis._parsers import (
    _AsyncHiredisParser,
    _AsyncRESP2Parser,
    _AsyncRESP3Parser,
    _HiredisParser,
    _RESP2Parser,
    _RESP3Parser,
)

from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def call(name: str, *args: Any, **kwargs: Any) -> Call:
    return name, args, kwargs


CALLS: dict[str, list[Call]] = {
    "strings": [
        call("set", "k", "v"),
        call("get", "k"),
        call("set", "k", "w", nx=True),
        call("set", "k", "w", ex=100, get=True),
        call("ttl", "k"),
        call("append", "k", b"\x00\xff"),
        call("strlen", "k"),
        call("getrange", "k", 0, 1),
        call("setrange", "k", 5, "x"),
        call("mset", {"a": 1, "b": "2", "c": 3.5}),
        call("mget", "a", "b", "nokey", "c"),
        call("msetnx", {"a": 1}),
        call("incrby", "a", 5),
        call("decr", "a"),
        call("incrbyfloat", "c", 0.1),
        call("getdel", "b"),
        call("getex", "a", px=100000),
        call("lcs", "a", "c"),
        call("incr", "k"),
        call("get", "nokey"),
    ],
    "lists": [
        call("rpush", "l", *range(6)),
        call("lpush", "l", "x"),
        call("lrange", "l", 0, -1),
        call("lpop", "l"),
        call("rpop", "l", 2),
        call("lindex", "l", 1),
        call("linsert", "l", "before", "2", "y"),
        call("lset", "l", 0, "z"),
        call("lrem", "l", 1, "y"),
        call("ltrim", "l", 0, 2),
        call("lpos", "l", "2"),
        call("lmove", "l", "m", "LEFT", "RIGHT"),
        call("lmpop", 2, "nokey", "l", direction="LEFT", count=2),
        call("lpop", "nokey", 3),
        call("llen", "m"),
        call("blpop", ["nokey", "m"], 1),
        call("blmove", "nokey", "m", 0.01),
        call("get", "l"),
    ],
    "sets": [
        call("sadd", "s", 1, 2, 3),
        call("sadd", "t", 3),
        call("smembers", "t"),
        call("sismember", "s", 2),
        call("smismember", "s", [1, 9]),
        call("sinter", "s", "t"),
        call("sdiffstore", "d", "s", "t"),
        call("scard", "d"),
        call("sintercard", 2, ["s", "t"]),
        call("smove", "s", "t", 1),
        call("srem", "s", 2, 9),
        call("spop", "t", 5),
        call("sunion", "nokey"),
    ],
    "hashes": [
        call("hset", "h", "f", 1),
        call("hset", "h", mapping={"g": 2.5, "i": "x"}),
        call("hget", "h", "f"),
        call("hmget", "h", ["f", "nofield"]),
        call("hgetall", "h"),
        call("hgetall", "nokey"),
        call("hincrby", "h", "f", 4),
        call("hincrbyfloat", "h", "g", 0.25),
        call("hkeys", "h"),
        call("hvals", "h"),
        call("hexists", "h", "f"),
        call("hsetnx", "h", "f", 2),
        call("hstrlen", "h", "g"),
        call("hdel", "h", "f", "nofield"),
        call("hlen", "h"),
    ],
    "sorted sets": [
        call("zadd", "z", {"a": 1, "b": 2.5, "c": float("inf")}),
        call("zadd", "z", {"a": 5}, gt=True, ch=True),
        call("zadd", "z", {"a": 5}, incr=True),
        call("zrange", "z", 0, -1, withscores=True),
        call("zrange", "z", 0, -1, desc=True),
        call("zrangebyscore", "z", "-inf", 5, withscores=True),
        call("zrevrank", "z", "a"),
        call("zrank", "z", "nomember"),
        call("zscore", "z", "b"),
        call("zmscore", "z", ["a", "nomember"]),
        call("zincrby", "z", 1.5, "b"),
        call("zcount", "z", 2, 5),
        call("zpopmin", "z"),
        call("zpopmax", "z", 2),
        call("zadd", "y", {"m": 1, "n": 2}),
        call("zunion", ["y", "z"], withscores=True),
        call("zinter", {"y": 2}, withscores=True),
        call("zdiff", ["y", "z"]),
        call("zrangestore", "x", "y", 0, -1),
        call("zmpop", 2, ["nokey", "x"], min=True, count=1),
        call("bzpopmin", ["nokey", "x"], 1),
        call("zrandmember", "y", 2, withscores=True),
        call("zremrangebyscore", "y", 0, 9),
    ],
    "keys": [
        call("mset", {"a": 1, "b": 2}),
        call("exists", "a", "b", "c"),
        call("expire", "a", 100),
        call("pexpire", "a", 100000, nx=True),
        call("persist", "a"),
        call("type", "a"),
        call("rename", "a", "c"),
        call("renamenx", "c", "b"),
        call("copy", "c", "d"),
        call("object", "encoding", "d"),
        call("keys", "[bc]"),
        call("dbsize"),
        call("touch", "b", "c"),
        call("unlink", "b", "c"),
        call("scan", 0, count=100),
        call("rename", "nokey", "x"),
        call("expiretime", "d"),
        call("move", "d", 3),
    ],
    "connection and server": [
        call("ping"),
        call("echo", "x"),
        call("client_setname", "me"),
        call("client_getname"),
        call("client_no_evict", "ON"),
        call("client_trackinginfo"),
        call("client_kill_filter", _id=123456789),
        call("client_unblock", 123456789),
        call("client_pause", 0),
        call("client_unpause"),
        call("config_get", "maxmemory-samples"),
        call("config_get", "hash-max-listpack-*"),
        call("config_set", "nonsense", 1),
        call("command_count_of_nothing"),
        call("command_getkeys", "mset", "a", 1, "b", 2),
        call("config_set", "slowlog-log-slower-than", -1),  # else what was interrupted for 10 ms is in it
        call("slowlog_reset"),
        call("slowlog_len"),
        call("config_set", "slowlog-log-slower-than", 10000),
        call("role"),
        call("pubsub_channels"),
        call("pubsub_numsub", "a", "b"),
        call("pubsub_numpat"),
        call("publish", "a", "b"),
        call("flushdb"),
        call("swapdb", 0, 1),
        call("wait", 0, 10),
    ],
}
SETS = {"smembers", "sinter", "spop", "keys", "hkeys", "hvals", "sunion", "scan", "zrandmember"}

PARSERS = {
    ("plain", "python", 2): _RESP2Parser,
    ("plain", "python", 3): _RESP3Parser,
    ("plain", "hiredis", 2): _HiredisParser,
    ("plain", "hiredis", 3): _HiredisParser,
    ("asyncio", "python", 2): _AsyncRESP2Parser,
    ("asyncio", "python", 3): _AsyncRESP3Parser,
    ("asyncio", "hiredis", 2): _AsyncHiredisParser,
    ("asyncio", "hiredis", 3): _AsyncHiredisParser,
}


@pytest.fixture(params=["python", "hiredis"])
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[2, 3])
def protocol(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def plain(server: ServerProcess, parser: str, protocol: int) -> redis.Redis:
    pool = redis.ConnectionPool(
        host=server.host, port=server.port, protocol=protocol, parser_class=PARSERS["plain", parser, protocol]
    )
    return redis.Redis(connection_pool=pool)


def by_asyncio(server: ServerProcess, parser: str, protocol: int) -> redis.asyncio.Redis:
    pool = redis.asyncio.ConnectionPool(
        host=server.host, port=server.port, protocol=protocol, parser_class=PARSERS["asyncio", parser, protocol]
    )
    return redis.asyncio.Redis(connection_pool=pool)


def shown(name: str, result: Any) -> object:
    """What is compared: the result with its types; of what has no order the sorted items."""
    if name == "ttl" and isinstance(result, int) and 100 - PATIENCE <= result <= 100:
        return "100 seconds, or what is left of them"
    if name in SETS and isinstance(result, (list, set, tuple)):
        return sorted(map(repr, result))
    if isinstance(result, dict):
        return sorted((repr(key), repr(value)) for key, value in result.items())
    if isinstance(result, Exception):
        return type(result).__name__, str(result)
    return repr(result)


@pytest.mark.parametrize("group", sorted(CALLS))
def test_plain(server: ServerProcess, oracle: ServerProcess, parser: str, protocol: int, group: str) -> None:
    found = []
    for one in (server, oracle):
        client = plain(one, parser, protocol)
        results = []
        for name, args, kwargs in CALLS[group]:
            try:
                result = getattr(client, name)(*args, **kwargs)
            except (redis.RedisError, AttributeError) as e:
                result = e
            results.append((name, shown(name, result)))
        client.close()
        found.append(results)
    assert found[0] == found[1]


@pytest.mark.parametrize("group", sorted(CALLS))
async def test_asyncio(server: ServerProcess, oracle: ServerProcess, parser: str, protocol: int, group: str) -> None:
    found = []
    for one in (server, oracle):
        client = by_asyncio(one, parser, protocol)
        results = []
        for name, args, kwargs in CALLS[group]:
            try:
                result = await getattr(client, name)(*args, **kwargs)
            except (redis.RedisError, AttributeError) as e:
                result = e
            results.append((name, shown(name, result)))
        await client.aclose()
        found.append(results)
    assert found[0] == found[1]


@pytest.fixture
def client(newest: ServerProcess, parser: str, protocol: int) -> Iterator[redis.Redis]:
    made = plain(newest, parser, protocol)
    yield made
    made.close()


@pytest.fixture
async def aclient(newest: ServerProcess, parser: str, protocol: int) -> AsyncIterator[redis.asyncio.Redis]:
    made = by_asyncio(newest, parser, protocol)
    yield made
    await made.aclose()


def test_scan_iterators(client: redis.Redis) -> None:
    client.mset({f"k{i}": i for i in range(500)})
    client.sadd("s", *range(500))
    client.hset("h", mapping={f"f{i}": i for i in range(500)})
    client.zadd("z", {f"m{i}": i for i in range(500)})
    assert len(set(client.scan_iter(match="k*", count=50))) == 500
    assert len(set(client.scan_iter(_type="zset"))) == 1
    assert {int(member) for member in client.sscan_iter("s")} == set(range(500))
    assert dict(client.hscan_iter("h", match="f1?")) == {b"f1%d" % i: b"1%d" % i for i in range(10)}
    assert dict(client.zscan_iter("z"))[b"m499"] == 499.0


def test_pipelines_and_transactions(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipe:
        pipe.set("a", 1).incr("a").lpush("a", "x").get("a")
        results = pipe.execute(raise_on_error=False)
    assert results[:2] == [True, 2]
    assert isinstance(results[2], redis.ResponseError)
    assert results[3] == b"2"
    with client.pipeline() as pipe:
        pipe.watch("a")
        client.set("a", 10)
        pipe.multi()
        pipe.incr("a")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("a").incr("a"), "a") == [11, 12]
    with client.pipeline() as pipe:
        pipe.hset("h", "f", "v").hgetall("h").zadd("z", {"m": 1.5}).zrange("z", 0, -1, withscores=True)
        first, whole, added, pairs = pipe.execute()
    assert (first, whole, added) == (1, {b"f": b"v"}, 1)
    assert [tuple(pair) for pair in pairs] == [(b"m", 1.5)]


def test_pubsub(client: redis.Redis) -> None:
    with client.pubsub() as listener:
        listener.subscribe("news", "other")
        listener.psubscribe("n*")
        kinds = [listener.get_message(timeout=PATIENCE) for _ in range(3)]
        assert [(m["type"], m["data"]) for m in kinds if m] == [("subscribe", 1), ("subscribe", 2), ("psubscribe", 3)]
        assert client.publish("news", "hello") == 2
        got = [listener.get_message(timeout=PATIENCE) for _ in range(2)]
        assert [(m["type"], m["channel"], m["data"]) for m in got if m] == [
            ("message", b"news", b"hello"),
            ("pmessage", b"news", b"hello"),
        ]
        listener.ping()
        assert (listener.get_message(timeout=PATIENCE) or {})["type"] == "pong"
        listener.unsubscribe()
        listener.punsubscribe()
        assert {(listener.get_message(timeout=PATIENCE) or {})["type"] for _ in range(3)} == {
            "unsubscribe",
            "punsubscribe",
        }
    assert client.pubsub_numsub("news") == [(b"news", 0)]


def test_waiting(client: redis.Redis, newest: ServerProcess, parser: str, protocol: int) -> None:
    got: list[Any] = []
    other = plain(newest, parser, protocol)
    waiter = threading.Thread(target=lambda: got.append(other.blpop(["a", "b"], 60)))
    waiter.start()
    while not client.info("clients")["blocked_clients"]:
        pass
    client.rpush("b", "x")
    waiter.join(PATIENCE)
    other.close()
    assert [tuple(pair) for pair in got] == [(b"b", b"x")]


def test_lock(client: redis.Redis, protocol: int) -> None:
    """The parts of a lock that need no script."""
    assert client.set("lock", "token", nx=True, px=10000)
    assert client.set("lock", "other", nx=True, px=10000) is None
    with client.pipeline() as pipe:
        pipe.watch("lock")
        assert pipe.get("lock") == b"token"
        pipe.multi()
        pipe.delete("lock")
        assert pipe.execute() == [1]
    assert client.set("lock", "other", nx=True)


def test_client_list(client: redis.Redis) -> None:
    client.client_setname("me")
    mine = client.client_info()
    assert mine["name"] == "me"
    assert mine["lib-name"].startswith("redis-py")
    assert mine["id"] == client.client_id()
    assert int(mine["qbuf"]) > 0
    assert mine["cmd"] == "client|info"
    assert any(one["id"] == str(mine["id"]) for one in client.client_list(_type="normal"))


async def test_asyncio_pipeline_pubsub_and_waiting(aclient: redis.asyncio.Redis) -> None:
    async with aclient.pipeline() as pipe:
        assert await pipe.set("a", 1).incr("a").execute() == [True, 2]
    async with aclient.pubsub() as listener:
        await listener.subscribe("news")
        assert (await listener.get_message(timeout=PATIENCE) or {})["type"] == "subscribe"
        await aclient.publish("news", "hello")
        assert (await listener.get_message(timeout=PATIENCE) or {})["data"] == b"hello"
    waiter = asyncio.create_task(aclient.blpop(["q"], 60))
    while not (await aclient.info("clients"))["blocked_clients"]:
        await asyncio.sleep(0)
    await aclient.rpush("q", "x")
    assert tuple(await waiter) == (b"q", b"x")
    assert {key async for key in aclient.scan_iter()} == {b"a"}
