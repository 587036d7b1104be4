"""The wiring: configuration to a running server. The only module that names all subsystems together."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from pyredis import __version__
from pyredis.commands import all as all_commands
from pyredis.core.acl_users import AclError
from pyredis.core.client import (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_MASTER,
    CLIENT_MONITOR,
    CLIENT_REPLICA,
)
from pyredis.core.compat import RELEASES
from pyredis.core.dispatch import refresh_fast
from pyredis.core.garbage import Collector
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.core.process import DEFAULT_PIDFILE, Process, daemonize
from pyredis.core.server import Server
from pyredis.core.shutdown import shut_down, shutdown_flags
from pyredis.net.listener import ListenError, Listeners
from pyredis.net.migration import PeerLinks
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.files import Files
from pyredis.persistence.start import Disk
from pyredis.replication.node import Node
from pyredis.scripting.engine import Engine

if TYPE_CHECKING:
    from pyredis.console.site import Console
    from pyredis.metrics.endpoint import Endpoint

__all__ = ["App", "all_commands", "run_server"]


def make_server(config: Config, log: Logger) -> Server:
    """A database, or a sentinel. Raises FileError for a ``sentinel`` line that cannot be taken."""
    if not config.sentinel_mode:
        return Server(config, log)
    from pyredis.sentinel.server import SentinelServer

    return SentinelServer(config, log)


class App:
    """A server with its sockets, on one event loop."""

    def __init__(
        self,
        config: Config,
        config_file: str | None,
        log: Logger,
        process: Process | None = None,
        files: Files | None = None,
    ) -> None:
        self.server = make_server(config, log)
        self.server.config_file = config_file
        self.server.process = process
        self.server.scripts = Engine(self.server)
        self.listeners = Listeners(self.server)
        files = files or Files()
        self.disk = Disk(self.server, files)
        self.replication = Node(self.server, files)
        self.links = PeerLinks(self.server)
        self.server.moving.links = self.links
        self.server.replication = self.replication
        self.metrics: Endpoint | None = None
        self.console: Console | None = None
        self.stopped = asyncio.Event()
        self.exit_code = 0

    async def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Open the sockets, load the users and what is on disk, begin the cron (on another ``loop``, if given).

        Raises ListenError, AclError, LoadError.
        """
        server = self.server
        try:
            if server.config.console_bind and not server.config.metrics_port:
                raise ListenError("console-bind needs metrics-port: that is where the console is served")
            if server.config.metrics_port:
                await self._open_metrics()  # first, as clients are accepted while this waits
            self.listeners.open_all()
            server.users.load_at_start()
            server.start_cron(loop or asyncio.get_running_loop())
            server.cron_jobs += (self._check_clients, self.links.cron)
            server.on_shutdown = self.stop
            server.listeners = self.listeners
            if server.mode.start is not None:
                return  # a sentinel has no data
            await self.disk.load(self.stopped)
        except BaseException:
            await self.close()  # nobody must be answered while the loop ends, and nothing left running
            raise
        self.replication.start()

    async def _open_metrics(self) -> None:
        """Raises ListenError."""
        from pyredis.metrics.endpoint import Endpoint

        self.metrics = Endpoint(self.server, asyncio.get_running_loop())
        if self.server.config.console_bind:
            from pyredis.console.site import Console

            self.console = Console(self.server, asyncio.get_running_loop())
            self.metrics.http.sites.append(self.console.site)
        try:
            await self.metrics.start()
        except OSError as e:
            raise ListenError(f"Failed listening on port {self.server.config.metrics_port} (metrics): {e}") from e

    def stop(self, exit_code: int = 0) -> None:
        """Ask the server to end; from now on no client's command runs any more."""
        if self.stopped.is_set():
            return
        self.exit_code = exit_code
        self.stopped.set()
        for c in self.server.clients.values():
            c.flags |= CLIENT_CLOSE_AFTER_REPLY
            refresh_fast(c)

    async def close(self) -> None:
        """Put everything on the disk that belongs there, then close sockets and connections."""
        self.server.stop_cron()
        self.server.scripts.end()
        self.links.close()
        if self.server.mode.close is not None:
            self.server.mode.close()
        else:
            self.replication.close()
            self.disk.close()
        self.listeners.close()
        if self.metrics is not None:
            self.metrics.close()
        if self.console is not None:
            self.console.close()
        for unfinished in list(self.server.handshakes):
            unfinished.abort()
        for c in list(self.server.clients.values()):
            self.server.flush_client(c)
            c.conn.close(True)
        await asyncio.sleep(0)
        self.server.eviction.meter.end()

    def _check_clients(self) -> None:
        """Idle clients go; soft output limits are looked at."""
        server = self.server
        timeout = server.config.timeout * 1000
        for c in list(server.clients.values()):
            if (
                timeout
                and not c.flags & (CLIENT_BLOCKED | CLIENT_REPLICA | CLIENT_MASTER | CLIENT_MONITOR)
                and not c.subscribed()
                and server.mstime - c.last_interaction > timeout
            ):
                server.log.verbose("Closing idle client")
                server.close_client(c)
            elif c.out_soft_since:
                check: Any = getattr(c.conn, "check_limits", None)
                if check is not None:
                    check()


class _Signals:
    """SIGTERM and SIGINT ask for the end; a second SIGINT does not wait for it.

    Handlers of the interpreter, not of the event loop: they run even while one command keeps the loop busy.
    """

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        for name in ("SIGHUP", "SIGPIPE"):  # not on Windows
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        log = self.app.server.log
        if self.asked and number == signal.SIGINT:
            log.from_signal("You insist... exiting now.")
            os._exit(1)
        self.asked = True
        log.from_signal(f"Received {signal.Signals(number).name} scheduling shutdown...")
        scripts = self.app.server.scripts
        self.loop.call_soon_threadsafe(scripts.when_idle, partial(self._shut_down, number))

    def _shut_down(self, number: int) -> None:
        config = self.app.server.config
        words = config.shutdown_on_sigint if number == signal.SIGINT else config.shutdown_on_sigterm
        if not self.app.stopped.is_set() and not shut_down(self.app.server, shutdown_flags(words)):
            self.asked = False


async def _serve(app: App, process: Process) -> int:
    server = app.server
    config, log = server.config, server.log
    possible = process.raise_open_files(config.maxclients)
    if possible <= 0:
        return 1
    config.maxclients = possible
    if not config.sentinel_mode:
        log.role = "M" if server.replication.master is None else "S"
    _warn_about_backlog(config, log)
    loop = asyncio.get_running_loop()
    _Signals(app, loop)
    try:
        await app.start()
    except (ListenError, LoadError, AclError) as e:
        for line in str(e).split("\n"):
            log.warning(line)
        return 1
    if process.supervisor == "no" and (config.pidfile or config.daemonize):
        process.write_pidfile(config.pidfile or DEFAULT_PIDFILE)
    elif config.pidfile:
        process.write_pidfile(config.pidfile)
    process.set_crash_log(config)
    process.set_processors(config.server_cpulist)
    process.set_oom_score(config)
    collector = Collector(server, loop)
    server.cron_jobs.append(collector.cron)
    log.notice(f"Running mode={server.mode.name}, port={config.port or config.tls_port}.")
    if server.mode.start is not None:
        server.mode.start(loop)
    else:
        _tell_ready(app, log)
    process.notify("STATUS=Ready to accept connections\nREADY=1\n")
    # What clients need not wait for.
    loop.call_later(0.05, server.eviction.meter.begin)
    loop.call_later(0.05, process.set_title, config, server.config_file)
    loop.call_later(0.05, process.disable_huge_pages, config)
    await app.stopped.wait()
    process.remove_pidfile()
    await app.close()
    log.warning(f"{'Sentinel' if config.sentinel_mode else 'Redis'} is now ready to exit, bye bye...")
    return app.exit_code


def _tell_ready(app: App, log: Logger) -> None:
    log.warning("Server initialized")
    if app.listeners.tcp.sockets or app.listeners.tls.sockets:
        log.notice("Ready to accept connections")
    if app.listeners.unix is not None:
        log.notice(f"The server is now ready to accept connections at {app.server.config.unixsocket}")


def _warn_about_backlog(config: Config, log: Logger) -> None:
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
            most = int(file.read())
    except (OSError, ValueError):
        return
    if config.port and 0 < most < config.tcp_backlog:
        log.warning(
            f"WARNING: The TCP backlog setting of {config.tcp_backlog} cannot be enforced because "
            f"/proc/sys/net/core/somaxconn is set to the lower value of {most}."
        )


def _announce(config: Config, config_file: str | None, log: Logger, loop_name: str) -> None:
    """The first lines: a banner for people, Redis's lines for log files."""
    if (log.terminal and not config.logfile) or config.always_show_logo:
        where = f"port {config.port or config.tls_port}" if config.port or config.tls_port else config.unixsocket
        log.banner(
            [
                "",
                f"  pyredis {__version__}, compatible with Redis {RELEASES[config.compat_version]}",
                f"  {where}, pid {os.getpid()}, Python {platform.python_version()} on {loop_name}",
                f"  configuration: {config_file or 'defaults and command line'}",
                "",
            ]
        )
    if log.terminal and not config.logfile:
        return
    log.warning("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo")
    log.warning(
        f"Redis version={RELEASES[config.compat_version]}, bits=64, commit=00000000, modified=0, "
        f"pid={os.getpid()}, just started "
        f"(pyredis {__version__}, Python {platform.python_version()}, {loop_name})"
    )


def choose_loop(wanted: str) -> tuple[str, Callable[[], asyncio.AbstractEventLoop] | None]:
    """The event loop: uvloop where it is installed, unless ``wanted`` is ``asyncio``; its name and how to make it.

    Raises ValueError for a name that is neither, ImportError if uvloop is asked for by name and missing.
    """
    if wanted not in ("", "asyncio", "uvloop"):
        raise ValueError(f"PYREDIS_LOOP must be asyncio or uvloop, not {wanted!r}")
    if wanted != "asyncio":
        try:
            import uvloop
        except ImportError:
            if wanted:
                raise
        else:
            return "uvloop", uvloop.new_event_loop
    return "asyncio", None


def run_server(config: Config, config_file: str | None = None, given: bool = False) -> int:
    """Run a server in this process until it is told to end; returns the exit code.

    ``given`` says whether there was any configuration beside the defaults. Raises FileError for a ``sentinel`` line
    that cannot be taken.
    """
    log = Logger(config)
    process = Process(log)
    app = App(config, config_file, log, process)
    try:
        loop_name, loop_factory = choose_loop(os.environ.get("PYREDIS_LOOP", ""))
    except (ValueError, ImportError) as e:
        log.warning(f"Fatal error: {e}")
        return 1
    process.find_supervisor(config)
    if config.daemonize and process.supervisor == "no":
        try:
            daemonize()
            app.server.pid = os.getpid()
        except RuntimeError as e:
            log.warning(f"Fatal error: {e}")
            return 1
    _announce(config, config_file, log, loop_name)
    if given:
        log.warning("Configuration loaded")
    else:
        log.warning(
            "Warning: no config file specified, using the default config. In order to specify a config file use "
            "redis-server /path/to/redis.conf"
        )

    async def main() -> int:
        return await _serve(app, process)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())
