"""The server where there is no fork, no unix socket, no /proc, and few signals: see tests/support/elsewhere.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support import elsewhere
from tests.support.servers import ServerProcess, start_oracle
from tests.support.waiting import PATIENCE, wait_until

START = [sys.executable, elsewhere.__file__]


def directory(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(START, tmp_path_factory.mktemp("elsewhere"), "--enable-debug-command", "yes")
    yield server
    server.stop()


def test_everyday_commands(foreign: ServerProcess) -> None:
    client = redis.Redis.from_url(foreign.url)
    client.mset({f"k{n}": n for n in range(100)})
    client.rpush("list", *range(1000))
    client.set("gone", "soon", px=1)
    with client.pipeline(transaction=False) as pipeline:
        for n in range(100):
            pipeline.incr(f"k{n}")
        assert pipeline.execute() == list(range(1, 101))
    wait_until(lambda: not client.exists("gone"))
    with client.pubsub() as pubsub:
        pubsub.subscribe("here")
        assert pubsub.get_message(timeout=PATIENCE)
        client.publish("here", "x")
        assert pubsub.get_message(timeout=PATIENCE)["data"] == b"x"
    assert client.dbsize() == 101
    client.flushall()


def test_what_looks_at_the_system(foreign: ServerProcess) -> None:
    client = redis.Redis.from_url(foreign.url)
    found = client.info("all")
    assert found["redis_mode"] == "standalone" and found["os"] and found["multiplexing_api"]
    assert found["used_cpu_user"] > 0
    for argv in (["MEMORY", "STATS"], ["MEMORY", "DOCTOR"], ["MEMORY", "USAGE", "none"], ["CONFIG", "GET", "*"]):
        client.execute_command(*argv)
    assert client.client_list()[0]["addr"]
    assert client.memory_malloc_stats()
    client.ping()


def test_settings_that_need_the_system(foreign: ServerProcess, tmp_path: Path) -> None:
    """What cannot be had is refused with a reason; the server goes on."""
    client = redis.Redis.from_url(foreign.url)
    with pytest.raises(RuntimeError, match="Failed opening Unix socket: this system has none"):
        ServerProcess(START, tmp_path, "--unixsocket", "here.sock")
    with pytest.raises(RuntimeError, match="daemonize is not available on this system"):
        ServerProcess(START, tmp_path, "--daemonize", "yes")
    for name, value in (("maxclients", 50), ("tcp-keepalive", 60), ("server_cpulist", "0"), ("oom-score-adj", "no")):
        try:
            client.config_set(name, value)
        except redis.ResponseError as e:
            assert "internal error" not in str(e)
    assert client.ping()


def test_ends_when_asked(tmp_path: Path) -> None:
    server = ServerProcess(START, tmp_path)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(server.url).execute_command("SHUTDOWN", "NOSAVE")
    server.process.wait(PATIENCE)
    assert server.process.returncode == 0
    assert "internal error" not in server.log() and "Traceback" not in server.log()


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_replication(tmp_path: Path, diskless: str) -> None:
    """It serves snapshots to redis-server, and takes them."""
    options = ("--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0")
    master = ServerProcess(START, tmp_path, *options)
    others = [
        start_oracle(directory(tmp_path / "redis")),
        ServerProcess(START, directory(tmp_path / "ours")),
    ]
    try:
        client = redis.Redis.from_url(master.url)
        client.mset({f"k{n}": n for n in range(1000)})
        for other in others:
            redis.Redis.from_url(other.url).replicaof("127.0.0.1", master.port)

        def online() -> int:
            client.incr("k1")
            return len([1 for state in client.info("replication").values() if "'online'" in str(state)])

        wait_until(lambda: online() == len(others))
        assert client.wait(len(others), 60_000) == len(others)
        for other in others:
            replica = redis.Redis.from_url(other.url)
            assert replica.dbsize() == 1000
            assert replica.get("k1") == client.get("k1")
        assert "Traceback" not in master.log()
    finally:
        for server in (master, *others):
            server.stop()
