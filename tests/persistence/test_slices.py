"""Snapshots in slices of the loop (``snapshot-mode incremental``): of one moment, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from pyredis.app import App
from pyredis.core.command import all_commands
from pyredis.persistence import slices
from pyredis.persistence.files import Files
from pyredis.persistence.rdb_load import KeyspaceSink, load_snapshot
from tests.support.inprocess import running
from tests.support.keyspaces import commands, small_commands
from tests.support.local import LocalServer

LINES = ("snapshot-mode incremental", "enable-debug-command yes", "hz 100")
Command = list[bytes]


def _special(rng: random.Random) -> Command:
    """What does not name the keys it changes, names those of other databases, or changes by itself."""
    key = b"key:%d" % rng.randrange(300)
    other = b"key:%d" % rng.randrange(300)
    number = b"%d" % rng.randrange(4)
    return rng.choice(
        [
            [b"SWAPDB", number, b"%d" % rng.randrange(4)],
            [b"SELECT", number],
            [b"SELECT", number],
            [b"MOVE", key, number],
            [b"COPY", key, other, b"DB", number, b"REPLACE"],
            [b"RENAME", key, other],
            [b"DEL", key, other],
            [b"APPEND", key, b"x"],
            [b"SET", key, b"new"],
            [b"SETRANGE", key, b"3", b"zz"],
            [b"PEXPIRE", key, b"1"],
            [b"PEXPIREAT", key, b"1"],
            [b"PERSIST", b"due:%d" % rng.randrange(60)],
            [b"GET", b"due:%d" % rng.randrange(60)],
            [b"HPEXPIRE", b"fields", b"1", b"FIELDS", b"1", b"%d" % rng.randrange(40)],
            [b"HSET", b"fields", b"%d" % rng.randrange(40), b"x"],
            [b"SORT", b"numbers", b"STORE", key],
            [b"EVAL", b"redis.call('LPUSH', KEYS[1], 1) redis.call('DEL', ARGV[1])", b"1", b"l", key],
            [b"RENAME", b"hf", key],
            [b"LPUSH", b"waited", b"1"],
            [b"RESTORE", key, b"0", b"\x00\x01a\n\x00" + b"\0" * 8, b"REPLACE"],
        ]
    )


async def _run(client: Redis, argv: Command) -> None:
    # pylint: the reply does not matter here, errors are replies like others
    with contextlib.suppress(ResponseError):
        await client.execute_command(*argv)


async def _prepare(client: Redis, seed: str) -> None:
    for argv in commands(seed):
        await _run(client, argv)
    for number in range(4):
        await client.execute_command("SELECT", number)
        await client.execute_command("DEBUG", "POPULATE", 300)
        for at in range(60):
            await client.execute_command("SET", f"due:{at}", at, "PX", 150 + 7 * at)
        await client.execute_command("RPUSH", "numbers", *range(9))
        await client.execute_command("HSET", "fields", *[word for at in range(40) for word in (at, at)])
        await client.execute_command("HPEXPIRE", "fields", 200, "FIELDS", 20, *range(20))
    await client.execute_command("SELECT", 0)


def _loaded(path: Path) -> bytes:
    """The digest of a snapshot, with the keys in it that are due by now."""
    server = LocalServer()
    server.config.enable_debug_command = "yes"
    server.active_expire_enabled = False
    sink = KeyspaceSink(server)
    sink.keep_expired = True
    for _ in load_snapshot(server, str(path), sink):
        pass
    server.keep_expired = True
    return server.client().call("DEBUG", "DIGEST")[1:-2]


async def _digest_and(client: Redis, name: str) -> bytes:
    """The digest at the very beginning of what ``name`` begins."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("DEBUG", "DIGEST")
        pipe.execute_command(name)
        digest, reply = await pipe.execute()
    assert reply
    return bytes(digest)


async def _write_while(app: App, writer: Redis, waiter: Redis, rng: random.Random, populate: bool) -> int:
    """Change things until the background work is over; how many commands that took. (POPULATE is never propagated.)"""
    small = [argv for argv in small_commands(rng, 400) if argv[0].upper() not in (b"FLUSHALL", b"SHUTDOWN")]
    count = 0
    waiting: list[asyncio.Task[None]] = []
    while app.server.background is not None:
        count += 1
        if count % 40 == 3:
            waiting.append(
                asyncio.create_task(_run(waiter, [b"BLMOVE", b"waited", b"key:7", b"LEFT", b"RIGHT", b"0.02"]))
            )
            await asyncio.sleep(0)
            await _run(writer, [b"SELECT", b"0"])
            await _run(writer, [b"LPUSH", b"waited", b"1"])
        if populate and count % 50 == 7:
            await _run(writer, [b"DEBUG", b"POPULATE", b"5", b"fresh%d" % rng.randrange(9)])
        await _run(writer, _special(rng) if rng.random() < 0.5 else rng.choice(small))
        if rng.random() < 0.004:
            await _run(writer, [b"FLUSHDB"])
    await asyncio.gather(*waiting)
    return count


@pytest.mark.parametrize("seed", range(5))
def test_the_moment_of_its_beginning(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_SLICE_NS", 0)
    monkeypatch.setattr(slices, "_KEYS_AT_ONCE", 1)

    async def scenario() -> None:
        async with running(tmp_path, *LINES) as (app, client):
            await _prepare(client, f"slices {seed}")
            others = [Redis(port=app.server.config.port, socket_timeout=20) for _ in range(2)]
            before = [cmd.proc for cmd in all_commands(app.server.commands)]
            rng = random.Random(seed)
            for turn in range(2):
                wanted = await _digest_and(client, "BGSAVE")
                count = await _write_while(app, others[0], others[1], rng, True)
                assert turn or count > 50  # the second time FLUSHDB may have left little
                assert app.server.snapshots.last_ok
                assert _loaded(tmp_path / "dump.rdb") == wanted
            # Nothing of it is left.
            assert [cmd.proc for cmd in all_commands(app.server.commands)] == before
            assert all(db.guard is None for db in app.server.dbs)
            assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "server.log"]
            for one in others:
                await one.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_rewriting_the_append_only_file(tmp_path: Path, preamble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base is of the beginning, the increment has what came then: together, what is in memory."""
    monkeypatch.setattr(slices, "_SLICE_NS", 0)
    monkeypatch.setattr(slices, "_KEYS_AT_ONCE", 1)
    lines = (*LINES, "appendonly yes", f"aof-use-rdb-preamble {preamble}")

    async def scenario() -> None:
        async with running(tmp_path, *lines) as (app, client):
            await _prepare(client, f"rewrite {preamble}")
            others = [Redis(port=app.server.config.port, socket_timeout=20) for _ in range(2)]
            assert await client.execute_command("BGREWRITEAOF")
            assert await _write_while(app, others[0], others[1], random.Random(5), False) > 50
            assert app.server.aof.last_rewrite_ok
            await client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            wanted = await client.execute_command("DEBUG", "DIGEST")
            for one in others:
                await one.aclose()
        async with running(tmp_path, *lines) as (app, client):
            app.server.active_expire_enabled = False
            assert await client.execute_command("DEBUG", "DIGEST") == wanted
        ending = "base.rdb" if preamble == "yes" else "base.aof"
        assert sum(name.endswith(ending) for name in os.listdir(tmp_path / "appendonlydir")) == 1

    asyncio.run(scenario())


class FullDisk(Files):
    """Takes so many bytes of a snapshot, then none; 0 = no limit."""

    room = 0

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.room:
            self.room -= len(data)
            if self.room <= 0:
                raise OSError(28, os.strerror(28))
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        if self.room:
            raise OSError(5, os.strerror(5))
        super().sync(fd)


@pytest.mark.parametrize("room", [1, 300_000, 10**9])
def test_a_full_disk(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning, in the middle of it, at fsync: the file of before stays, nothing else does."""
    monkeypatch.setattr(slices, "_SLICE_NS", 0)
    files = FullDisk()

    async def scenario() -> None:
        async with running(tmp_path, *LINES, files=files) as (app, client):
            for number in range(30):
                await client.set(f"big:{number}", os.urandom(30000))
            assert await client.save()
            old = (tmp_path / "dump.rdb").read_bytes()
            await client.config_set("save", "1000 1000")
            files.room = room
            await client.bgsave()
            number = 0
            while app.server.background is not None:
                number += 1
                await _run(client, [b"APPEND", b"big:%d" % (number % 30), b"x"])
            files.room = 0
            assert not app.server.snapshots.last_ok
            with pytest.raises(ResponseError, match="MISCONF"):
                await client.set("a", "b")
            assert (tmp_path / "dump.rdb").read_bytes() == old
            assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "server.log"]
            await client.bgsave()
            while app.server.background is not None:
                await client.get("a")
            assert app.server.snapshots.last_ok
            assert await client.set("a", "b")

    asyncio.run(scenario())


def test_ended_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By FLUSHALL, and by the end of the server: no file of it is left, and no command stays wrapped."""
    monkeypatch.setattr(slices, "_SLICE_NS", 0)

    async def scenario() -> None:
        async with running(tmp_path, *LINES) as (app, client):
            before = [cmd.proc for cmd in all_commands(app.server.commands)]
            for name in ("FLUSHALL", ""):
                await client.execute_command("DEBUG", "POPULATE", 3000)
                async with client.pipeline(transaction=False) as pipe:
                    replies: list[Any] = await pipe.execute_command("BGSAVE").execute_command(name or "PING").execute()
                assert replies[0]
                if name:
                    assert app.server.background is None
                    assert [cmd.proc for cmd in all_commands(app.server.commands)] == before
            assert app.server.background is not None
        assert sorted(os.listdir(tmp_path)) == ["server.log"]

    asyncio.run(scenario())


def test_where_there_is_no_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """auto: no fork, a fork that fails, or not enough memory for it."""
    from pyredis.persistence import child

    async def scenario() -> None:
        lines = ("snapshot-mode auto", "enable-debug-command yes")
        async with running(tmp_path, *lines) as (app, client):
            await client.set("a", "b")
            for name, value in (
                ("CAN_FORK", False),
                ("available_memory", lambda: 1 << 20),
            ):
                monkeypatch.setattr(child, name, value)
                if name == "available_memory":
                    monkeypatch.setattr(child, "CAN_FORK", True)
                    continue
                await client.bgsave()
                assert type(app.server.background) is slices.SlicedFile
                while app.server.background is not None:
                    await client.get("a")
            assert app.server.snapshots.last_ok
            assert app.server.stats.forks == 0
            await client.config_set("snapshot-mode", "fork")
            await client.bgsave()
            assert type(app.server.background) is child.ForkedChild
            while app.server.background is not None:
                await asyncio.sleep(0.01)
            assert app.server.snapshots.last_ok

    asyncio.run(scenario())
