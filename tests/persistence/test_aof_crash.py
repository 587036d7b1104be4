"""A server killed at random moments, and power cut: what it has acknowledged is there afterwards, in order.

These are short; ``python -m tests.persistence.crash`` does the same for as long as wanted.
"""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from pyredis.persistence.aof_load import LoadError
from tests.persistence.crash import ON, POLICIES, WORKS, found, kills, power_cuts
from tests.support.disk import FailingOnce
from tests.support.inprocess import running
from tests.support.raw import RawClient
from tests.support.servers import start_ours


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("policy", POLICIES)
def test_killed_at_random(tmp_path: Path, policy: str, work: str) -> None:
    """A process that is killed loses nothing that was written, and everysec alone waits with that at times."""
    options = ["--appendonly", "yes", "--appendfsync", policy]
    acknowledged, lost = kills(tmp_path, random.Random(f"crash {policy} {work}"), options, work, 3)
    assert acknowledged and (not lost or policy == "everysec")


@pytest.mark.asyncio
@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_power_cuts(tmp_path: Path, policy: str, preamble: str) -> None:
    """``always`` loses nothing; the others at most what came after the last fsync; all of them in order."""
    result = await power_cuts(tmp_path, random.Random(f"{policy} {preamble}"), policy, preamble, 5, False)
    assert result.acknowledged and not (result.lost and policy == "always")


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(8))
async def test_a_new_directory_lasts(tmp_path: Path, seed: int) -> None:
    """Power is cut soon after the first start, when names not fsynced in the directory above may be gone."""
    result = await power_cuts(tmp_path, random.Random(f"new {seed}"), "always", "yes", 1, False)
    assert not result.lost


async def with_failure(directory: Path, number: int, error: int, half: bool, policy: str) -> bool:
    """A start, writes, a rewrite and an end, of which call ``number`` fails; False if there are not so many calls."""
    directory.mkdir()
    files = FailingOnce(number, error, half)
    acknowledged: list[bytes] = []
    try:
        async with running(directory, *ON, f"appendfsync {policy}", files=files) as (app, client):
            for n in range(6):
                if n == 3:
                    try:
                        await client.bgrewriteaof()
                    except RedisError:
                        pass  # it could not begin
                    while app.server.background is not None:
                        await client.ping()
                try:
                    await client.rpush("log", n)  # type: ignore[misc]
                    acknowledged.append(b"%d" % n)
                except RedisError:
                    if app.stopped.is_set():
                        break
    except LoadError as e:
        assert str(e) and not acknowledged
    numbers = await found(directory)
    rest = iter(numbers)
    assert all(n in rest for n in acknowledged), f"{files.failed} {number}: {acknowledged} not in {numbers}"
    assert numbers == sorted(numbers)
    return bool(files.failed)


@pytest.mark.asyncio
@pytest.mark.parametrize(("policy", "half"), [("always", False), ("no", True)], ids=["always", "no"])
async def test_each_call_fails_once(tmp_path: Path, policy: str, half: bool) -> None:
    """Whichever call fails: the next start finds what was acknowledged, in order."""
    number = 1
    while await with_failure(tmp_path / str(number), number, errno.ENOSPC if number % 2 else errno.EIO, half, policy):
        number += 1
    assert number > 15


def test_half_of_a_transaction(tmp_path: Path) -> None:
    """A client that goes away between MULTI and EXEC leaves nothing in the file."""
    server = start_ours(tmp_path, "--appendonly", "yes")
    with socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(b"MULTI\r\nSET a b\r\n")
        assert sock.recv(100)
    RawClient(server.connect()).call("SET", "c", "d")
    server.stop()
    data = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert b"MULTI" not in data
    assert b"$1\r\nc" in data
