"""``pyredis.Server``: one server in this process, with its sockets, its clock and its faults.

Used with ``with``, it runs in a thread that all such servers share; used with ``async with``, on the running loop;
without sockets (``listen=False``), in whichever thread talks to it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from pyredis.app import App
from pyredis.core.logging import LEVELS, Logger
from pyredis.core.options import Config
from pyredis.core.replication import Replication
from pyredis.core.server import Server as Core
from pyredis.embedded.faults import Faults, FaultyProtocol, QuietListeners
from pyredis.embedded.threads import LoopThread, shared_thread
from pyredis.embedded.waiting import wait_until
from pyredis.embedded.wires import InlinePlace, LoopPlace, Place
from pyredis.lib.splitargs import quote_arg
from pyredis.net.protocol import ClientProtocol

T = TypeVar("T")
_LOG_LINES = 1000


class ServerError(RuntimeError):
    """The server is not running, or is running already."""


class MemoryLog(Logger):
    """Keeps the last lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def write(self, level: int, message: str) -> None:
        if self.config.logfile:
            super().write(level, message)
        if level >= LEVELS[self.config.loglevel]:
            self.lines.append(message)


class ServerClock:
    """The server's time: real, plus what it was moved by.

    Expiry, idle times, blocking commands' time-outs and CLIENT PAUSE follow it. Time-outs of clients are real.
    """

    def __init__(self, core: Core, run: Callable[..., Any]) -> None:
        self._core = core
        self._run = run

    def time(self) -> float:
        """Unix time in seconds, as TIME tells it."""
        return self._core.clock.time()

    def advance(self, seconds: float) -> None:
        """Move forward: what is due then has happened when this returns."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._run(self._core.advance_clock, seconds)

    def reset(self) -> None:
        """Back to the real time. Keys with a deadline live on until that comes."""
        self._run(self._reset)

    def _reset(self) -> None:
        self._core.clock.offset = 0.0
        self._core.update_time()


class Running:
    """The parts of a server while it runs."""

    def __init__(self, app: App, place: Place, faults: Faults) -> None:
        self.app = app
        self.place = place
        self.faults = faults
        self.thread: LoopThread | None = None
        self.watch: asyncio.Task[None] | None = None


class Server:
    """A server, begun by ``with`` (or :meth:`start`) and ended with it.

    ``port``: 0 takes a free one, None listens on no port. ``unixsocket``: a path, True for one in a directory of the
    server's own, False for none. ``listen=False``: no sockets at all. ``config_file``: a configuration file, read
    first. ``sentinel``: it is a sentinel, with these lines (``monitor NAME HOST PORT QUORUM`` …).

    Further arguments are directives of redis.conf with underscores: ``maxmemory="10mb"``, ``appendonly=True``,
    ``save=""``; a list stands for several lines. What is not said is Redis's default, but for no snapshots and a data
    directory that goes with the server.
    """

    def __init__(
        self,
        port: int | None = 0,
        *,
        host: str = "127.0.0.1",
        unixsocket: str | bool = True,
        listen: bool = True,
        config_file: str | None = None,
        sentinel: list[str] | None = None,
        **directives: Any,
    ) -> None:
        self.host = host
        self.port = port or 0
        """The port; the one that was chosen, once the server runs. 0: none."""
        self.unixsocket = ""
        """The path of the unix socket, while the server runs and has one."""
        self._listen = listen
        self._wanted = (port, unixsocket)
        self._config_file = config_file
        self._sentinel = sentinel
        self._directives = directives
        self._directory = ""
        self._forgotten: weakref.finalize[[str, bool], Server] | None = None
        """Removes the directory, at the latest when the process ends."""
        self._running: Running | None = None
        self._clients: list[Any] = []
        self._own: Any = None

    # --- beginning and end ------------------------------------------------------------------------------------

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Server:
        self._check_stopped()
        await self._begin(LoopPlace(asyncio.get_running_loop()))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._end()

    def start(self) -> Server:
        """Begin; raises ListenError, FileError, LoadError, ServerError."""
        self._check_stopped()
        if not self._has_sockets():
            _drive(self._begin(InlinePlace()))
            return self
        thread = shared_thread()

        async def begin() -> None:
            await self._begin(LoopPlace(thread.loop))

        thread.run(begin())
        self._state().thread = thread
        return self

    def stop(self) -> None:
        """End; connections are closed, and the directory goes. Nothing happens if it does not run."""
        running = self._running
        if running is None:
            return
        self._close_clients()
        if running.thread is not None:
            running.thread.run(self._end())
        elif isinstance(running.place, InlinePlace):
            with running.place.condition:
                _drive(self._end())
                running.place.loop.close()
        else:
            raise ServerError("the server runs on an event loop: leave its `async with`")

    def _has_sockets(self) -> bool:
        return self._listen and (self._wanted[0] is not None or bool(self._wanted[1]))

    def _check_stopped(self) -> None:
        if self._running is not None:
            raise ServerError("the server is running already")

    def _state(self) -> Running:
        if self._running is None:
            raise ServerError("the server is not running")
        return self._running

    async def _begin(self, place: Place) -> None:
        config = Config()
        reserved: socket.socket | None = None
        try:
            reserved = self._configure(config)
            app = App(config, self._config_file, MemoryLog(config))
            faults = Faults(app.server, place.call)
            faults.listeners = QuietListeners(faults, reserved)
            app.listeners = faults.listeners
            app.server.may_rest = True
            if isinstance(place, InlinePlace):
                self._without_links(app)
            loop = cast(asyncio.AbstractEventLoop, place.loop)
            await app.start(loop)
            if app.server.mode.start is not None:
                app.server.mode.start(loop)
        except BaseException:
            if reserved is not None:
                reserved.close()
            self._remove_directory()
            raise
        self._running = Running(app, place, faults)
        if isinstance(place, LoopPlace):
            self._running.watch = asyncio.get_running_loop().create_task(self._watch(app))

    def _configure(self, config: Config) -> socket.socket | None:
        """Fill the configuration; a socket that keeps the port, if the system chose it."""
        self._directory = tempfile.mkdtemp(prefix="pyredis-")
        self._forgotten = weakref.finalize(self, shutil.rmtree, self._directory, True)
        config.dir = self._directory
        if self._sentinel is not None:
            self._prepare_sentinel(config)
        if self._config_file is not None:
            config.load(self._config_file)
        port, unix = self._wanted
        lines = [f"bind {self.host}", "save ''"]
        reserved = None
        if not self._listen or port is None:
            lines.append("port 0")
        elif port == 0:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            reserved = socket.socket(family, socket.SOCK_STREAM)
            if os.name == "posix":
                reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind((self.host, 0))
            self.port = reserved.getsockname()[1]
        if self._listen and port is not None:
            lines.append(f"port {self.port}")
        if self._listen and unix and hasattr(socket, "AF_UNIX"):
            self.unixsocket = unix if isinstance(unix, str) else os.path.join(self._directory, "redis.sock")
            lines.append(f"unixsocket {_quoted(self.unixsocket)}")
        for name, value in self._directives.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{name.replace('_', '-')} {_directive(one)}")
        try:
            config.load_text("\n".join(lines))
        except BaseException:
            if reserved is not None:
                reserved.close()
            raise
        return reserved

    def _prepare_sentinel(self, config: Config) -> None:
        """A sentinel keeps its state in a configuration file."""
        from pyredis.sentinel.server import prepare

        prepare(config)
        path = os.path.join(self._directory, "sentinel.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"sentinel {line}\n" for line in self._sentinel or [])
        self._config_file = path

    @staticmethod
    def _without_links(app: App) -> None:
        """Where no loop runs by itself there are no connections to other servers. Raises ServerError."""
        if app.server.config.replicaof:
            raise ServerError("a server without sockets cannot be a replica")
        app.server.replication = Replication(app.server)
        app.server.moving.links = None

    async def _watch(self, app: App) -> None:
        """SHUTDOWN ends the server, not the process."""
        await app.stopped.wait()
        await app.close()

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        app = running.app
        app.stop()
        if running.watch is None:
            await app.close()
        else:
            await running.watch
        self.unixsocket = ""
        self._remove_directory()

    def _remove_directory(self) -> None:
        self._directory = ""
        if self._forgotten is not None:
            self._forgotten()

    @property
    def stopped(self) -> bool:
        """Whether it does not run (any more)."""
        return self._running is None or self._running.app.stopped.is_set()

    def has_port(self) -> bool:
        """Whether it listens on a port."""
        return self._listen and self._wanted[0] is not None

    # --- what a test wants ------------------------------------------------------------------------------------

    @property
    def core(self) -> Core:
        """The server behind it; to be touched in its own place only (see :meth:`run`)."""
        return self._state().app.server

    @property
    def clock(self) -> ServerClock:
        """Its time."""
        return ServerClock(self.core, self.run)

    @property
    def faults(self) -> Faults:
        """What goes wrong on demand."""
        return self._state().faults

    @property
    def log(self) -> list[str]:
        """The last lines of its log."""
        log = self._state().app.server.log
        return list(log.lines) if isinstance(log, MemoryLog) else []

    @property
    def directory(self) -> str:
        """Where its files are."""
        return self._directory

    @property
    def url(self) -> str:
        """``redis://host:port/0``, or of the unix socket if there is no port."""
        self._state()
        if self.has_port():
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"redis://{host}:{self.port}/0"
        return self.unix_url

    @property
    def unix_url(self) -> str:
        """``unix://path?db=0``."""
        if not self.unixsocket:
            raise ServerError("the server has no unix socket")
        return f"unix://{self.unixsocket}?db=0"

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where the server runs, so that nothing else happens meanwhile."""
        running = self._state()
        core = running.app.server

        def call() -> T:
            core.wake()
            return function(*args)

        return running.place.call(call)

    def reset(self) -> None:
        """As new: no data, scripts, faults; the real time. Clients stay connected, the configuration stays."""
        self.faults.clear()
        self.clock.reset()
        from pyredis.embedded.connections import connect

        wire = connect(self, True, {})  # not one of those that are kept until the server ends
        try:
            wire.flushall()
            wire.script_flush()
        finally:
            wire.close()

    def wait_until_synced(self, timeout: float = 20) -> None:
        """A replica: wait until it has its master's data. Raises TimeoutError."""
        replication = self.core.replication
        wait_until(lambda: replication.link_up, "the replica has its master's data", timeout)

    # --- clients ----------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where it runs: for connections without sockets."""
        return self._state().place

    def new_protocol(self) -> ClientProtocol:
        """What serves a connection without a socket. Raises ConnectionRefusedError."""
        faults = self.faults
        if faults.refusing:
            raise ConnectionRefusedError(111, "Connection refused")
        return FaultyProtocol(faults)

    @property
    def client(self) -> Any:
        """A redis-py client, ready for use; it is closed with the server."""
        if self._own is None:
            self._own = self.connect()
        return self._own

    def connect(self, *, in_process: bool = False, **options: Any) -> Any:
        """A new ``redis.Redis`` with these options of redis-py; ``in_process``: without a socket."""
        from pyredis.embedded.connections import connect

        client = connect(self, in_process or not self._has_sockets(), options)
        self._clients.append(client)
        return client

    def connect_async(self, *, in_process: bool = False, **options: Any) -> Any:
        """A new ``redis.asyncio.Redis``; to be closed by ``await client.aclose()``."""
        from pyredis.embedded.connections import connect_async

        return connect_async(self, in_process or not self._has_sockets(), options)

    def _close_clients(self) -> None:
        clients, self._clients, self._own = self._clients, [], None
        for client in clients:
            client.close()


@contextmanager
def serve(port: int | None = 0, **options: Any) -> Iterator[Server]:
    """``with pyredis.serve() as server:`` a server for as long as the block runs; the arguments of :class:`Server`."""
    with Server(port, **options) as server:
        yield server


def _drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that only ever gives others a turn."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as e:
            result: T = e.value
            return result


def _directive(value: object) -> str:
    """A value as in a configuration file: several words stay several."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if text and "'" not in text and '"' not in text and "\n" not in text else _quoted(text)


def _quoted(text: str) -> str:
    return quote_arg(text.encode("utf-8", "surrogateescape")).decode("latin-1")
