"""WAITAOF: until the client's own changes are on the disk (https://redis.io/docs/latest/commands/waitaof/)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.support.inprocess import running


@pytest.mark.asyncio
async def test_always_and_everysec(tmp_path: Path) -> None:
    async with running(tmp_path, "appendonly yes", "appendfsync always") as (app, client):
        assert await client.waitaof(1, 0, 0) == [1, 0], "nothing was written by this client"
        await client.set("a", "b")
        assert await client.waitaof(1, 0, 0) == [1, 0]
        assert await client.waitaof(0, 1, 50) == [1, 0], "there are no replicas"
        await client.config_set("appendfsync", "everysec")
        for _ in range(3):
            await client.set("a", "c")
            assert await client.waitaof(1, 0, 0) == [1, 0]
            assert app.server.aof.synced == app.server.fed
        await client.config_set("appendfsync", "no")
        await client.set("a", "d")
        assert await client.waitaof(1, 0, 50) == [0, 0]
        pipe = client.pipeline(transaction=True)
        pipe.set("x", "y")
        pipe.waitaof(1, 0, 0)
        assert await pipe.execute() == [True, [0, 0]], "does not wait in a transaction"


@pytest.mark.asyncio
async def test_errors(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        for argv, text in (
            ((1, 0, 0), "WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
            ((2, 0, 0), "value is out of range, value must between 0 and 1"),
            ((0, -1, 0), "value is out of range, must be positive"),
            ((0, 0, -1), "timeout is negative"),
            ((0, 0, "x"), "timeout is not an integer or out of range"),
        ):
            with pytest.raises(ResponseError) as caught:
                await client.execute_command("WAITAOF", *argv)
            assert str(caught.value) == text
        assert await client.waitaof(0, 0, 0) == [0, 0]
        waiting = asyncio.create_task(client.waitaof(0, 1, 50))
        assert await waiting == [0, 0]
