"""A server in sentinel mode: another command table, other sections of INFO, and the sentinel behind them."""

from __future__ import annotations

import asyncio
import os

from pyredis.core.args import syntax_error
from pyredis.core.client import Client
from pyredis.core.command import Proc
from pyredis.core.info import SECTIONS, info
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.core.server import Server
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import array, bulk, bulk_array, integer
from pyredis.sentinel import commands_config
from pyredis.sentinel.commands import sentinel_of
from pyredis.sentinel.conf import load_lines
from pyredis.sentinel.describe import info_fields
from pyredis.sentinel.hello import process_hello
from pyredis.sentinel.links import Links
from pyredis.sentinel.monitor import Monitor
from pyredis.sentinel.saver import Saver
from pyredis.sentinel.state import HELLO_CHANNEL, WARNING, Sentinel, encode

_PORT = 26379
_SLOWEST_HZ = 10
_SECTIONS = ("Server", "Clients", "Stats", "CPU")
"""The sections of INFO that a sentinel has in common with a database."""


__all__ = ["SentinelServer", "commands_config", "prepare", "problem_of_file"]


def prepare(config: Config) -> None:
    """Sentinel mode's own defaults, before any configuration is read."""
    config.sentinel_mode = True
    config.port = _PORT
    config.protected_mode = False


def problem_of_file(path: str | None) -> str:
    """Why the state could not be saved in the configuration file ``path``; empty if it can."""
    if path is None:
        return "Sentinel needs config file on disk to save state. Exiting..."
    if not os.access(path, os.W_OK):
        return f"Sentinel config file {path} is not writable: Permission denied. Exiting..."
    return ""


class SentinelServer(Server):
    """A sentinel that clients can reach. Raises FileError for a line of the configuration that cannot be taken."""

    def __init__(self, config: Config, log: Logger) -> None:
        super().__init__(config, log)
        self.mode.name = "sentinel"
        self.sentinel = Sentinel(self)
        shared = tuple(section for section in SECTIONS if section[0] in _SECTIONS)
        self.mode.info_sections = (*shared, ("Sentinel", lambda s: info_fields(self.sentinel), True))
        own: dict[bytes, Proc] = {b"PUBLISH": _publish, b"ROLE": _role, b"SHUTDOWN": _shutdown, b"INFO": _info}
        for cmd in self.commands.values():
            cmd.proc = own.get(cmd.spec.name, cmd.proc)
        self.mode.start = self.start_sentinel
        self.mode.close = self.stop_sentinel
        self._monitor: Monitor | None = None
        self._timer: asyncio.Handle | None = None

        load_lines(self.sentinel, config.sentinel_lines)

    def start_sentinel(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to watch."""
        sentinel = self.sentinel
        sentinel.saver = Saver(sentinel, loop, self.config_file or "")
        if not sentinel.myid:
            sentinel.myid = os.urandom(20).hex()
            sentinel.saver.save_now()
        sentinel.log.warning(f"Sentinel ID is {sentinel.myid}")
        for master in sentinel.masters.values():
            sentinel.event(WARNING, "+monitor", master, f"quorum {master.quorum}")
        sentinel.previous_time = sentinel.now()
        links = Links(sentinel, loop, self._hello)
        self._monitor = Monitor(sentinel, links)
        self._timer = loop.call_soon(self._turn)

    def _hello(self, message: bytes) -> None:
        process_hello(self.sentinel, message)

    def _turn(self) -> None:
        """Ten to twenty times a second, irregularly: sentinels that began together drift apart, so that they do not
        always ask for votes at the same moment."""
        assert self.loop is not None and self._monitor is not None
        self.hz = _SLOWEST_HZ + self.sentinel.random(10)
        self._timer = self.loop.call_later(1 / self.hz, self._turn)
        self.update_time()
        try:
            self._monitor.turn()
        except Exception:
            self.log_exception(b"in the sentinel's timer")
        self.after_event()

    def stop_sentinel(self) -> None:
        """End watching."""
        if self._timer is not None:
            self._timer.cancel()
        for master in self.sentinel.masters.values():
            for ri in (master, *master.replicas.values(), *master.sentinels.values()):
                ri.link.close()
        self.sentinel.resolver.close()
        if self.sentinel.saver is not None:
            self.sentinel.saver.close()


def _publish(c: Client, argv: list[bytes]) -> bytes | None:
    """PUBLISH: other sentinels say hello; nothing else is taken."""
    if argv[1] != encode(HELLO_CHANNEL):
        raise CommandError(b"ERR Only HELLO messages are accepted by Sentinel instances.")
    process_hello(sentinel_of(c), argv[2])
    return integer(1)


def _role(c: Client, argv: list[bytes]) -> bytes | None:
    """ROLE: the names of the masters."""
    return array([bulk(b"sentinel"), bulk_array([encode(name) for name in sentinel_of(c).masters])])


_SHUTDOWN_WORDS = frozenset((b"nosave", b"save", b"now", b"force", b"abort"))


def _shutdown(c: Client, argv: list[bytes]) -> bytes | None:
    """SHUTDOWN: there is nothing to save."""
    words = {word.lower() for word in argv[1:]}
    if not words <= _SHUTDOWN_WORDS or words >= {b"save", b"nosave"} or (b"abort" in words and len(words) > 1):
        raise syntax_error()
    if b"abort" in words:
        raise CommandError(b"ERR No shutdown in progress.")
    c.server.end(0)
    return None


def _info(c: Client, argv: list[bytes]) -> bytes | None:
    """INFO: of other sections, and in both protocols a bulk string, as Redis's sentinels answer it."""
    return bulk(info(c.server, {section.decode("latin-1").lower() for section in argv[1:]}))
