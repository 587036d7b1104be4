"""A snapshot written in slices of the event loop, while commands go on, and all the same of one moment.

At its beginning each database's table is copied (not the values: 42 bytes a key, 50 ms for a million). From then on
whoever is about to change a key has it written first: every command that may write is wrapped for as long as the
snapshot lasts, and a database tells of keys that go by themselves. What was written leaves the copy, so each key is
written once, as it was. A database that is emptied gets new tables; the copy keeps the old values.

While no snapshot runs, nothing of this is there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.command import CMD_MAY_REPLICATE, CMD_WRITE, Columns, Command, Proc
from pyredis.core.durability import Background
from pyredis.core.keyspec import KeysError, extract_keys
from pyredis.persistence.files import CREATE, Files, FileSink
from pyredis.persistence.rdb_save import KeyWriter, usage_of

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

_SLICE_NS: Final = 1_000_000
"""A request that comes meanwhile waits for the rest of a slice."""
_KEYS_AT_ONCE: Final = 16


class _Part:
    """What is left to be written of a database."""

    __slots__ = ("expires", "left", "number", "sizes", "table", "usage")

    def __init__(self, server: Server, db: Database) -> None:
        self.number = db.id
        self.table = db.dict
        self.expires = db.expires
        self.sizes = len(db.dict), len(db.expires)
        self.left: dict[bytes, Any] = db.dict.copy()
        self.usage = usage_of(server, db)


class SlicedSnapshot(Background):
    """One such snapshot. ``done(ok)`` is called in the loop when it is over, with ``server.background`` None again."""

    def __init__(self, server: Server, purpose: str, done: Callable[[bool], None]) -> None:
        super().__init__(purpose, sum(map(len, server.dbs)))
        self.server = server
        self.problem = ""
        """Why it failed."""
        self._done = done
        self._writer: KeyWriter | None = None
        self._parts: list[_Part] = []
        self._begun: set[int] = set()
        """Databases whose sizes have been written."""
        self._selected = -1
        self._wrapped: list[tuple[Command, Proc | None, Columns | None]] = []
        self._handle: asyncio.Handle | None = None
        self._waiting = False
        """True while who takes the bytes wants no more of them."""

    def begin(self, writer: KeyWriter, dbs: list[Database]) -> None:
        """Begin to write ``dbs``: the snapshot is of this moment. What the writer's sink raises must be OSError.

        Raises OSError if there is no event loop.
        """
        server = self.server
        if server.loop is None:
            raise OSError("there is no event loop")
        self._writer = writer
        self._parts = [_Part(server, db) for db in dbs if len(db)]
        self._protect()
        self._measure()
        server.background = self
        self._handle = server.loop.call_soon(self._slice)

    def pause(self) -> None:
        """Write no more keys before :meth:`go_on`, but for those that are about to change."""
        self._waiting = True

    def go_on(self) -> None:
        """Write again."""
        if self._waiting:
            self._waiting = False
            if self._handle is None and self._parts and self.server.loop is not None:
                self._handle = self.server.loop.call_soon(self._slice)

    # --- what is about to change ------------------------------------------------------------------------------

    def _protect(self) -> None:
        for cmd in self.server.counted:
            if cmd.proc is not None and cmd.flags & (CMD_WRITE | CMD_MAY_REPLICATE):
                self._wrapped.append((cmd, cmd.proc, cmd.columns))
                cmd.proc = self._guarded(cmd, cmd.proc)
                cmd.columns = None
        for db in self.server.dbs:
            db.set_guard(self._leaving)

    def _release(self) -> None:
        """Nobody has to tell of changes any more."""
        for cmd, proc, columns in self._wrapped:
            cmd.proc, cmd.columns = proc, columns
        self._wrapped = []
        for db in self.server.dbs:
            db.set_guard(None)
        self._parts = []

    def _guarded(self, cmd: Command, proc: Proc) -> Proc:
        spec = cmd.spec

        def guarded(c: Client, argv: list[bytes]) -> bytes | None:
            try:
                found = extract_keys(spec, argv)
            except KeysError:
                pass  # it will be refused for its arguments
            else:
                for at, _ in found:
                    self._touch(argv[at])
            return proc(c, argv)

        return guarded

    def _touch(self, key: bytes) -> None:
        """Write a key before it changes, in all databases: some commands name another one."""
        for part in self._parts:
            if key in part.left:
                self._write_early(part, key)

    def _leaving(self, db: Database, key: bytes) -> None:
        """A key of ``db`` goes, or loses fields, without a command's doing."""
        for part in self._parts:
            if part.table is db.dict and key in part.left:
                self._write_early(part, key)

    def _write_early(self, part: _Part, key: bytes) -> None:
        try:
            self._write(part, key, part.left.pop(key))
        except OSError as e:
            self._fail(e.strerror or str(e))
        except Exception:
            self.server.log_exception(b"while writing a snapshot")
            self._fail("internal error")

    # --- writing ----------------------------------------------------------------------------------------------

    def _write(self, part: _Part, key: bytes, value: Any) -> None:
        writer = self._writer
        assert writer is not None
        if part.number != self._selected:
            self._selected = part.number
            if part.number in self._begun:
                writer.select(part.number, -1, -1)
            else:
                self._begun.add(part.number)
                writer.select(part.number, *part.sizes)
        deadline = part.expires.get(key, -1)
        if part.usage is None:
            writer.key(key, value, deadline)
        else:
            writer.key(key, value, deadline, *part.usage(key))

    def _slice(self) -> None:
        """Some milliseconds of writing."""
        server = self.server
        assert server.loop is not None and self._writer is not None
        self._handle = None
        until = perf_counter_ns() + _SLICE_NS
        try:
            while self._parts:
                part = self._parts[0]
                while part.left:
                    if self._waiting or not self._parts:
                        return  # who takes the bytes wants no more for now, or has ended it
                    for _ in range(min(_KEYS_AT_ONCE, len(part.left))):
                        key, value = part.left.popitem()
                        self._write(part, key, value)
                    if perf_counter_ns() > until and self._parts:
                        self.keys_done = self._writer.keys
                        self._measure()
                        self._handle = server.loop.call_soon(self._slice)
                        return
                del self._parts[:1]
            self._writer.end()
        except OSError as e:
            self._fail(e.strerror or str(e))
            return
        except Exception:
            server.log_exception(b"while writing a snapshot")
            self._fail("internal error")
            return
        self.keys_done = self._writer.keys
        if server.background is self:
            self._release()
            self._written()

    def _measure(self) -> None:
        """What this costs in memory: the copies of tables; values that were replaced are not known of."""
        self.cow_size = sum(sys.getsizeof(part.left) for part in self._parts)
        self.cow_peak = max(self.cow_peak, self.cow_size)
        self.cow_measured = monotonic()

    # --- the end ----------------------------------------------------------------------------------------------

    def _written(self) -> None:
        """All keys have been written."""
        assert self.server.loop is not None
        self._handle = self.server.loop.call_soon(self._over)

    def _fail(self, problem: str) -> None:
        """It cannot go on; ``done`` is called in a turn of its own, as this may be within a command."""
        if self.problem:
            return
        self.problem = problem
        self._stop()
        if self.server.loop is not None:
            self._handle = self.server.loop.call_soon(self._over)

    def _over(self) -> None:
        self._handle = None
        if self.server.background is self:
            self.server.background = None
        self._done(not self.problem)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._release()

    def kill(self) -> None:
        self._stop()
        if self.server.background is self:
            self.server.background = None


class SlicedFile(SlicedSnapshot):
    """Such a snapshot, written to a file."""

    def __init__(self, server: Server, purpose: str, files: Files, done: Callable[[bool], None]) -> None:
        super().__init__(server, purpose, done)
        self.files = files
        self._fd = -1
        self._target = ""
        self._path = ""
        self._task: asyncio.Task[None] | None = None

    def start(self, path: str, new_writer: Callable[[FileSink], KeyWriter], target: str = "") -> None:
        """Begin: the snapshot is of this moment. In the end ``path`` is renamed to ``target``, if there is one.

        Raises OSError if the file cannot be made.
        """
        self._path, self._target = path, target
        self._fd = self.files.open(path, CREATE)
        try:
            self.begin(new_writer(FileSink(self.files, self._fd, False)), self.server.dbs)
        except BaseException:
            self._close()
            raise

    def _written(self) -> None:
        assert self.server.loop is not None
        self._task = self.server.loop.create_task(self._put_on_disk())

    async def _put_on_disk(self) -> None:
        """The disk takes its time, so threads wait for it."""
        loop = self.server.loop
        assert loop is not None
        try:
            await loop.run_in_executor(None, self.files.sync, self._fd)
            self._close()
            if self._target:
                self.files.replace(self._path, self._target)
                await loop.run_in_executor(None, self.files.sync_directory, os.path.dirname(self._target))
        except OSError as e:
            self.problem = e.strerror or str(e)
        self._task = None
        self._over()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        super()._stop()
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
