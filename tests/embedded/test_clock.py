"""A clock that is moved: expiry, time-outs, idle times, without waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

import pyredis
from tests.support.waiting import PATIENCE


@pytest.fixture(params=[True, False], ids=["sockets", "inline"])
def server(request: pytest.FixtureRequest) -> Iterator[pyredis.Server]:
    with pyredis.Server(listen=request.param, notify_keyspace_events="KEA") as server:
        yield server


def test_keys_and_fields_expire(server: pyredis.Server) -> None:
    client = server.client
    client.set("a", 1, ex=60_000)
    client.set("b", 1, ex=61_000)
    client.hset("h", mapping={"x": 1, "y": 2})
    client.hexpire("h", 30_000, "x")
    server.clock.advance(59_000)
    assert 1000 - PATIENCE <= client.ttl("a") <= 1000
    assert client.hgetall("h") == {b"y": b"2"}
    server.clock.advance(1000)
    assert client.mget("a", "b") == [None, b"1"]
    before = client.time()[0]
    server.clock.advance(86400)
    assert 86400 <= client.time()[0] - before <= 86460


def test_expired_events_come_at_once(server: pyredis.Server) -> None:
    client = server.client
    listener = server.connect().pubsub()
    listener.psubscribe("__keyevent@0__:expired")
    assert listener.get_message(timeout=PATIENCE)
    client.set("a", 1, px=50_000)
    server.clock.advance(51)
    message = listener.get_message(timeout=PATIENCE)
    assert message is not None and message["data"] == b"a"
    assert client.dbsize() == 0


def test_blocking_commands_time_out(server: pyredis.Server) -> None:
    other = server.connect(socket_timeout=PATIENCE)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(other.blpop("queue", 600)))
    thread.start()
    while not server.client.info("clients")["blocked_clients"]:
        pass
    server.clock.advance(500)
    assert thread.is_alive() and results == [], "not yet"
    server.clock.advance(101)
    thread.join(PATIENCE)
    assert results == [None]


def test_paused_clients_go_on(server: pyredis.Server) -> None:
    server.client.client_pause(600_000, all=False)
    other = server.connect(socket_timeout=PATIENCE)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(other.set("a", 1)))
    thread.start()
    while not any(c["cmd"] == "set" for c in server.client.client_list()):
        pass
    server.clock.advance(601)
    thread.join(PATIENCE)
    assert results == [True]


def test_idle_keys(server: pyredis.Server) -> None:
    server.client.set("a", 1)
    server.client.object("idletime", "a")
    server.client.set("a", 1)
    server.clock.advance(120)
    assert 119 <= int(server.client.object("idletime", "a")) <= 120 + PATIENCE


def test_back_to_real_time(server: pyredis.Server) -> None:
    server.clock.advance(1000)
    assert server.client.time()[0] - time.time() > 1000 - PATIENCE
    server.clock.reset()
    assert abs(server.client.time()[0] - time.time()) <= PATIENCE
    server.client.set("a", 1, ex=100)
    assert 100 - PATIENCE <= server.client.ttl("a") <= 100
    with pytest.raises(ValueError, match="backwards"):
        server.clock.advance(-1)
