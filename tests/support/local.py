"""A server in the test's own process, without sockets and without a loop: commands in, reply bytes out."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Final

import hiredis

from pyredis.commands import all as all_commands
from pyredis.core.blocked import unblock_client
from pyredis.core.client import Client
from pyredis.core.compat import NEWEST
from pyredis.core.dispatch import run_batch
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.core.server import Server

__all__ = ["LocalClient", "LocalServer", "all_commands"]
DRIVEN_FROM: Final = 1_700_000_000_000


class SilentLogger(Logger):
    """Forgets what it is told."""

    def write(self, level: int, message: str) -> None:
        pass


class LocalServer(Server):
    """A server whose log is silent and whose clock moves with ``clock.advance``; ``compat`` as ``compat-version``."""

    def __init__(self, compat: str = NEWEST) -> None:
        config = Config()
        config.compat_version = compat
        super().__init__(config, SilentLogger(config))

    def client(self) -> LocalClient:
        """A new client."""
        return LocalClient(self)


class DrivenServer(LocalServer):
    """Its time, ``now`` in Unix milliseconds, is what the test says."""

    now = DRIVEN_FROM

    def __init__(self, compat: str = NEWEST) -> None:
        super().__init__(compat)
        self.update_time()

    def update_time(self) -> None:
        self.mstime = self.now
        self.set_ticks()


class LocalClient:
    """A client; ``output`` is what it was sent without having asked (messages, a reply it waited for)."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.output = b""
        self.client = Client(server, server.new_client_id(), self, b"127.0.0.1:1", b"127.0.0.1:2")
        server.add_client(self.client)

    def call(self, *argv: bytes | str | int) -> bytes:
        """The reply; empty if the command waits."""
        self.server.update_time()
        run_batch(self.client, [[a if isinstance(a, bytes) else str(a).encode() for a in argv]], perf_counter_ns())
        self.server.flush_client(self.client)
        reply, self.output = self.output, b""
        self.server.after_event()
        return reply

    def stop_waiting(self) -> None:
        """End a blocking command without a reply."""
        unblock_client(self.client)

    # --- the connection's side --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.output += data

    def close(self, flush: bool) -> None:
        self.server.free_client(self.client)

    def resume_reading(self) -> None:
        pass

    def limits_changed(self) -> None:
        pass

    def output_bytes(self) -> int:
        return len(self.output)

    def input_bytes(self) -> int:
        return 0

    def fileno(self) -> int:
        return -1


def call(client: LocalClient, line: str) -> Any:
    """The reply to a command line, read; errors as their text."""
    reader = hiredis.Reader(encoding="utf-8", replyError=str)
    reader.feed(client.call(*line.split()))
    return reader.gets()


def run(client: LocalClient, script: str) -> list[Any]:
    """The replies to several command lines."""
    return [call(client, line) for line in script.strip().splitlines()]
