"""A whole server, sockets and files included, on the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pyredis.app import App
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.net.listener import ListenError
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.files import Files
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE


async def started(make: Callable[[int], App]) -> App:
    """The server that ``make`` returns for a port, started; another port is taken if somebody else has come first."""
    for _ in range(5):
        app = make(free_port())
        try:
            await app.start()
        except ListenError:
            continue
        return app
    raise RuntimeError("no port is free")


@asynccontextmanager
async def running(directory: Path, *lines: str, files: Files | None = None) -> AsyncIterator[tuple[App, Redis]]:
    """A server with these configuration lines, and a client. ``files`` takes the place of the file system."""

    def make(port: int) -> App:
        config = Config()
        config.load_text("\n".join([f"port {port}", "bind 127.0.0.1", "save ''", f"dir {directory}", *lines]))
        config.logfile = str(directory / "server.log")
        return App(config, None, Logger(config), files=files)

    app = await started(make)
    client = Redis(host="127.0.0.1", port=app.server.config.port, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0))
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
