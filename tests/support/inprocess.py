"""A whole server, sockets and files included, on the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pyredis.app import App
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.files import Files
from tests.support.servers import free_port


@asynccontextmanager
async def running(directory: Path, *lines: str, files: Files | None = None) -> AsyncIterator[tuple[App, Redis]]:
    """A server with these configuration lines, and a client. ``files`` takes the place of the file system."""
    config = Config()
    port = free_port()
    config.load_text("\n".join([f"port {port}", "bind 127.0.0.1", "save ''", f"dir {directory}", *lines]))
    config.logfile = str(directory / "server.log")
    app = App(config, None, Logger(config), files=files)
    await app.start()
    client = Redis(host="127.0.0.1", port=port, socket_timeout=20, retry=Retry(NoBackoff(), 0))
    try:
        yield app, client
    finally:
        await client.aclose()
        app.stop()
        await app.close()


def refusal(directory: Path, *lines: str) -> str:
    """Why a server with these configuration lines does not start with what is in ``directory``; empty if it does."""

    async def start() -> str:
        try:
            async with running(directory, *lines):
                return ""
        except LoadError as e:
            return str(e)

    return asyncio.run(start())
