"""The wiring: configuration to a running server. The only module that names all subsystems together."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import Any

from pyredis.commands import all as all_commands
from pyredis.core.client import CLIENT_BLOCKED, CLIENT_REPLICA
from pyredis.core.config import Config
from pyredis.core.logging import Logger
from pyredis.core.server import Server
from pyredis.net.listener import ListenError, Listeners

__all__ = ["App", "all_commands", "run_server"]


class App:
    """A server with its sockets, on one event loop."""

    def __init__(self, config: Config, config_file: str | None, log: Logger) -> None:
        self.server = Server(config, log)
        self.server.config_file = config_file
        self.listeners = Listeners(self.server)
        self.stopped = asyncio.Event()
        self.exit_code = 0

    async def start(self) -> None:
        """Open the sockets and begin the cron. Raises ListenError."""
        await self.listeners.open_all()
        server = self.server
        server.start_cron(asyncio.get_running_loop())
        server.cron_jobs.append(self._check_clients)
        server.on_shutdown = self.stop
        server.listeners = self.listeners

    def stop(self, exit_code: int = 0) -> None:
        """Ask the server to end."""
        self.exit_code = exit_code
        self.stopped.set()

    async def close(self) -> None:
        """Close sockets and connections."""
        self.server.stop_cron()
        self.listeners.close()
        for c in list(self.server.clients.values()):
            self.server.flush_client(c)
            c.conn.close(True)
        await asyncio.sleep(0)

    def _check_clients(self) -> None:
        """Idle clients go; soft output limits are looked at."""
        server = self.server
        timeout = server.config.timeout * 1000
        for c in list(server.clients.values()):
            if (
                timeout
                and not c.flags & (CLIENT_BLOCKED | CLIENT_REPLICA)
                and not c.subscribed()
                and server.mstime - c.last_interaction > timeout
            ):
                server.log.verbose("Closing idle client")
                server.close_client(c)
            elif c.out_soft_since:
                check: Any = getattr(c.conn, "check_limits", None)
                if check is not None:
                    check()


async def _serve(app: App) -> int:
    log = app.server.log
    try:
        await app.start()
    except ListenError as e:
        log.warning(f"Warning: {e}")
        log.warning(f"Failed listening on port {app.server.config.port} (TCP), aborting.")
        return 1
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for number, text in (
            (signal.SIGTERM, "Received SIGTERM scheduling shutdown..."),
            (signal.SIGINT, "Received SIGINT scheduling shutdown..."),
        ):
            loop.add_signal_handler(number, _on_signal, app, text)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    log.notice("Ready to accept connections")
    log.ready()
    await app.stopped.wait()
    log.warning("User requested shutdown...")
    await app.close()
    log.warning("Redis is now ready to exit, bye bye...")
    return app.exit_code


def _on_signal(app: App, text: str) -> None:
    app.server.log.warning(text)
    app.stop()


def run_server(config: Config, config_file: str | None = None, log: Logger | None = None) -> int:
    """Run a server until it is told to end; returns the process's exit code. Uses uvloop where it is installed."""
    logger = log or Logger(config)
    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    async def main() -> int:
        return await _serve(App(config, config_file, logger))

    with runner:
        return runner.run(main())
