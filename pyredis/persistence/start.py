"""What a server does with its disk: loading at start, and putting everything there at the end."""

from __future__ import annotations

import asyncio
import gc
from time import monotonic
from typing import TYPE_CHECKING

from pyredis.core.durability import AOF_OFF
from pyredis.core.garbage import not_collected
from pyredis.persistence import aof_start
from pyredis.persistence.aof import AppendOnlyFile
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.backups import Backups
from pyredis.persistence.files import Files
from pyredis.persistence.lock import DirectoryLock
from pyredis.persistence.rdb_format import RdbError
from pyredis.persistence.snapshots import SnapshotFiles

if TYPE_CHECKING:
    from pyredis.core.server import Server


class Disk:
    """The files of one server."""

    def __init__(self, server: Server, files: Files) -> None:
        self.server = server
        self.aof = AppendOnlyFile(server, files)
        server.aof = self.aof
        self.snapshots = SnapshotFiles(server, files)
        server.snapshots = self.snapshots
        self.backups = Backups(server)
        self.snapshots.backups = self.backups
        self.snapshots.written.append(self.backups.snapshot_written)
        self._lock = DirectoryLock()

    async def load(self, stopped: asyncio.Event) -> None:
        """Load the data and open the append-only file; give up if ``stopped``. Raises LoadError.

        Clients are served meanwhile; most commands answer ``-LOADING``.
        """
        server, aof = self.server, self.aof
        if not self._lock.take(server.config.dir, alone=False):
            raise LoadError(f"The directory {server.config.dir} is being restored. Try again when that is done.")
        aof_start.read_manifest(aof)
        with not_collected():
            await (self._load_append_only_file(stopped) if server.config.appendonly else self._load_snapshot(stopped))
        if stopped.is_set():
            return
        if server.process is not None:
            gc.freeze()  # before the collector looks at what was loaded
        server.cron_jobs.append(aof.cron)
        server.cron_jobs += (self.snapshots.cron, self.backups.cron, self._follow_directory)

    def _follow_directory(self) -> None:
        """CONFIG SET dir."""
        if self._lock.path != self.server.config.dir:
            self._lock.take(self.server.config.dir, alone=False)

    async def _load_snapshot(self, stopped: asyncio.Event) -> None:
        try:
            for _ in self.snapshots.load():
                await asyncio.sleep(0)
                if stopped.is_set():
                    return
        except RdbError as e:
            raise LoadError(
                f"Error reading the RDB file {self.snapshots.path()}: {e}\n"
                "Terminating server after rdb file reading failure."
            ) from None
        except OSError as e:
            raise LoadError(f"Fatal error loading the DB {self.snapshots.path()}: {e.strerror}. Exiting.") from None

    async def _load_append_only_file(self, stopped: asyncio.Event) -> None:
        aof = self.aof
        try:
            aof_start.adopt_old_file(aof)
            if aof.manifest.files():
                await self._replay(stopped)
            if not stopped.is_set():
                aof_start.go_on(aof)
        except OSError as e:
            where = e.filename or aof.directory()
            raise LoadError(f"Can't open or create append-only file or directory {where}: {e.strerror}") from None

    async def _replay(self, stopped: asyncio.Event) -> None:
        server = self.server
        started = monotonic()
        for _ in aof_start.load(self.aof):
            await asyncio.sleep(0)
            if stopped.is_set():
                return
        server.stop_loading()
        server.dirty = 0
        server.log.notice(f"DB loaded from append only file: {monotonic() - started:.3f} seconds")

    def close(self) -> None:
        """The server ends."""
        self.backups.close()
        self.snapshots.close()
        if self.aof.state != AOF_OFF:
            self.server.log.notice("Calling fsync() on the AOF file.")
            self.aof.end()
            self.server.uncommitted = False
        self._lock.release()
