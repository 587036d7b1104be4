"""Snapshots when the process is killed, the power is cut, or a call of the file system fails: the file is the one of
before or the new one, whole; and what SAVE has acknowledged is in it."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pyredis.app import App
from pyredis.persistence.files import Files
from tests.persistence.crash import Writer, kills
from tests.support.disk import FailingOnce, Volatile
from tests.support.inprocess import running
from tests.support.raw import RawClient
from tests.support.servers import start_ours
from tests.support.tree import tree
from tests.support.waiting import PATIENCE, wait_until

MODES = ("fork", "incremental")


@pytest.mark.parametrize("work", ["rewrites", "snapshots"])
def test_killed_while_writing_in_slices(tmp_path: Path, work: str) -> None:
    options = ["--appendonly", "yes", "--appendfsync", "no", "--snapshot-mode", "incremental"]
    acknowledged, lost = kills(tmp_path, random.Random(f"slices {work}"), options, work, 3)
    assert acknowledged and not lost


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.mark.parametrize("mode", MODES)
def test_killed_in_a_snapshot(tmp_path: Path, mode: str) -> None:
    """Without an append-only file: what the last snapshot that was finished had, in order, and whole."""
    rng = random.Random(mode)
    options = ["--snapshot-mode", mode, "--enable-debug-command", "yes"]
    kept = 0
    for turn in range(5):
        server = start_ours(tmp_path, *options)
        client = RawClient(server.connect())
        numbers = [node.value for node in tree(client.call("LRANGE", "log", 0, -1)).value]
        assert numbers == [b"%d" % n for n in range(len(numbers))]
        assert len(numbers) >= kept
        if turn:
            assert client.call("EXISTS", "key:0", "key:1999") == b":2\r\n"
        else:
            client.call("DEBUG", "POPULATE", 2000, "key", 200)
            assert client.call("SAVE") == b"+OK\r\n"
        writer = Writer(server, len(numbers), f"{mode} {turn}")
        writer.start()
        begun = done = b""
        kept = at_begin = len(numbers)
        for _ in range(rng.randrange(20, 60)):
            info = client.call("INFO", "persistence")
            done = info.split(b"rdb_last_save_time:")[1].split(b"\r\n")[0]
            assert b"rdb_last_bgsave_status:ok" in info
            if b"rdb_bgsave_in_progress:0" in info:
                if begun:
                    kept = at_begin
                at_begin = writer.acknowledged
                begun = client.call("BGSAVE")
                assert begun.startswith(b"+Background saving started")
        assert done
        children = children_of(server.pid)
        server.process.kill()
        server.process.wait()
        writer.join(PATIENCE)
        # A child outlives it, and would put its older snapshot over one of the next server.
        wait_until(lambda children=children: all(map(has_ended, children)))  # type: ignore[misc]
        found = subprocess.run(["/usr/bin/redis-check-rdb", "dump.rdb"], cwd=tmp_path, capture_output=True)
        assert found.returncode == 0, found.stdout
    for path in tmp_path.iterdir():
        assert path.name in ("dump.rdb", "server.log") or path.name.startswith("temp-")


async def _background(app: App, client: Redis) -> None:
    try:
        await client.bgsave()
    except RedisError:
        pass  # it could not begin
    while app.server.background is not None:
        await client.get("a")


async def value_in(directory: Path) -> bytes | None:
    """What a server finds in the snapshot. It must start."""
    async with running(directory) as (_, client):
        found: bytes | None = await client.get("n")
        return found


@pytest.mark.asyncio
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
async def test_each_call_fails_once(tmp_path: Path, background: bool, error: int) -> None:
    """Every call that a snapshot makes: the error is told, the file is whole, nothing is left over; then it works."""
    number = 0
    while True:
        number += 1
        directory = tmp_path / str(number)
        directory.mkdir()
        files = FailingOnce(-1, error, True)
        async with running(directory, "snapshot-mode incremental", files=files) as (app, client):
            await client.set("n", "old")
            assert await client.save()
            await client.set("n", "new")
            await client.config_set("save", "1000 1000")
            files.count, files.number = 0, number
            if background:
                await _background(app, client)
                ok = app.server.snapshots.last_ok
            else:
                try:
                    ok = bool(await client.save())
                except RedisError:
                    ok = False
            failed = files.failed
            # Once renamed, the new one is there, whether or not that is sure to outlive a power cut.
            expected = b"new" if ok or failed == "sync_directory" else b"old"
            assert ok == (not failed)
            assert (app.server.dirty == 0) == ok
            files.number = -1
            assert sorted(os.listdir(directory)) == ["dump.rdb", "server.log"]
            copy = tmp_path / f"copy{number}"
            copy.mkdir()
            (copy / "dump.rdb").write_bytes((directory / "dump.rdb").read_bytes())
            await _background(app, client)
            assert app.server.snapshots.last_ok and app.server.dirty == 0
            assert await client.set("n", "newest")
            await client.config_set("save", "")
        assert await value_in(copy) == expected
        if not failed:
            assert number > 4
            return


class FailingChild(Files):
    """Calls of one kind fail in a forked child."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.pid = os.getpid()

    def _look(self, call: str) -> None:
        if call == self.call and os.getpid() != self.pid:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def open(self, path: str, flags: int) -> int:
        self._look("open")
        return super().open(path, flags)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._look("write")
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._look("sync")
        super().sync(fd)

    def replace(self, old: str, new: str) -> None:
        self._look("replace")
        super().replace(old, new)

    def sync_directory(self, path: str) -> None:
        self._look("sync_directory")
        super().sync_directory(path)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", ["open", "write", "sync", "replace", "sync_directory"])
async def test_a_child_that_fails(tmp_path: Path, call: str) -> None:
    files = FailingChild(call)
    async with running(tmp_path, "snapshot-mode fork", files=files) as (app, client):
        await client.set("n", "old")
        assert await client.save()
        await client.set("n", "new")
        await _background(app, client)
        assert not app.server.snapshots.last_ok and app.server.dirty == 1
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "server.log"]
        files.call = ""
        await _background(app, client)
        assert app.server.snapshots.last_ok and app.server.dirty == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("background", [False, True])
async def test_power_cuts(tmp_path: Path, background: bool) -> None:
    """What SAVE has acknowledged (or INFO told as saved) is there after a power cut; the file is never half a one."""
    rng = random.Random(f"power {background}")
    current = tmp_path / "0"
    current.mkdir()
    number = 0
    saved = [0]
    for turn in range(1, 13):
        after = tmp_path / str(turn)
        files = Volatile(current, after, rng.randrange(2, 25), rng, lambda saved=saved: saved[0])
        async with running(current, "snapshot-mode incremental", files=files) as (app, client):
            assert int(await client.get("n") or 0) == number
            while not files.cut:
                number += 1
                await client.set("n", number)
                await client.set("big", rng.randbytes(rng.choice((10, 600_000))))
                if background:
                    await _background(app, client)
                    assert app.server.snapshots.last_ok
                else:
                    assert await client.save()
                saved[0] = number
        found = int(await value_in(after) or 0)
        assert files.kept <= found <= number
        number = saved[0] = found
        current = after
