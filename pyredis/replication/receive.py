"""A snapshot on its way into this replica: to disk and then into memory, or straight into memory.

Loading goes in slices of the loop: meanwhile commands answer ``-LOADING``, or from the old data if the new ones are
made beside them (``repl-diskless-load swapdb`` with the history that this replica had).
"""

from __future__ import annotations

import asyncio
import os
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.keyspace.db import Database
from pyredis.persistence.files import Files, FileSink
from pyredis.persistence.rdb_format import RdbError
from pyredis.persistence.rdb_load import KeyspaceSink, load_snapshot, new_reader
from pyredis.replication.payload import Boundary, Header

if TYPE_CHECKING:
    from pyredis.replication.link import Link

_TURN_NS: Final = 10_000_000
_MOST_AHEAD: Final = 4 << 20
"""Bytes that may have come and not been parsed before the master has to wait."""
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Receiver:
    """One snapshot. Tells the link when it is loaded, or that it could not be."""

    def __init__(self, link: Link, header: Header) -> None:
        self.link = link
        self.node = link.node
        self.server = link.server
        self.header = header
        self.received = 0
        self._boundary = Boundary(header)
        self._task: asyncio.Task[None] | None = None
        self._path = ""
        self._fd = -1
        self._file = FileSink(self.node.files, -1, True)
        self._parts: list[bytes] = []
        self._buffered = 0
        self._arrived = asyncio.Event()
        self._swap = False
        self._loading = False

    def complete(self) -> bool:
        """Whether all of the snapshot has come."""
        return self._boundary.ended

    def begin(self) -> bool:
        """The header is known: choose where the snapshot goes; False (logged) if it cannot go there."""
        config, log = self.server.config, self.server.log
        mode = config.repl_diskless_load
        empty = not any(map(len, self.server.dbs))
        to_parser = mode == "swapdb" or (mode == "on-empty-db" and empty)
        where = "parser" if to_parser else "disk"
        if self.header.mark:
            log.notice(f"MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {where}")
        else:
            log.notice(f"MASTER <-> REPLICA sync: receiving {self.header.length} bytes from master to {where}")
        if to_parser:
            self._swap = mode == "swapdb"
            self._task = asyncio.get_running_loop().create_task(self._load_stream())
            return True
        self._path = os.path.join(config.dir, f"temp-{int(self.server.clock.time())}.{os.getpid()}.rdb")
        try:
            self._fd = self.node.files.open(self._path, _NEW_FILE)
        except OSError as e:
            self._path = ""
            log.warning(f"Opening the temp file needed for MASTER <-> REPLICA synchronization: {e.strerror}")
            return False
        self._file = FileSink(self.node.files, self._fd, True)
        return True

    def receive(self, data: bytes) -> None:
        """Bytes have come."""
        if self._boundary.ended:
            self._boundary.rest += data  # the stream has begun, and waits for the data it belongs to
            return
        part = self._boundary.take(data)
        self.received += len(data)
        if self._fd >= 0:
            self._store(part)
            return
        self._parts.append(part)
        self._buffered += len(part)
        self._arrived.set()
        if self._buffered > _MOST_AHEAD and not self._boundary.ended:
            self.link.pause_reading()

    # --- by the disk ------------------------------------------------------------------------------------------

    def _store(self, part: bytes) -> None:
        try:
            self._file(part)
        except OSError as e:
            self.server.log.warning(
                f"Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA "
                f"synchronization: {e.strerror}"
            )
            self.link.snapshot_failed()
            self.cancel()
            return
        if self._boundary.ended:
            self.link.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._load_file())

    async def _load_file(self) -> None:
        server, log = self.server, self.server.log
        path = server.snapshots.path()
        if not await self._put_in_place(path):
            self._failed()
            return
        await self._scripts_over()
        self._prepare()
        sink = KeyspaceSink(server)
        sink.keep_expired = True
        log.notice("MASTER <-> REPLICA sync: Loading DB in memory")
        self._loading = True
        try:
            server.start_loading(os.stat(path).st_size)
            for _ in load_snapshot(server, path, sink):
                await asyncio.sleep(0)
        except (OSError, RdbError) as e:
            log.warning(f"Failed trying to load the MASTER synchronization DB from disk: {e}")
            self._failed()
            return
        finally:
            if server.config.rdb_del_sync_files and not self.node.persists():
                log.notice("Removing the RDB file obtained from the master. This replica has persistence disabled")
                server.snapshots.remove(path)
        self._loaded(sink)

    async def _put_in_place(self, path: str) -> bool:
        """Make what has come the snapshot of this server, and wait until that is on the disk; False if it cannot be.

        The data in memory are still the old ones.
        """
        log, files = self.server.log, self.node.files
        run = asyncio.get_running_loop().run_in_executor
        fd, self._fd = self._fd, -1
        doing = "sync the temp DB to disk"
        try:
            await run(None, _sync_and_close, files, fd)
            self._end_own_snapshot()
            doing = f"rename the temp DB into {path}"
            files.replace(self._path, path)
            self._path = ""
            doing = f"sync DB directory {os.path.dirname(path)}"
            await run(None, files.sync_directory, os.path.dirname(path))
        except OSError as e:
            log.warning(f"Failed trying to {doing} in MASTER <-> REPLICA synchronization: {e.strerror}")
            return False
        return True

    # --- straight into memory ---------------------------------------------------------------------------------

    async def _load_stream(self) -> None:
        """Parse what comes. A piece is parsed when it is as large as the parser wants it, or the last one."""
        server, log = self.server, self.server.log
        await self._scripts_over()
        self._end_own_snapshot()
        dbs = [Database(server, n) for n in range(len(server.dbs))] if self._swap else None
        if dbs is None:
            self._prepare()
        sink = KeyspaceSink(server, dbs)
        sink.keep_expired = True
        sink.functions = None if dbs is None else []
        self.node.async_loading = self._swap and self.node.same_history()
        log.notice("MASTER <-> REPLICA sync: Loading DB in memory")
        self._loading = True
        loading = server.start_loading(max(self.header.length, 0))
        reader = new_reader(server, sink)
        if self.header.length >= 0:
            reader.total = self.header.length
        try:
            while not reader.done:
                if reader.run(perf_counter_ns() + _TURN_NS):
                    reader.feed(await self._piece(reader.wanted()))
                loading.done = reader.loaded()
                await asyncio.sleep(0)
            while not self._boundary.ended:
                await self._wait()
            if self._buffered or reader.rest():
                raise RdbError("there is more behind the end of the snapshot", reader.loaded())
            await self._scripts_over()
            if sink.functions is not None:
                server.libraries.replace(sink.functions)
        except (RdbError, ValueError) as e:
            log.warning(f"Failed trying to load the MASTER synchronization DB from socket: {e}")
            self._failed()
            return
        sink.finish()
        if dbs is not None:
            self.node.drop_history()
            for old, new in zip(server.dbs, dbs, strict=True):
                self.node.replace_data(old, new)
        self._loaded(sink)

    async def _wait(self) -> None:
        self._arrived.clear()
        self.link.resume_transfer()
        await self._arrived.wait()

    async def _piece(self, wanted: int) -> bytes:
        while self._buffered < wanted and not self._boundary.ended:
            await self._wait()
        data = b"".join(self._parts)
        self._parts = []
        self._buffered = 0
        self.link.resume_transfer()
        return data

    # --- the end ----------------------------------------------------------------------------------------------

    async def _scripts_over(self) -> None:
        """Wait until no script is left in the middle: it would find other data than it began with."""
        while self.server.scripts.busy_error:
            idle = asyncio.Event()
            self.server.scripts.when_idle(idle.set)
            await idle.wait()

    def _end_own_snapshot(self) -> None:
        """What is being written of the old data must not take the place of the new file, nor cost memory now."""
        if self.server.snapshots.saving:
            self.server.log.notice(
                "Replica is about to load the RDB file received from the master, but there is a pending RDB child "
                "running. Killing it and removing its temp file to avoid any race"
            )
            self.server.snapshots.kill()

    def _prepare(self) -> None:
        """The old data go."""
        self.node.drop_history()
        self.server.log.notice("MASTER <-> REPLICA sync: Flushing old data")
        self.node.empty_data()

    def _loaded(self, sink: KeyspaceSink) -> None:
        self._task = None
        self._loading = False
        self.node.async_loading = False
        self.server.stop_loading()
        self.node.take_snapshot(sink.fields)
        self.server.log.notice("MASTER <-> REPLICA sync: Finished with success")
        self.link.snapshot_loaded(self._boundary.rest)

    def _failed(self) -> None:
        self._task = None
        self.cancel()
        self.link.snapshot_failed()

    def cancel(self) -> None:
        """Give up. Half a dataset is none; one that was made beside the old one is forgotten."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._path:
            self.server.snapshots.remove(self._path)
            self._path = ""
        if self._loading:
            self._loading = False
            self.node.async_loading = False
            if not self._swap:
                self.node.empty_data()
            self.server.stop_loading()


def _sync_and_close(files: Files, fd: int) -> None:
    """For a thread, as the disk takes its time. Raises OSError."""
    try:
        files.sync(fd)
    finally:
        os.close(fd)
