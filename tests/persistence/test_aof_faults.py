"""A disk that fails: writes are refused, reads go on, nothing acknowledged is lost, and it mends by itself."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from pyredis.app import App
from tests.support.disk import FaultyFiles
from tests.support.inprocess import running
from tests.support.waiting import until


async def again(directory: Path) -> list[bytes]:
    """What another server finds in the files."""
    async with running(directory, "appendonly yes") as (_, client):
        return await client.lrange("l", 0, -1)  # type: ignore[misc,no-any-return]


LINES = ("appendonly yes", "aof-use-rdb-preamble no")


@pytest.mark.asyncio
@pytest.mark.parametrize("policy", ["everysec", "no", "always"])
async def test_disk_full(tmp_path: Path, policy: str) -> None:
    files = FaultyFiles()
    async with running(tmp_path, *LINES, f"appendfsync {policy}", files=files) as (app, client):
        await client.rpush("l", "a")  # type: ignore[misc]
        files.room = 10
        waiting = asyncio.create_task(client.rpush("l", "b"))  # type: ignore[arg-type]
        await until(lambda: bool(app.server.aof.write_error))
        other = Redis(port=app.server.config.port)
        with pytest.raises(ResponseError, match="MISCONF Errors writing to the AOF file: No space left on device"):
            await other.set("x", "y")
        with pytest.raises(ResponseError, match="MISCONF"):
            await other.ping()
        assert await other.lrange("l", 0, -1) == [b"a", b"b"]  # type: ignore[misc]
        assert (await other.info("persistence"))["aof_last_write_status"] == "err"
        assert waiting.done() == (policy != "always"), "under always it has no reply before it is on the disk"
        files.room = None
        await until(lambda: not app.server.aof.write_error)
        assert await waiting == 2
        await other.rpush("l", "c")  # type: ignore[misc]
        assert (await other.info("persistence"))["aof_last_write_status"] == "ok"
        await other.aclose()
    assert await again(tmp_path) == [b"a", b"b", b"c"]


@pytest.mark.asyncio
async def test_a_client_without_reply_may_leave(tmp_path: Path) -> None:
    files = FaultyFiles()
    async with running(tmp_path, *LINES, "appendfsync always", files=files) as (app, client):
        files.room = 0
        impatient = Redis(port=app.server.config.port, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))
        with pytest.raises(TimeoutError):
            await impatient.rpush("l", "a")  # type: ignore[misc]
        await impatient.aclose()
        files.room = None
        await until(lambda: not app.server.aof.write_error)
        assert await client.rpush("l", "b") == 2  # type: ignore[misc]
    assert await again(tmp_path) == [b"a", b"b"]


@pytest.mark.asyncio
async def test_short_writes(tmp_path: Path) -> None:
    files = FaultyFiles()
    async with running(tmp_path, *LINES, "appendfsync always", files=files) as (_, client):
        files.short = True
        for n in range(20):
            await client.rpush("l", n)  # type: ignore[misc]
    assert await again(tmp_path) == [b"%d" % n for n in range(20)]


@pytest.mark.asyncio
async def test_fsync_fails(tmp_path: Path) -> None:
    """``everysec``: writes are refused until an fsync succeeds; then the file is written anew, as pages may be lost."""
    files = FaultyFiles()
    async with running(tmp_path, *LINES, files=files) as (app, client):
        files.sync_error = errno.EIO

        def failed() -> bool:
            return bool(app.server.aof.write_error)

        async def write() -> None:
            while not failed():
                try:
                    await client.rpush("l", "a")  # type: ignore[misc]
                except ResponseError:
                    return
                await asyncio.sleep(0.05)

        async with asyncio.timeout(20):
            await write()
        with pytest.raises(ResponseError, match="MISCONF Errors writing to the AOF file: Input/output error"):
            await client.set("x", "y")
        files.sync_error = 0
        await until(lambda: not failed())
        await until(lambda: app.server.aof.rewrites == 1)
        wanted = await client.lrange("l", 0, -1)  # type: ignore[misc]
    assert await again(tmp_path) == wanted


@pytest.mark.asyncio
async def test_fsync_fails_under_always(tmp_path: Path) -> None:
    """As in Redis this ends the server; who has no reply knows that nothing is certain."""
    files = FaultyFiles()
    async with running(tmp_path, *LINES, "appendfsync always", files=files) as (app, client):
        await client.rpush("l", "a")  # type: ignore[misc]
        files.sync_error = errno.EIO
        with pytest.raises(ConnectionError):
            await client.rpush("l", "b")  # type: ignore[misc]
        assert app.stopped.is_set() and app.exit_code == 1
        files.sync_error = 0
    assert (await again(tmp_path))[:1] == [b"a"]


@pytest.mark.asyncio
async def test_a_rewrite_that_fails(tmp_path: Path) -> None:
    """Without room for the new base the old files stay, and go on to be written."""
    files = FaultyFiles()
    async with running(tmp_path, *LINES, files=files) as (app, client):
        await client.rpush("l", *range(100))  # type: ignore[misc]
        server: App = app
        files.room = 20  # too little for the manifest
        with pytest.raises(ResponseError, match="Can't execute an AOF background rewriting"):
            await client.bgrewriteaof()
        files.room = None
        files.child_fails = True
        await client.bgrewriteaof()
        await until(lambda: not server.server.aof.rewriting)
        files.child_fails = False
        info = await client.info("persistence")
        assert (info["aof_last_bgrewrite_status"], info["aof_rewrites_consecutive_failures"]) == ("err", 1)
        await client.rpush("l", 100)  # type: ignore[misc]
        assert not [name for name in os.listdir(tmp_path / "appendonlydir") if name.startswith("temp")]
        await client.bgrewriteaof()
        await until(lambda: server.server.aof.rewrites == 1)
        await client.rpush("l", 101)  # type: ignore[misc]
    assert await again(tmp_path) == [b"%d" % n for n in range(102)]
