"""redis-py without a socket: what the dispatcher writes is what the client reads, byte for byte."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import pyredis
from pyredis.embedded.connections import InProcessConnection, async_pool, pool
from tests.support.raw import RawClient, encode
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture(params=[True, False], ids=["sockets", "inline"])
def server(request: pytest.FixtureRequest) -> Iterator[pyredis.Server]:
    with pyredis.Server(listen=request.param) as server:
        yield server


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True])
def test_the_usual(server: pyredis.Server, protocol: int, decode: bool) -> None:
    client = redis.Redis(connection_pool=pool(server, protocol=protocol, decode_responses=decode, db=2))

    def text(value: str) -> Any:
        return value if decode else value.encode()

    assert client.set("a", "ü") and client.get("a") == text("ü")
    assert client.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert client.hgetall("h") == {text("a"): text("1"), text("b"): text("2")}
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.incr("h")
    with client.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.append("a", "!")
        pipe.strlen("a")
        assert pipe.execute() == [3, 3]
    assert list(client.scan_iter()) != []
    assert client.client_info()["db"] == 2
    lock = client.lock("lock", timeout=10)
    assert lock.acquire(blocking=False) and not client.lock("lock").acquire(blocking=False)
    lock.release()
    client.close()
    assert server.client.info("clients")["connected_clients"] >= 1


def test_bytes_for_bytes() -> None:
    """The same requests over a socket and over a wire, whole and in pieces."""
    lines = ["HELLO 3", "SET a 1", "GET a", "LPUSH l 1 2 3", "LRANGE l 0 -1", "HSET h a 1", "HGETALL h", "INCR l"]
    lines += ["NOSUCH", "COMMAND COUNT", "SUBSCRIBE x", "PING"]
    requests = b"".join(encode([word.encode() for word in line.split()]) for line in lines)
    requests += b"PING inline\r\n*1\r\n$4\r\nQUIT\r\n"
    with pyredis.Server() as one, pyredis.Server(listen=False) as two:
        for size in (len(requests), 1, 7):
            replies = []
            for server, kind in ((one, "socket"), (two, "wire")):
                if kind == "socket":
                    client = RawClient(socket.create_connection((server.host, server.port), PATIENCE))
                    connection: Any = client.sock
                else:
                    connection = InProcessConnection(server=server)._connect()
                    connection.settimeout(PATIENCE)
                for at in range(0, len(requests), size):
                    connection.sendall(requests[at : at + size])
                received = b""
                while data := connection.recv(100_000):
                    received += data
                replies.append(received.split(b"\r\n", 20)[20])  # without HELLO's, which has the client's number
                connection.close()
                server.reset()
            assert replies[0] == replies[1] != b""


def test_large_values_and_long_pipelines(server: pyredis.Server) -> None:
    client = server.connect(in_process=True)
    value = b"x" * (5 << 20)
    client.set("big", value)
    assert client.get("big") == value
    pipe = client.pipeline(transaction=False)
    for n in range(5000):
        pipe.rpush("list", n)
    assert pipe.execute()[-1] == 5000
    assert client.lrange("list", 0, -1) == [b"%d" % n for n in range(5000)]


def test_threads(server: pyredis.Server) -> None:
    client = server.connect(in_process=True, socket_timeout=PATIENCE)
    seen: list[bytes] = []

    def work() -> None:
        for _ in range(100):
            client.incr("n")
            client.rpush("jobs", "j")

    def take() -> None:
        while True:
            item = client.blpop("jobs", PATIENCE)
            assert item is not None
            if item[1] == b"end":
                return
            seen.append(item[1])

    workers = [threading.Thread(target=work) for _ in range(4)]
    takers = [threading.Thread(target=take) for _ in range(3)]
    for thread in [*workers, *takers]:
        thread.start()
    for thread in workers:
        thread.join(PATIENCE)
    client.rpush("jobs", "end", "end", "end")
    for thread in takers:
        thread.join(PATIENCE)
    assert client.get("n") == b"400" and len(seen) == 400


def test_pubsub(server: pyredis.Server) -> None:
    client = server.connect(in_process=True)
    messages = client.pubsub(ignore_subscribe_messages=True)
    messages.subscribe("news")
    assert messages.get_message(timeout=PATIENCE) is None
    assert server.client.publish("news", "hello") == 1
    assert messages.get_message(timeout=PATIENCE) == {
        "type": "message",
        "pattern": None,
        "channel": b"news",
        "data": b"hello",
    }
    assert messages.get_message(timeout=0.01) is None
    messages.close()
    while server.client.publish("news", "hello"):
        pass  # the end of a connection comes in a turn of its own


def test_a_time_out_of_the_client(server: pyredis.Server) -> None:
    client = server.connect(in_process=True, socket_timeout=0.1, retry=Retry(NoBackoff(), 0))

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.TimeoutError:
            return False  # the server was not given a turn

    wait_until(answers)
    with pytest.raises(redis.TimeoutError):
        client.blpop("nothing", 600)
    wait_until(answers)


def test_a_server_that_has_ended() -> None:
    server = pyredis.Server(listen=False).start()
    client = redis.Redis(connection_pool=pool(server))
    client.ping()
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    server.start()
    assert client.ping(), "a new server under the same name"
    server.stop()


async def test_async(server: pyredis.Server) -> None:
    client = redis.asyncio.Redis(connection_pool=async_pool(server, decode_responses=True))
    assert await client.set("a", "1") and await client.get("a") == "1"
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await client.rpush("a", 1)
    assert await client.blpop(["nothing"], 0.02) is None
    waiting = [asyncio.create_task(client.blpop(["queue"], 60)) for _ in range(3)]
    await asyncio.sleep(0.01)
    await client.rpush("queue", 1, 2, 3)
    assert sorted(item[1] for item in await asyncio.gather(*waiting)) == ["1", "2", "3"]
    async with client.pubsub() as messages:
        await messages.subscribe("news")
        await client.publish("news", "hello")
        kinds = [(await messages.get_message(timeout=PATIENCE))["type"] for _ in range(2)]
        assert kinds == ["subscribe", "message"]
    await client.set("b", 1, px=10)
    async with asyncio.timeout(PATIENCE):  # it expires while the loop runs
        while await client.dbsize() != 1:
            await asyncio.sleep(0.01)
    await client.aclose()
    await client.connection_pool.disconnect()


async def test_async_from_another_loops_server() -> None:
    """An inline server serves loops and threads at once."""
    with pyredis.Server(listen=False) as server:
        client = server.connect_async()
        waiting = asyncio.create_task(client.blpop("queue", 60))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(server.client.rpush, "queue", "x")
        assert await waiting == (b"queue", b"x")
        await client.aclose()


def test_a_blocking_client_on_the_servers_own_loop_is_told() -> None:
    async def main() -> None:
        async with pyredis.Server() as server:
            client = server.connect(in_process=True, socket_timeout=5)
            assert client.ping(), "what is answered at once can be read"
            with pytest.raises(RuntimeError, match=r"redis\.asyncio"):
                client.blpop("nothing", 10)

    asyncio.run(main())
