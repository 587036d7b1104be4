"""The server as a whole: INFO, the slow log, shutdown, MONITOR, redis-py, redis-cli and redis-benchmark."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture(params=[2, 3])
def client(server: ServerProcess, request: pytest.FixtureRequest) -> redis.Redis:
    return redis.Redis(host=server.host, port=server.port, protocol=request.param)


def test_info(client: redis.Redis) -> None:
    client.set("k", "v", ex=100)
    client.get("k")
    client.get("missing")
    info = client.info("everything")
    assert info["redis_version"] == "7.0.15"
    assert info["role"] == "master"
    assert info["connected_clients"] >= 1
    assert info["db0"]["keys"] == 1
    assert info["db0"]["expires"] == 1
    assert info["cmdstat_get"]["calls"] >= 2
    assert info["keyspace_misses"] >= 1
    assert "used_memory" not in client.info("clients")


def test_slowlog(client: redis.Redis) -> None:
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    client.set("slow", "x" * 200)
    client.config_set("slowlog-log-slower-than", 10000)
    commands = [entry["command"] for entry in client.slowlog_get(10)]
    assert any(command.startswith(b"SET slow " + b"x" * 128 + b"... (72 more bytes)") for command in commands)


def test_pipeline_and_transaction(client: redis.Redis) -> None:
    with client.pipeline() as pipe:
        pipe.watch("n")
        pipe.multi()
        pipe.incr("n")
        pipe.incr("n")
        assert pipe.execute() == [1, 2]
    with client.pipeline(transaction=False) as pipe:
        for i in range(20_000):
            pipe.set(f"k{i}", i)
        assert all(pipe.execute())
    assert client.dbsize() == 20_001
    assert len(set(client.scan_iter(count=1000))) == 20_001


def test_pubsub(client: redis.Redis) -> None:
    listener = client.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=PATIENCE)["type"] == "subscribe"
    assert client.publish("news", "hello") == 1
    assert listener.get_message(timeout=PATIENCE)["data"] == b"hello"
    listener.close()


def test_keys_expire_without_being_asked_for(server: ServerProcess) -> None:
    c = RawClient(server.connect())
    c.pipeline([[b"SET", b"e%d" % i, b"v", b"PX", b"50"] for i in range(10_000)])
    wait_until(lambda: c.call("DBSIZE") == b":0\r\n")
    c.close()


def test_monitor(server: ServerProcess) -> None:
    monitor, other = RawClient(server.connect()), RawClient(server.connect())
    assert monitor.call("MONITOR") == b"+OK\r\n"
    other.call("SET", "k", b'a"\x00')
    line = monitor.read()
    assert line.endswith(b' "SET" "k" "a\\"\\x00"\r\n')
    monitor.close()
    other.close()


def test_password(tmp_path: Path) -> None:
    server = start_ours(tmp_path, "--requirepass", "secret")
    try:
        c = RawClient(server.connect())
        assert c.call("GET", "k") == b"-NOAUTH Authentication required.\r\n"
        assert c.call("AUTH", "wrong").startswith(b"-WRONGPASS")
        assert c.call("AUTH", "secret") == b"+OK\r\n"
        assert c.call("GET", "k") == b"$-1\r\n"
        c.close()
        c = RawClient(server.connect())
        assert c.call("HELLO", 3, "AUTH", "default", "secret").startswith(b"%7\r\n")
        c.close()
        c = RawClient(server.connect())
        c.sock.sendall(b"*11\r\n")
        assert c.read() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
        c.close()
    finally:
        server.stop()


def test_shutdown(tmp_path: Path) -> None:
    server = start_ours(tmp_path)
    c = RawClient(server.connect())
    c.send("SHUTDOWN", "NOSAVE")
    assert server.process.wait(PATIENCE) == 0
    c.close()


def test_many_idle_connections(server: ServerProcess) -> None:
    clients = [RawClient(server.connect()) for _ in range(400)]
    assert clients[-1].call("PING") == b"+PONG\r\n"
    for one in clients:
        one.close()


def test_million_commands_before_reading(server: ServerProcess) -> None:
    c = RawClient(server.connect())
    import threading

    data = b"*1\r\n$4\r\nPING\r\n" * 100_000
    sender = threading.Thread(target=lambda: [c.sock.sendall(data) for _ in range(10)])
    sender.start()
    other = RawClient(server.connect())
    assert other.call("PING") == b"+PONG\r\n"
    got = 0
    while got < 7_000_000:
        got += len(c.sock.recv(1 << 20))
    sender.join()
    assert got == 7_000_000
    c.close()
    other.close()


def test_redis_cli_and_benchmark(server: ServerProcess) -> None:
    def run(*argv: str, stdin: bytes = b"") -> str:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=PATIENCE, check=True)
        return done.stdout.decode()

    port = str(server.port)
    cli = ("/usr/bin/redis-cli", "-p", port)
    piped = b"".join(b"*3\r\n$3\r\nSET\r\n$2\r\nk%d\r\n$1\r\nv\r\n" % i for i in range(10))
    assert "errors: 0, replies: 10" in run(*cli, "--pipe", stdin=piped)
    assert len(run(*cli, "--scan").split()) == 10
    assert "10 keys" in run(*cli, "--bigkeys")
    tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"
    out = run("/usr/bin/redis-benchmark", "-p", port, "-n", "500", "-P", "16", "-q", "-t", tests)
    assert out.count("requests per second") == 20
