"""Faults on demand: what a client meets, and that nothing is left of them afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import pyredis
from tests.support.waiting import PATIENCE


@pytest.fixture(params=["tcp", "unix", "in process", "inline"])
def way(request: pytest.FixtureRequest) -> Iterator[tuple[pyredis.Server, dict[str, object]]]:
    """A server, and how to reach it."""
    with pyredis.Server(listen=request.param != "inline") as server:
        options: dict[str, object] = {"socket_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}
        if request.param == "unix":
            options["unix_socket_path"] = server.unixsocket
        elif request.param == "in process":
            options["in_process"] = True
        yield server, options


Way = tuple[pyredis.Server, dict[str, object]]


def test_refuse(way: Way) -> None:
    server, options = way
    there = server.connect(**options)
    there.ping()
    server.faults.refuse()
    with pytest.raises(redis.ConnectionError):
        server.connect(**options).ping()
    assert there.ping(), "those who are there stay"
    server.faults.clear()
    assert server.connect(**options).ping(), "at the same address"
    server.faults.refuse()
    server.faults.refuse()
    server.faults.refuse(False)
    assert server.connect(**options).ping()


def test_cut(way: Way) -> None:
    server, options = way
    client = server.connect(**options)
    client.ping()
    pipe = client.pipeline()
    pipe.watch("a")
    assert server.faults.cut() >= 1
    pipe.multi()
    pipe.get("a")
    with pytest.raises((redis.ConnectionError, redis.WatchError)):
        pipe.execute()
    assert client.ping(), "the next connection is whole"


def test_replies_that_are_cut(way: Way) -> None:
    """The command has run; the client cannot know."""
    server, options = way
    client = server.connect(**options)
    client.set("n", 1)
    for after in (0, 2):
        server.faults.cut_replies(1, after)
        with pytest.raises(redis.ConnectionError):
            client.incr("n")
        client.ping()
    assert client.get("n") == b"3"
    retrying = server.connect(**{**options, "retry": Retry(NoBackoff(), 3), "retry_on_error": [redis.ConnectionError]})
    retrying.ping()
    server.faults.cut_replies()
    assert retrying.incr("n") == 5, "a client that retries what is not idempotent counts twice"


def test_delay(way: Way) -> None:
    server, options = way
    client = server.connect(**options)
    client.ping()
    server.faults.delay(0.05)
    began = time.monotonic()
    pipe = client.pipeline(transaction=False)
    for n in range(5):
        pipe.set(f"k{n}", n)
    assert pipe.execute() == [True] * 5
    assert client.mget("k0", "k4") == [b"0", b"4"], "in their order"
    assert time.monotonic() - began >= 0.08
    server.faults.delay(30)
    impatient = server.connect(**{**options, "socket_timeout": 0.05})
    with pytest.raises(redis.TimeoutError):
        impatient.ping()
    server.faults.clear()
    assert server.connect(**options).ping()


def test_errors_by_kind(way: Way) -> None:
    server, options = way
    client = server.connect(**options)
    client.set("a", 1)
    server.faults.readonly()
    with pytest.raises(redis.exceptions.ReadOnlyError):
        client.set("a", 2)
    with pytest.raises(redis.exceptions.ReadOnlyError):
        client.delete("a")
    assert client.get("a") == b"1"
    pipe = client.pipeline()
    pipe.get("a")
    pipe.set("a", 3)
    with pytest.raises((redis.exceptions.ExecAbortError, redis.exceptions.ReadOnlyError)):
        pipe.execute()
    server.faults.clear()
    server.faults.oom()
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("a", 2)
    assert client.delete("a") == 1
    server.faults.clear()
    server.faults.loading(times=2)
    for _ in range(2):
        with pytest.raises(redis.BusyLoadingError):
            client.get("a")
    assert client.get("a") is None
    server.faults.busy(times=1)
    with pytest.raises(redis.ResponseError, match="BUSY"):
        client.get("a")


def test_errors_by_command(way: Way) -> None:
    server, options = way
    client = server.connect(**options)
    server.faults.error("WRONGTYPE just because", commands=["get", "config|set"], times=2)
    server.faults.error("ERR later", commands=["get"], times=1)
    with pytest.raises(redis.ResponseError, match="just because"):
        client.get("a")
    with pytest.raises(redis.ResponseError, match="just because"):
        client.config_set("maxmemory", 0)
    with pytest.raises(redis.ResponseError, match="later"):
        client.get("a")
    assert client.set("a", 1) and client.get("a") == b"1"
    assert client.info("errorstats")["errorstat_WRONGTYPE"] == {"count": 2}


def test_nothing_is_left(way: Way) -> None:
    server, options = way
    client = server.connect(**options)
    server.faults.error("ERR x")
    server.faults.delay(1)
    server.faults.cut_replies(5)
    server.faults.refuse()
    server.faults.clear()
    assert client.set("a", 1)
    assert server.core.gates == 0 and server.core.injected is None
    assert server.connect(**options).get("a") == b"1"
