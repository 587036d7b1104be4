"""``pyredis.Server``: beginning and end, addresses, configuration, isolation."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import pyredis
from pyredis.core.config import ConfigError, FileError
from pyredis.embedded.server import ServerError
from pyredis.net.listener import ListenError
from tests.support.waiting import PATIENCE, wait_until


def test_a_server_for_a_block() -> None:
    with pyredis.serve() as server:
        assert server.client.set("greeting", "hello")
        assert redis.Redis(host=server.host, port=server.port).get("greeting") == b"hello"
        assert redis.Redis.from_url(server.url).get("greeting") == b"hello"
        assert redis.Redis.from_url(server.unix_url).get("greeting") == b"hello"
        assert redis.Redis(unix_socket_path=server.unixsocket).get("greeting") == b"hello"
        assert server.connect(decode_responses=True, db=1).get("greeting") is None
        directory, path, port = server.directory, server.unixsocket, server.port
    assert not os.path.exists(directory) and not os.path.exists(path)
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=port, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)).ping()


async def test_a_server_on_the_running_loop() -> None:
    async with pyredis.Server() as server:
        clients = [server.connect_async(), server.connect_async(in_process=True)]
        for number, client in enumerate(clients):
            await client.set(f"key{number}", number)
        assert [await client.dbsize() for client in clients] == [2, 2]
        waiting = asyncio.create_task(clients[0].blpop("queue", 60))
        await asyncio.sleep(0)
        await clients[1].rpush("queue", "job")
        assert await waiting == (b"queue", b"job")
        for client in clients:
            await client.aclose()
    assert server.stopped


@pytest.mark.parametrize("listen", [True, False])
def test_servers_share_nothing(listen: bool) -> None:
    with pyredis.Server(listen=listen) as one, pyredis.Server(listen=listen) as two:
        one.client.set("a", 1)
        one.client.config_set("maxclients", 77)
        one.client.script_load("return 1")
        assert two.client.dbsize() == 0
        assert two.client.config_get("maxclients")["maxclients"] == "10000"
        assert one.client.info("server")["run_id"] != two.client.info("server")["run_id"]
        two.clock.advance(1000)
        assert abs(one.client.time()[0] - two.client.time()[0]) >= 999


@pytest.mark.parametrize("listen", [True, False])
def test_many_come_and_go(listen: bool) -> None:
    """Nothing is left of a server: no thread, no open file, no object."""
    with pyredis.Server(listen=listen) as server:
        server.client.ping()
    gc.collect()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    cores = []
    for _ in range(30):
        with pyredis.Server(listen=listen) as server:
            assert server.client.incr("a") == 1
            cores.append(weakref.ref(server.core))
    del server

    def gone() -> bool:
        gc.collect()
        return all(core() is None for core in cores) and len(os.listdir("/proc/self/fd")) <= files

    wait_until(gone)
    wait_until(lambda: threading.active_count() <= threads)


@pytest.mark.parametrize("listen", [True, False])
def test_many_at_once(listen: bool) -> None:
    servers = [pyredis.Server(listen=listen).start() for _ in range(40)]
    try:
        assert len({(s.port, s.directory) for s in servers}) == 40
        for n, server in enumerate(servers):
            server.client.set("n", n)
        assert [server.client.get("n") for server in servers] == [b"%d" % n for n in range(40)]
    finally:
        for server in servers:
            server.stop()


def test_directives(tmp_path: Path) -> None:
    with pyredis.Server(repl_backlog_size="5mb", appendonly=True, user=["a on", "b off"]) as server:
        client = server.client
        assert client.config_get("repl-backlog-size")["repl-backlog-size"] == str(5 << 20)
        assert {"a", "b"} <= set(client.acl_users())
        client.set("a", "b")
        assert os.path.isdir(os.path.join(server.directory, "appendonlydir"))
    with pyredis.Server(dir=tmp_path, requirepass='it\'s "secret"') as server:
        assert server.client.ping(), "the ready client knows the password"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port).ping()
        assert server.client.config_get("dir")["dir"] == str(tmp_path)
    assert tmp_path.is_dir(), "a directory that was given stays"
    with pytest.raises((FileError, ConfigError), match="Bad directive"):
        pyredis.Server(no_such_thing=1).start()


def test_a_server_that_nobody_stops_leaves_no_files() -> None:
    code = "import pyredis; server = pyredis.Server().start(); server.client.set('a', 1); print(server.directory)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() and not os.path.exists(done.stdout.strip())


def test_a_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text("databases 3\nmaxclients 77\n")
    with pyredis.Server(config_file=str(file), maxclients=99) as server:
        assert server.client.config_get("databases")["databases"] == "3"
        assert server.client.config_get("maxclients")["maxclients"] == "99"


@pytest.mark.parametrize("listen", [True, False])
def test_data_survive_in_a_directory(tmp_path: Path, listen: bool) -> None:
    with pyredis.Server(dir=tmp_path, appendonly=True, listen=listen) as server:
        server.client.rpush("list", 1, 2, 3)
    with pyredis.Server(dir=tmp_path, appendonly=True, listen=listen) as server:
        assert server.client.lrange("list", 0, -1) == [b"1", b"2", b"3"]


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError):
            pyredis.Server(taken.getsockname()[1]).start()


def test_unix_socket_only(tmp_path: Path) -> None:
    with pyredis.Server(None, unixsocket=str(tmp_path / "s")) as server:
        assert server.url.startswith("unix://")
        assert server.client.ping()


def test_wrong_use() -> None:
    server = pyredis.Server()
    with pytest.raises(ServerError, match="not running"):
        _ = server.client
    server.stop()
    with server, pytest.raises(ServerError, match="already"):
        server.start()
    with server:
        assert server.client.ping(), "it can begin again"
    assert server.stopped


def test_shutdown_ends_the_server_and_not_the_process() -> None:
    with pyredis.Server() as server:
        client = server.connect(socket_timeout=PATIENCE)
        client.shutdown(nosave=True)
        with pytest.raises(redis.ConnectionError):
            client.ping()
    with pyredis.Server(listen=False) as server:
        client = server.connect(socket_timeout=PATIENCE)
        client.shutdown(nosave=True)
        with pytest.raises(redis.ConnectionError):
            client.ping()


@pytest.mark.parametrize("listen", [True, False])
def test_reset(listen: bool) -> None:
    with pyredis.Server(listen=listen) as server:
        client = server.client
        client.set("a", 1)
        client.select(3)
        sha = client.script_load("return 7")
        server.faults.error("ERR no", times=5)
        server.clock.advance(100)
        server.reset()
        assert client.info("keyspace") == {}
        assert client.script_exists(sha) == [False]
        assert abs(server.clock.time() - server.core.started_at) < 60
        assert client.ping(), "clients stay"


def test_the_log_is_kept() -> None:
    with pyredis.Server() as server:
        server.client.config_set("maxclients", 50)
        server.run(server.core.log.warning, "something odd")
        assert "something odd" in server.log


def test_run_passes_errors_on() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pyredis.Server() as server, pytest.raises(KeyError):
        server.run(fail)


def test_without_sockets_there_are_no_links() -> None:
    with pytest.raises(ServerError, match="cannot be a replica"):
        pyredis.Server(listen=False, replicaof="127.0.0.1 1").start()
    with pyredis.Server(listen=False) as server:
        with pytest.raises(redis.ResponseError, match="not available"):
            server.client.replicaof("127.0.0.1", 1)
        assert server.client.set("a", 1), "it is as before"
        assert server.client.info("replication")["role"] == "master"


def test_replication_between_two() -> None:
    with (
        pyredis.Server() as master,
        pyredis.Server(replicaof=f"127.0.0.1 {master.port}") as replica,
    ):
        master.client.set("a", 1)
        replica.wait_until_synced(PATIENCE)
        assert master.client.wait(1, 60000) == 1
        assert replica.client.get("a") == b"1"
        with pytest.raises(redis.exceptions.ReadOnlyError):
            replica.client.set("a", 2)
        master.faults.fail_over(replica, PATIENCE)
        assert replica.client.set("a", 2)
        master.wait_until_synced(PATIENCE)
        assert replica.client.wait(1, 60000) == 1
        assert master.client.get("a") == b"2"
        with pytest.raises(redis.exceptions.ReadOnlyError):
            master.client.set("a", 3)
