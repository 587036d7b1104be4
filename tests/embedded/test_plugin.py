"""The fixtures of the pytest plugin, in runs of pytest of their own; and this server behind pytest-redis."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import asyncio
import redis
import pytest


def test_own_server(pyredis_server, redis_client):
    assert redis_client.set("a", 1)
    assert redis.Redis.from_url(pyredis_server.url).get("a") == b"1"
    pyredis_server.clock.advance(10)


@pytest.mark.parametrize("n", range(3))
def test_is_empty_every_time(redis_client, n):
    assert redis_client.dbsize() == 0
    redis_client.set("a", n)


@pytest.mark.pyredis(databases=2, requirepass="secret")
def test_marked(redis_client, pyredis_server):
    assert redis_client.config_get("databases")["databases"] == "2"
    assert redis_client.config_get("maxclients")["maxclients"] == "123", "from the ini file"
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=pyredis_server.port).ping()


@pytest.mark.pyredis(databases=5)
class TestClass:
    @pytest.mark.pyredis(databases=6)
    def test_nearest_wins(self, redis_client):
        assert redis_client.config_get("databases")["databases"] == "6"


def test_async_client(redis_async_client, redis_client):
    async def main():
        await redis_async_client.set("a", 1)
        return await redis_async_client.get("a")

    assert asyncio.run(main()) == b"1"
    assert redis_client.get("a") == b"1"


@pytest.mark.parametrize("n", range(3))
def test_session(redis_session_client, pyredis_session_server, n):
    assert redis_session_client.dbsize() == 0
    redis_session_client.set("a", n)
    assert pyredis_session_server.client.get("a") == b"%d" % n


@pytest.mark.parametrize("n", range(2))
def test_session_async(redis_async_session_client, n):
    async def main():
        assert await redis_async_session_client.dbsize() == 0
        await redis_async_session_client.set("a", 1)

    asyncio.run(main())


def test_factory(pyredis_factory):
    one, two = pyredis_factory(), pyredis_factory(listen=False)
    one.client.set("a", 1)
    assert two.client.get("a") is None
"""

SENTINELS = """
def test_sentinels(redis_sentinel_set):
    sentinel = redis_sentinel_set.sentinel(socket_timeout=60)
    master = sentinel.master_for("mymaster")
    master.set("a", 1)
    old = redis_sentinel_set.master
    assert master.wait(1, 60000) == 1
    old.stop()
    new = redis_sentinel_set.wait_for_new_master(old, 120)
    assert new is not old and new.client.get("a") == b"1"
    assert master.get("a") == b"1" and sentinel.slave_for("mymaster").ping()
    circle = [sentinel, master, master.connection_pool]  # as redis-py's exceptions may leave them
    circle.append(circle)
"""

SESSION_SENTINELS = """
import pytest

seen = []


@pytest.mark.parametrize("n", range(4))
def test_sentinels(redis_session_sentinel_set, n):
    found = redis_session_sentinel_set
    ports = [server.port for server in (*found.servers, *found.sentinels)]
    seen.append(ports)
    sentinel = found.sentinel(socket_timeout=60)
    master = sentinel.master_for("mymaster")
    assert master.dbsize() == 0 and sentinel.slave_for("mymaster").dbsize() == 0
    master.set("a", n)
    assert master.wait(1, 60000) == 1
    if n == 1:
        assert seen[0] == ports, "the same servers"
        found.master.stop()
    if n == 2:
        assert seen[1] != ports, "what was broken is new"
    if n == 3:
        assert seen[2] == ports
"""

PYTEST_REDIS = """
from pytest_redis import factories

own_proc = factories.redis_proc()
own = factories.redisdb("own_proc", dbnum=3, decode=True)


def test_database(redisdb):
    redisdb.set("a", 1)
    assert redisdb.get("a") == b"1"
    assert redisdb.info("server")["redis_version"].startswith(("7.", "8."))


def test_is_empty_again(redisdb):
    assert redisdb.dbsize() == 0


def test_own(own):
    own.rpush("l", "x")
    assert own.lrange("l", 0, -1) == ["x"]
"""


def run_pytest(directory: Path, source: str, *args: str, ini: str = "") -> str:
    """Run these tests; returns the output; they must pass without warnings."""
    (directory / "test_it.py").write_text(source)
    (directory / "pytest.ini").write_text("[pytest]\n" + ini)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "--strict-markers"]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-p",
        "no:hypothesispytest",
        "-p",
        "pyredis.pytest_plugin",
        *args,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_fixtures(tmp_path: Path, workers: str) -> None:
    ini = "pyredis_directives =\n    maxclients 123\n    user alice on\n    user bob off\n"
    assert "13 passed" in run_pytest(tmp_path, TESTS, "-n", workers, ini=ini)


def test_sentinel_set(tmp_path: Path) -> None:
    assert "1 passed" in run_pytest(tmp_path, SENTINELS)


def test_sentinel_set_of_the_session(tmp_path: Path) -> None:
    assert "4 passed" in run_pytest(tmp_path, SESSION_SENTINELS)


def test_help_lists_the_fixtures(tmp_path: Path) -> None:
    listed = run_pytest(tmp_path, "def test_x(): pass", "--fixtures")
    for name in ("pyredis_server", "redis_client", "redis_async_client", "redis_sentinel_set", "pyredis_factory"):
        assert name in listed


def test_the_plugin_is_registered() -> None:
    """By the name of its module, so that naming it with ``-p`` as well does no harm."""
    registered = [e.value for e in entry_points(group="pytest11") if e.name == "pyredis.pytest_plugin"]
    declared = (ROOT / "pyproject.toml").read_text()
    assert registered in ([], ["pyredis.pytest_plugin"])
    assert '[project.entry-points.pytest11]\n"pyredis.pytest_plugin" = "pyredis.pytest_plugin"' in declared


def test_behind_pytest_redis(tmp_path: Path) -> None:
    pytest.importorskip("pytest_redis")
    executable = tmp_path / "redis-server"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pyredis "$@"\n')
    executable.chmod(0o755)
    output = run_pytest(tmp_path, PYTEST_REDIS, "--redis-exec", str(executable))
    assert "3 passed" in output
