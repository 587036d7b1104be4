"""Many servers at once: one that nobody uses does nothing, and does all it should as soon as somebody comes."""

from __future__ import annotations

import gc
import os
import resource
import threading
from collections.abc import Iterator
from time import sleep

import pytest
import redis

import pyredis
from pyredis.embedded.server import Server
from tests.support.waiting import PATIENCE, wait_until


def turns(server: Server) -> int:
    return server.core.cron_loops


def rests(server: Server) -> bool:
    """Whether its cron stands still."""
    return server.core.resting()


def goes_on(server: Server) -> None:
    """Its cron has some turns and does not rest after them."""
    before = turns(server)
    wait_until(lambda: turns(server) > before + 5)
    assert not rests(server)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_hundreds_at_once(many_files: None) -> None:
    with pyredis.Server() as server:
        server.client.ping()
    gc.collect()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    servers = [pyredis.Server().start() for _ in range(400)]
    try:
        assert threading.active_count() <= threads
        assert len({server.port for server in servers}) == len(servers)
        for number, server in enumerate(servers[::20]):
            assert server.client.incrby("n", number) == number
        wait_until(lambda: all(rests(server) for server in servers[1::100]))
    finally:
        for server in servers:
            server.stop()
    gc.collect()
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files)


def test_rest_and_work() -> None:
    with pyredis.Server(hz=50) as server:
        wait_until(lambda: rests(server))
        before = turns(server)
        client = redis.Redis(port=server.port)
        client.set("short", 1, px=20)
        wait_until(lambda: server.core.dbs[0].dict == {})  # it is not asked for: the cron removes it
        assert turns(server) > before
        client.close()
        wait_until(lambda: not server.core.clients)
        wait_until(lambda: rests(server))


def test_rates_after_a_rest() -> None:
    """The time of rest does not count: a burst right after it shows at once."""
    with pyredis.Server() as server:
        wait_until(lambda: rests(server))
        sleep(0.5)
        client = redis.Redis(port=server.port)
        wait_until(lambda: client.ping() and client.info("stats")["instantaneous_ops_per_sec"] > 0)
        client.close()
        wait_until(lambda: server.core.stats.commands_rate.per_second() == 0)


@pytest.mark.parametrize(
    ("directives", "commands"),
    [
        ({"appendonly": True}, []),
        ({"save": "1000 1"}, [("SET", "a", 1)]),
        ({}, [("SET", "a", 1, "EX", 1000)]),
        ({"compat_version": "7.4"}, [("HSET", "h", "f", 1), ("HEXPIRE", "h", 1000, "FIELDS", 1, "f")]),
    ],
)
def test_what_must_go_on(directives: dict[str, object], commands: list[tuple[object, ...]]) -> None:
    """Snapshots, files and deadlines are looked after without any client."""
    with pyredis.Server(**directives) as server:
        client = redis.Redis(port=server.port)
        for command in commands:
            client.execute_command(*command)
        client.close()
        wait_until(lambda: not server.core.clients)
        core = server.core
        core.stats.reset()
        wait_until(lambda: not core.stats.recent())
        goes_on(server)


def test_a_replica_and_its_master_go_on() -> None:
    with (
        pyredis.Server(repl_diskless_sync_delay=0) as master,
        pyredis.Server(replicaof=f"127.0.0.1 {master.port}") as replica,
    ):
        replica.wait_until_synced(PATIENCE)
        goes_on(master)
        goes_on(replica)


def test_run_wakes_it() -> None:
    with pyredis.Server() as server:
        wait_until(lambda: rests(server))
        before = turns(server)
        assert server.run(lambda: 7) == 7
        wait_until(lambda: turns(server) > before)


def test_without_sockets() -> None:
    with pyredis.Server(listen=False) as server:
        client = server.client
        client.set("a", 1, px=1)
        sleep(0.002)
        assert client.get("a") is None
        server.clock.advance(100)
        assert client.ping()
