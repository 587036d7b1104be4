"""A disk that fails while a snapshot is received, or written for replicas: it is logged, and tried again."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pyredis.app import App
from tests.support.disk import Counting, FaultyFiles
from tests.support.inprocess import running
from tests.support.replication import KINDS, Node, group, write
from tests.support.waiting import PATIENCE, until


async def call(node: Node, *argv: bytes | str | int) -> bytes:
    """A command to a server that is another process, while this one goes on."""
    return await asyncio.to_thread(node.call, *argv)


async def in_step(app: App, client: Redis, master: Node, log: Path) -> None:
    """Wait until the replica in this process has everything, and compare."""
    await until(lambda: app.server.replication.link_up, log.read_text)
    offset = await asyncio.to_thread(master.offset)
    await until(lambda: app.server.replication.offset >= offset, log.read_text)
    assert f"+{(await client.execute_command('DEBUG', 'DIGEST')).decode()}\r\n".encode() == master.digest()


def enough_room(files: FaultyFiles) -> None:
    files.room = 300


def bad_disk(files: FaultyFiles) -> None:
    files.sync_error = errno.EIO


def full_disk(files: FaultyFiles) -> None:
    files.room = 0


def refuses(name: str) -> Callable[[FaultyFiles], None]:
    def refuse(files: FaultyFiles) -> None:
        files.refused = name

    return refuse


failing_snapshots = refuses("replace")


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        (enough_room, "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA "),
        (bad_disk, "Failed trying to sync the temp DB to disk in MASTER <-> REPLICA synchronization: Input/output"),
        (refuses("open"), "Opening the temp file needed for MASTER <-> REPLICA synchronization: Permission denied"),
        (refuses("replace"), "Failed trying to rename the temp DB into "),
        (refuses("sync_directory"), "Failed trying to sync DB directory "),
    ],
    ids=["full", "fsync", "open", "rename", "directory"],
)
def test_a_replica_keeps_what_it_has(
    tmp_path: Path, fault: Callable[[FaultyFiles], None], logged: str, diskless: str
) -> None:
    """The old data are served on until the new ones are safe; then it follows."""

    async def scenario(master: Node) -> None:
        files = FaultyFiles()
        log = tmp_path / "server.log"
        async with running(tmp_path, "repl-diskless-load disabled", "enable-debug-command yes", files=files) as (
            app,
            client,
        ):
            await client.set("old", "1")
            fault(files)
            await client.execute_command("REPLICAOF", "127.0.0.1", master.port)
            await until(lambda: log.read_text().count(logged) >= 2, log.read_text)  # and tries again
            assert not app.server.replication.link_up
            assert (await client.info("replication"))["master_link_status"] == "down"
            assert await client.get("old") == b"1"
            assert await client.dbsize() == 1
            files.room, files.sync_error, files.refused = None, 0, ""
            await in_step(app, client, master, log)
            assert await client.get("old") is None
            await call(master, "SET", "new", "1")
            await in_step(app, client, master, log)
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "node0", "server.log"]

    with group(tmp_path) as servers:
        master = servers.start("redis", "--repl-diskless-sync", diskless)
        write(master, 1)
        asyncio.run(scenario(master))


class Recorded(Counting):
    """Keeps the names of the calls, each run of the same once."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def at(self, call: str, path: str) -> None:
        if self.calls[-1:] != [call]:
            self.calls.append(call)


def test_what_was_received_is_on_the_disk(tmp_path: Path) -> None:
    """The file is synced before it takes the place of the old one, and its name before it is loaded.

    A replica that ends then starts with that data.
    """

    async def scenario(master: Node) -> None:
        files = Recorded()
        log = tmp_path / "server.log"
        async with running(tmp_path, "enable-debug-command yes", files=files) as (app, client):
            await client.execute_command("REPLICAOF", "127.0.0.1", master.port)
            await in_step(app, client, master, log)
            assert files.calls == ["open", "write", "sync", "replace", "sync_directory"]
            digest = await client.execute_command("DEBUG", "DIGEST")
        async with running(tmp_path, "enable-debug-command yes") as (_, client):
            assert await client.execute_command("DEBUG", "DIGEST") == digest

    with group(tmp_path) as servers:
        master = servers.start("redis")
        write(master, 1)
        asyncio.run(scenario(master))


def test_a_save_does_not_take_the_place_of_what_comes(tmp_path: Path) -> None:
    """A snapshot of the old data that is being written when the new ones are there is ended."""

    async def scenario(master: Node) -> None:
        log = tmp_path / "server.log"
        lines = ("enable-debug-command yes", "snapshot-mode fork", "rdb-key-save-delay 100000")
        async with running(tmp_path, *lines) as (app, client):
            for n in range(1000):
                await client.set(f"old{n}", "1")
            await client.bgsave()
            await client.execute_command("REPLICAOF", "127.0.0.1", master.port)
            await in_step(app, client, master, log)
            assert not app.server.snapshots.saving
            assert app.server.snapshots.last_ok
            assert "but there is a pending RDB child running" in log.read_text()
        assert b"old1" not in (tmp_path / "dump.rdb").read_bytes()
        assert not list(tmp_path.glob("temp-*"))

    with group(tmp_path) as servers:
        master = servers.start("redis")
        write(master, 1)
        asyncio.run(scenario(master))


@pytest.mark.parametrize("mode", ["fork", "incremental"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_master_that_cannot_write(tmp_path: Path, kind: str, mode: str) -> None:
    """The replica is sent away and comes again; once there is room it gets its snapshot."""

    async def scenario(replica: Node) -> None:
        files = FaultyFiles()
        log = tmp_path / "server.log"
        log.touch()
        lines = ("enable-debug-command yes", f"snapshot-mode {mode}", "repl-diskless-sync no")
        async with running(tmp_path, *lines, files=files) as (app, client):
            for n in range(100):
                await client.set(f"k{n}", "1")
            if mode == "fork":
                files.child_fails = True
            else:
                files.room = 200
            await call(replica, "REPLICAOF", "127.0.0.1", app.server.config.port)
            failed = "SYNC failed. BGSAVE child returned an error"
            await until(lambda: log.read_text().count(failed) >= 2, log.read_text)
            assert not app.server.snapshots.last_ok
            files.child_fails, files.room = False, None
            await until(lambda: "state=online" in str(app.server.replication.info()), log.read_text)
            await until(lambda: app.server.snapshots.last_ok, log.read_text)
            await client.set("after", "1")
            digest = await client.execute_command("DEBUG", "DIGEST")
            deadline = time.monotonic() + PATIENCE
            while await call(replica, "DEBUG", "DIGEST") != f"+{digest.decode()}\r\n".encode():
                assert time.monotonic() < deadline, replica.log()
                await asyncio.sleep(0.01)
        assert not list(tmp_path.glob("temp-*"))
        assert not re.search("Traceback|internal error", log.read_text())

    with group(tmp_path) as servers:
        asyncio.run(scenario(servers.start(kind)))


@pytest.mark.parametrize("fault", [full_disk, failing_snapshots], ids=["aof", "rdb"])
@pytest.mark.parametrize("ignore", ["yes", "no"])
def test_replica_ignore_disk_write_errors(tmp_path: Path, ignore: str, fault: Callable[[FaultyFiles], None]) -> None:
    """yes: it follows on, and says so. no: the next change ends the link; it goes on from there when the disk mends."""

    async def scenario(master: Node) -> None:
        files = FaultyFiles()
        log = tmp_path / "server.log"
        lines = (
            *("enable-debug-command yes", "appendonly yes", "save 3600 1000000", "snapshot-mode incremental"),
            f"replica-ignore-disk-write-errors {ignore}",
        )
        async with running(tmp_path, *lines, files=files) as (app, client):
            await client.execute_command("REPLICAOF", "127.0.0.1", master.port)
            await in_step(app, client, master, log)
            fault(files)
            if fault is failing_snapshots:
                await client.bgsave()
                await until(lambda: not app.server.snapshots.last_ok, log.read_text)
            await call(master, "SET", "k", "1")
            if fault is full_disk:
                await until(lambda: bool(app.server.aof.write_error), log.read_text)
            await call(master, "PING")
            await call(master, "SET", "k", "2")
            if ignore == "yes":
                await in_step(app, client, master, log)
                assert await client.get("k") == b"2"
                assert "Replica is applying a command even though it is unable to write to disk." in log.read_text()
            else:
                await until(lambda: "Replica was unable to write command to disk." in log.read_text(), log.read_text)
                assert not app.server.replication.link_up
                assert await client.get("k") in (b"1", None)
            files.room, files.refused = None, ""
            if fault is failing_snapshots:
                await until(lambda: app.server.background is None, log.read_text)
                await client.bgsave()
            await until(lambda: app.server.disk_error() is None, log.read_text)
            await in_step(app, client, master, log)
            assert await client.get("k") == b"2"
        stats = await asyncio.to_thread(master.info, "stats")
        assert stats["sync_full"] == "1"
        assert stats["sync_partial_ok"] == ("0" if ignore == "yes" else "1")

    with group(tmp_path) as servers:
        asyncio.run(scenario(servers.start("redis")))
