"""A clock that is moved: expiry, time-outs, idle times, without waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import pyredis


@pytest.fixture(params=[True, False], ids=["sockets", "inline"])
def server(request: pytest.FixtureRequest) -> Iterator[pyredis.Server]:
    with pyredis.Server(listen=request.param, notify_keyspace_events="KEA") as server:
        yield server


def test_keys_and_fields_expire(server: pyredis.Server) -> None:
    client = server.client
    client.set("a", 1, ex=60)
    client.set("b", 1, ex=61)
    client.hset("h", mapping={"x": 1, "y": 2})
    client.hexpire("h", 30, "x")
    server.clock.advance(59)
    assert client.ttl("a") == 1
    assert client.hgetall("h") == {b"y": b"2"}
    server.clock.advance(1)
    assert client.mget("a", "b") == [None, b"1"]
    before = client.time()[0]
    server.clock.advance(86400)
    assert 86400 <= client.time()[0] - before <= 86460


def test_expired_events_come_at_once(server: pyredis.Server) -> None:
    client = server.client
    listener = server.connect().pubsub()
    listener.psubscribe("__keyevent@0__:expired")
    assert listener.get_message(timeout=5)
    client.set("a", 1, px=50_000)
    server.clock.advance(51)
    message = listener.get_message(timeout=5)
    assert message is not None and message["data"] == b"a"
    assert client.dbsize() == 0


def test_blocking_commands_time_out(server: pyredis.Server) -> None:
    other = server.connect(socket_timeout=30)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(other.blpop("queue", 600)))
    thread.start()
    while not server.client.info("clients")["blocked_clients"]:
        pass
    server.clock.advance(599)
    assert results == [], "not yet"
    server.clock.advance(2)
    thread.join(20)
    assert results == [None]


def test_paused_clients_go_on(server: pyredis.Server) -> None:
    server.client.client_pause(600_000, all=False)
    other = server.connect(socket_timeout=30)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(other.set("a", 1)))
    thread.start()
    while not any(c["cmd"] == "set" for c in server.client.client_list()):
        pass
    server.clock.advance(601)
    thread.join(20)
    assert results == [True]


def test_idle_keys(server: pyredis.Server) -> None:
    server.client.set("a", 1)
    server.client.object("idletime", "a")
    server.client.set("a", 1)
    server.clock.advance(120)
    assert 119 <= int(server.client.object("idletime", "a")) <= 125


def test_back_to_real_time(server: pyredis.Server) -> None:
    server.clock.advance(1000)
    server.clock.reset()
    server.client.set("a", 1, ex=100)
    assert 99 <= server.client.ttl("a") <= 100
    with pytest.raises(ValueError, match="backwards"):
        server.clock.advance(-1)
