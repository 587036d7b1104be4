"""Servers that end as soon as they have begun leave nothing in the event loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.inprocess import running
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize("turns", range(5))
async def test_the_next_server_is_heard(tmp_path: Path, turns: int) -> None:
    """The new listening socket often has the number of the old one."""
    async with running(tmp_path):
        for _ in range(turns):
            await asyncio.sleep(0)
    async with running(tmp_path) as (app, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.server.config.port)
        writer.write(b"PING\r\n")
        async with asyncio.timeout(PATIENCE):
            assert await reader.readline() == b"+PONG\r\n"
        writer.close()


async def test_no_file_stays_open(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        async with running(tmp_path) as (_, client):
            await client.ping()
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= open_before + 1
