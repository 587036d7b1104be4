"""Running what append-only files hold, at start: the keyspace afterwards is what it was.

The work is a generator that yields every few milliseconds, so that the loop can answer ``-LOADING``
in between. While commands are replayed the server's time is 0: no key is expired yet, deadlines that have passed since
are set all the same, and what is due goes by the usual way once the time is the real one again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import perf_counter_ns
from typing import TYPE_CHECKING, BinaryIO, Final

from pyredis.core.client import CLIENT_DENY_BLOCKING, CLIENT_MASTER, Client, NoConnection
from pyredis.core.command import Command
from pyredis.core.dispatch import lookup_command
from pyredis.persistence.aof_commands import AofDamage, read_commands
from pyredis.resp.errors import CommandError

if TYPE_CHECKING:
    from pyredis.core.server import Server

_TURN_NS: Final = 20_000_000
_AT_ONCE: Final = 256
_LONGEST_NAME: Final = 128


class LoadError(Exception):
    """Files that cannot be loaded; the text is for the log, and the server does not start."""


class Replay:
    """Runs the commands of append-only files in order."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = Client(server, 0, NoConnection(), b"", b"")
        self.client.authenticated = True
        self.client.flags |= CLIENT_MASTER | CLIENT_DENY_BLOCKING
        self.failed = 0
        """Commands that answered with an error."""
        self.bytes_done = 0
        self._queued: list[tuple[Command, list[bytes]]] | None = None
        self._whole = 0
        """Offset up to which the file can be kept: behind the last command outside of a transaction."""

    def run(self, file: BinaryIO, at: int, size: int) -> Iterator[None]:
        """Replay ``file`` from offset ``at``. Raises AofDamage (its offset is where the file could be cut)."""
        self._whole = at
        self._queued = None
        done_before = self.bytes_done - at
        found: tuple[int, list[bytes]] | None = (at, [])
        try:
            commands = read_commands(file, at, size)
            while True:
                started = perf_counter_ns()
                self.server.mstime = 0
                while perf_counter_ns() - started < _TURN_NS:
                    for _ in range(_AT_ONCE):
                        found = next(commands, None)
                        if found is None:
                            self.bytes_done = done_before + size
                            if self._queued is not None:
                                raise AofDamage(self._whole, True, "Reached EOF before reading EXEC for MULTI")
                            return
                        self._take(found[0], found[1])
                assert found is not None
                self.bytes_done = done_before + found[0]
                yield
        except AofDamage as e:
            raise AofDamage(self._whole if e.cut else e.offset, e.cut, e.reason) from None
        finally:
            self.server.update_time()

    def _take(self, end: int, argv: list[bytes]) -> None:
        cmd = lookup_command(self.server, argv)
        if cmd is None or cmd.proc is None:
            name = argv[0].decode("utf-8", "backslashreplace")
            raise LoadError(
                f"Unknown command '{name[:_LONGEST_NAME]}' reading the append only file (behind offset {self._whole})"
            )
        if self._queued is not None:
            if cmd.fullname != b"exec":
                self._queued.append((cmd, argv))
                return
            queued, self._queued = self._queued, None
            for one, words in queued:
                self._run(one, words)
        elif cmd.fullname == b"multi":
            self._queued = []
            return
        else:
            self._run(cmd, argv)
        self._whole = end

    def _run(self, cmd: Command, argv: list[bytes]) -> None:
        c = self.client
        assert cmd.proc is not None
        try:
            if not cmd.argc_min <= len(argv) <= cmd.argc_max:
                raise CommandError(b"ERR wrong number of arguments")
            cmd.proc(c, argv)
        except CommandError:
            self.failed += 1
        if c.out:
            c.out.clear()


def file_size(path: str) -> int:
    """Bytes of a file. Raises LoadError if it is not there."""
    try:
        return os.stat(path).st_size
    except OSError as e:
        raise LoadError(f"Can't open the append-only file {os.path.basename(path)}: {e.strerror}") from None
