"""The slow log: the last commands that took longer than ``slowlog-log-slower-than`` microseconds."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_SCRIPT

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.command import Command
    from pyredis.core.server import Server

_MAX_ARGC: Final = 32
_MAX_ARG: Final = 128
_NOBODY: Final = b"?:0"
"""The address of the client that runs a script's commands."""


class SlowlogEntry:
    """``id``, ``time`` (Unix seconds), ``usec``, the trimmed ``argv``, the client's ``addr`` and ``name``."""

    __slots__ = ("addr", "argv", "id", "name", "time", "usec")

    def __init__(self, number: int, time: int, usec: int, argv: list[bytes], addr: bytes, name: bytes) -> None:
        self.id = number
        self.time = time
        self.usec = usec
        self.argv = argv
        self.addr = addr
        self.name = name


def trim_argv(argv: list[bytes]) -> list[bytes]:
    """At most 32 arguments of at most 128 bytes; what is left out is said."""
    kept = [
        arg if len(arg) <= _MAX_ARG else b"%b... (%d more bytes)" % (arg[:_MAX_ARG], len(arg) - _MAX_ARG)
        for arg in argv[:_MAX_ARGC]
    ]
    if len(argv) > _MAX_ARGC:
        kept[-1] = b"... (%d more arguments)" % (len(argv) - _MAX_ARGC + 1)
    return kept


_REDACTED: Final = b"(redacted)"


def redact_argv(fullname: bytes, argv: list[bytes], secrets: frozenset[bytes]) -> list[bytes]:
    """``argv`` without passwords, for the slow log and MONITOR.

    ``fullname`` is the command's (``b"config|set"``), ``secrets`` the directives that hold passwords.
    """
    if fullname == b"auth":
        return argv[:1] + [_REDACTED] * (len(argv) - 1)
    if fullname == b"acl|setuser":
        return argv[:2] + [_REDACTED] * (len(argv) - 2)
    shown = argv
    if fullname == b"config|set":
        for at in range(2, len(argv) - 1, 2):
            if argv[at].lower() in secrets:
                shown = _hide(shown, at + 1, 1)
    elif fullname == b"hello":
        for at in range(2, len(argv) - 2):
            if argv[at].lower() == b"auth":
                shown = _hide(shown, at + 1, 2)
    elif fullname == b"migrate":
        for at in range(6, len(argv) - 1):
            if argv[at].lower() in (b"auth", b"auth2"):
                shown = _hide(shown, at + 1, 1 if argv[at].lower() == b"auth" else 2)
    return shown


def _hide(argv: list[bytes], at: int, count: int) -> list[bytes]:
    return argv[:at] + [_REDACTED] * len(argv[at : at + count]) + argv[at + count :]


class Slowlog:
    """The entries, newest first."""

    __slots__ = ("entries", "max_len", "next_id")

    def __init__(self) -> None:
        self.entries: deque[SlowlogEntry] = deque()
        self.next_id = 0
        self.max_len = 128

    def set_max_len(self, max_len: int) -> None:
        """Keep at most so many entries."""
        self.max_len = max_len
        while len(self.entries) > max_len:
            self.entries.pop()

    def add(self, server: Server, c: Client, cmd: Command, argv: list[bytes], usec: int) -> None:
        """Record a slow command."""
        time = int(server.clock.time())
        shown = trim_argv(redact_argv(cmd.fullname, argv, server.config.secrets))
        addr = _NOBODY if c.flags & CLIENT_SCRIPT else c.addr
        self.entries.appendleft(SlowlogEntry(self.next_id, time, usec, shown, addr, c.name))
        self.next_id += 1
        self.set_max_len(self.max_len)
