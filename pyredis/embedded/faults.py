"""Faults on demand: what a client must cope with, without breaking anything.

Everything here can be called from any thread, and takes effect before the call returns. ``clear()`` ends it all.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyredis.core.checks import GATE_INJECTED, has_flags, lacks_flags
from pyredis.core.client import CLIENT_MASTER, Client
from pyredis.core.command import CMD_DENYOOM, CMD_LOADING, CMD_WRITE, Command
from pyredis.core.dispatch import set_gate
from pyredis.embedded.waiting import wait_until
from pyredis.net.listener import Listeners
from pyredis.net.protocol import ClientProtocol
from pyredis.resp.errors import BUSY, LOADING, OOM, READONLY

if TYPE_CHECKING:
    import asyncio

    from pyredis.core.server import Server as Core
    from pyredis.embedded.server import Server


class Rule:
    """Which commands fail with ``error``: those that ``concerns`` names, ``times`` times (None: always)."""

    def __init__(self, error: bytes, concerns: Callable[[Client, Command], bool], times: int | None) -> None:
        self.error = error
        self.concerns = concerns
        self.times = times


class FaultyProtocol(ClientProtocol):
    """A connection whose replies can be held back or cut."""

    def __init__(self, faults: Faults, unix_path: str = "") -> None:
        super().__init__(faults.core, unix_path)
        self.faults = faults
        self._waiting: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.faults.connections.add(self)
        super().connection_made(transport)
        self.arrange()

    def connection_lost(self, exc: Exception | None) -> None:
        self.faults.connections.discard(self)
        super().connection_lost(exc)

    def arrange(self) -> None:
        """Send as the faults in force want it."""
        if self.transport is not None and not self.closing:
            faulty = self.faults.seconds or self.faults.cuts or self._waiting
            self.send = self._send_with_faults if faulty else self.transport.write

    def _send_with_faults(self, data: bytes) -> None:
        faults = self.faults
        if faults.cuts:
            faults.cuts -= 1
            if not faults.cuts:
                faults.rearrange()
            if self.transport is not None:
                if faults.cut_after:
                    self.transport.write(data[: faults.cut_after])
                self.transport.close()
            return
        loop: Any = faults.core.loop
        if loop is None:
            return
        self._waiting.append(data)
        loop.call_later(faults.seconds, self._send_next)

    def _send_next(self) -> None:
        data = self._waiting.popleft()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)
            if not self._waiting:
                self.arrange()


class QuietListeners(Listeners):
    """Sockets on a port that the system chose, which can refuse connections and keep the port meanwhile."""

    def __init__(self, faults: Faults, reserved: socket.socket | None) -> None:
        super().__init__(faults.core)
        self.faults = faults
        self._reserved = reserved
        self._held: list[socket.socket] = []

    def open_all(self) -> None:
        config = self.server.config
        if config.port or config.tls_port or config.unixsocket:
            super().open_all()

    def bind(self, address: str, port: int) -> socket.socket | None:
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            reserved.listen(self.server.config.tcp_backlog)
            reserved.setblocking(False)
            return reserved
        return super().bind(address, port)

    def protocol(self, unix_path: str) -> ClientProtocol:
        return FaultyProtocol(self.faults, unix_path)

    def refuse(self, on: bool) -> None:
        """New connections are refused by the system, as if nobody listened."""
        config = self.server.config
        if on and not self._held:
            for listener in self.tcp.sockets:
                name = listener.sock.getsockname()
                family = listener.sock.family
                listener.close()
                held = socket.socket(family, socket.SOCK_STREAM)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(name)
                self._held.append(held)
            self.tcp.sockets = []
            if self.unix is not None:
                self.unix.close()
                self.unix = None
        elif not on and self._held:
            for held in self._held:
                held.listen(config.tcp_backlog)
                held.setblocking(False)
            self.tcp.adopt(self._held)
            self._held = []
            if config.unixsocket:
                self.open_unix(config.unixsocket, config.unixsocketperm)

    def close(self) -> None:
        for held in self._held:
            held.close()
        self._held = []
        super().close()


class Faults:
    """The faults of one server.

    >>> server.faults.readonly()            # every write answers -READONLY …
    >>> server.faults.error("LOADING …", commands=["get"], times=2)
    >>> server.faults.delay(0.2)            # replies come 0.2 s late
    >>> server.faults.cut()                 # all connections end now
    >>> server.faults.cut_replies(1, 3)     # the next reply ends after its third byte, and its connection with it
    >>> server.faults.refuse()              # nobody can connect
    >>> server.faults.clear()
    """

    def __init__(self, core: Core, run: Callable[..., Any]) -> None:
        self.core = core
        self._run = run
        self.connections: set[FaultyProtocol] = set()
        self.listeners: QuietListeners | None = None
        self.refusing = False
        self.seconds = 0.0
        self.cuts = 0
        self.cut_after = 0
        self._rules: list[Rule] = []

    # --- connections ------------------------------------------------------------------------------------------

    def refuse(self, on: bool = True) -> None:
        """New connections are refused; those that are there stay."""
        self._run(self._refuse, on)

    def _refuse(self, on: bool) -> None:
        self.refusing = on
        if self.listeners is not None:
            self.listeners.refuse(on)

    def delay(self, seconds: float) -> None:
        """Every reply comes so many seconds late (real ones); 0 ends that."""
        self._run(self._set_output, seconds, self.cuts, self.cut_after)

    def cut(self) -> int:
        """End all connections at once; how many there were."""
        count: int = self._run(self._cut)
        return count

    def _cut(self) -> int:
        open_now = list(self.connections)
        for connection in open_now:
            connection.abort()
        return len(open_now)

    def cut_replies(self, times: int = 1, after: int = 0) -> None:
        """The next ``times`` replies end after ``after`` bytes, and their connections with them: the commands ran."""
        self._run(self._set_output, self.seconds, times, after)

    def _set_output(self, seconds: float, cuts: int, after: int) -> None:
        self.seconds, self.cuts, self.cut_after = seconds, cuts, after
        self.rearrange()

    def rearrange(self) -> None:
        """Every connection sends as the faults want it now."""
        for connection in self.connections:
            connection.arrange()

    def fail_over(self, to: Server, timeout: float = 20) -> None:
        """The replica ``to`` (another embedded server) becomes the master, and this server its replica.

        Waits until the replica has all changes. Raises TimeoutError.
        """
        old, new = self.core.replication, to.core.replication
        wait_until(lambda: new.link_up and new.offset >= old.offset, "the replica has all changes", timeout)
        to.run(new.promote)
        self._run(old.replicate, to.host, to.port)

    # --- errors -----------------------------------------------------------------------------------------------

    def error(self, message: str | bytes, commands: Iterable[str] | None = None, times: int | None = None) -> None:
        """These commands (names in any case; None: all) fail with this error (``"CODE text"``)."""
        names = None if commands is None else frozenset(name.lower().encode() for name in commands)

        def concerns(c: Client, cmd: Command) -> bool:
            return names is None or cmd.fullname in names

        self._add(message if isinstance(message, bytes) else message.encode(), concerns, times)

    def readonly(self, times: int | None = None) -> None:
        """Commands that write fail as on a replica."""
        self._add(READONLY, lambda c, cmd: has_flags(c, cmd, CMD_WRITE), times)

    def oom(self, times: int | None = None) -> None:
        """Commands that may need memory fail as if ``maxmemory`` were reached."""
        self._add(OOM, lambda c, cmd: has_flags(c, cmd, CMD_DENYOOM), times)

    def loading(self, times: int | None = None) -> None:
        """Commands fail as while a snapshot is loaded."""
        self._add(LOADING, lambda c, cmd: lacks_flags(c, cmd, CMD_LOADING), times)

    def busy(self, times: int | None = None) -> None:
        """Commands fail as while a script runs too long."""
        self._add(BUSY % b"SCRIPT", lambda c, cmd: True, times)

    def _add(self, error: bytes, concerns: Callable[[Client, Command], bool], times: int | None) -> None:
        self._run(self._set_rules, [*self._rules, Rule(error, concerns, times)])

    def _set_rules(self, rules: list[Rule]) -> None:
        self._rules = rules
        self.core.injected = self._injected if rules else None
        set_gate(self.core, GATE_INJECTED, bool(rules))

    def _injected(self, c: Client, cmd: Command) -> bytes | None:
        if c.flags & CLIENT_MASTER:
            return None
        for rule in self._rules:
            if rule.concerns(c, cmd):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self._set_rules([other for other in self._rules if other is not rule])
                return rule.error
        return None

    def clear(self) -> None:
        """No faults any more. Connections that were cut stay so."""
        self._run(self._clear)

    def _clear(self) -> None:
        self._set_rules([])
        self._set_output(0.0, 0, 0)
        if self.refusing:
            self._refuse(False)
