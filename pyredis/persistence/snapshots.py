"""The snapshots of one server: SAVE, BGSAVE, save points, and loading the file.

A snapshot is written to a temporary file, which takes the place of the one before when it is whole and on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.core.durability import Snapshots
from pyredis.persistence.child import ForkedChild, Progress, start_background
from pyredis.persistence.files import CREATE, Files, FileSink
from pyredis.persistence.rdb_format import RdbError
from pyredis.persistence.rdb_load import KeyspaceSink, load_snapshot
from pyredis.persistence.rdb_save import new_writer, snapshot_fields, write_keyspace
from pyredis.persistence.slices import SlicedFile
from pyredis.persistence.workers import Disposal

if TYPE_CHECKING:
    from pyredis.core.server import Server

_RETRY_SECONDS: Final = 5
"""After one that failed, save points wait so long."""


class SnapshotFiles(Snapshots):
    """The file ``dir``/``dbfilename``."""

    def __init__(self, server: Server, files: Files) -> None:
        super().__init__(server.started_at)
        self.server = server
        self.files = files
        self._disposal = Disposal(server)
        self._work: ForkedChild | SlicedFile | None = None
        self._temporary = ""
        self._dirty_before = 0
        self._path = ""
        """Where the snapshot goes that is being written."""

    def path(self) -> str:
        return os.path.join(self.server.config.dir, self.server.config.dbfilename)

    # --- writing ----------------------------------------------------------------------------------------------

    def save(self) -> bool:
        self._path = self.path()
        if not self.write_file(self._temporary_name(), None):
            return False
        self._succeeded(0)
        return True

    def _temporary_name(self) -> str:
        return os.path.join(self.server.config.dir, f"temp-{os.getpid()}.rdb")

    def write_file(self, temporary: str, progress: Progress | None) -> bool:
        """Write all databases to the file, by way of ``temporary``; False if that failed (the log says why)."""
        log, config = self.server.log, self.server.config
        target, directory = config.dbfilename, config.dir
        try:
            fd = self.files.open(temporary, CREATE)
        except OSError as e:
            log.warning(
                f"Failed opening the temp RDB file {os.path.basename(temporary)} (in server root dir {directory}) for "
                f"saving: {e.strerror}"
            )
            return False
        try:
            try:
                sink = FileSink(self.files, fd, config.rdb_save_incremental_fsync)
                fields = snapshot_fields(self.server, more=self.server.replication.snapshot_fields())
                write_keyspace(self.server, new_writer(self.server, sink, fields), progress)
                self.files.sync(fd)
            finally:
                os.close(fd)
        except OSError as e:
            log.warning(f"Write error saving DB on disk: {e.strerror}")
            self.remove(temporary)
            return False
        return self._put_in_place(temporary, target, directory)

    def _put_in_place(self, temporary: str, target: str, directory: str) -> bool:
        log = self.server.log
        try:
            self.files.replace(temporary, os.path.join(directory, target))
        except OSError as e:
            log.warning(
                f"Error moving temp DB file {os.path.basename(temporary)} on the final destination {target} (in "
                f"server root dir {directory}): {e.strerror}"
            )
            self.remove(temporary)
            return False
        try:
            self.files.sync_directory(directory)
        except OSError as e:
            log.warning(f"Failed to fsync directory while saving DB: {e.strerror}")
            return False
        log.notice("DB saved on disk")
        return True

    def remove(self, path: str) -> None:
        try:
            self._disposal.unlink(self.files, path)
        except OSError:
            pass  # nothing reads it

    def _succeeded(self, still_dirty: int) -> None:
        """A snapshot is in place; ``still_dirty`` changes are not in it."""
        self.server.dirty = still_dirty
        self.last_save = int(self.server.clock.time())
        self.last_ok = True
        self.server.refresh_disk_gate()
        for call in self.written:
            call(self._path)

    # --- in the background ------------------------------------------------------------------------------------

    def start(self) -> None:
        server = self.server
        self.saves += 1
        self.scheduled = False
        self._path = self.path()
        self._dirty_before = server.dirty
        self.last_try = int(server.clock.time())
        try:
            start_background(server, self._start_child, self._start_slices)
        except OSError as e:
            self.last_ok = False
            server.refresh_disk_gate()
            server.log.warning(f"Can't save in background: fork: {e.strerror or e}")
            raise
        self.begun()

    def _start_child(self) -> None:
        server = self.server
        child = ForkedChild(server, "rdb", self._over)

        def work(progress: Progress) -> None:
            if not self.write_file(self._temporary_name(), progress):
                raise OSError("the snapshot could not be written")
            server.log.notice(f"Fork CoW for RDB: {progress.cost()}")

        child.start(work, processors=server.config.bgsave_cpulist)
        self._work = child
        self._temporary = os.path.join(server.config.dir, f"temp-{child.pid}.rdb")
        server.log.notice(f"Background saving started by pid {child.pid}")

    def _start_slices(self) -> None:
        server = self.server
        work = SlicedFile(server, "rdb", self.files, self._over)
        self._temporary = os.path.join(server.config.dir, f"temp-bg-{os.getpid()}.rdb")
        fields = snapshot_fields(server, more=server.replication.snapshot_fields())
        work.start(self._temporary, lambda sink: new_writer(server, sink, fields), self.path())
        self._work = work
        server.log.notice("Background saving started in the event loop")

    def _over(self, ok: bool) -> None:
        """The work in the background has ended."""
        server, log = self.server, self.server.log
        work = self._work
        assert work is not None
        self.last_cow_size = work.cow_size
        self._forget()
        if type(work) is SlicedFile:
            if ok:
                log.notice("DB saved on disk")
            else:
                log.warning(f"Write error saving DB on disk: {work.problem}")
                self.remove(self._temporary)
        if ok:
            log.notice("Background saving terminated with success")
            self._succeeded(server.dirty - self._dirty_before)
        else:
            if work.killed_by:
                log.warning(f"Background saving terminated by signal {work.killed_by}")
                self.remove(self._temporary)
            else:
                log.warning("Background saving error")
            self.last_ok = False
            server.refresh_disk_gate()
        for call in list(self.finished):
            call(ok)

    def _forget(self) -> None:
        self._work = None
        self.ended()

    def kill(self) -> None:
        if self._work is not None:
            self._work.kill()
            self._forget()
            self.remove(self._temporary)
            for call in list(self.finished):
                call(False)

    def flushed(self) -> None:
        self.kill()
        if self.server.config.save:
            self.save()

    def cron(self) -> None:
        """Begin one that was put off, or for which enough has changed for long enough."""
        server = self.server
        if server.background is not None or server.loading is not None:
            return
        now = int(server.clock.time())
        if not self.last_ok and now - self.last_try <= _RETRY_SECONDS:
            return
        wanted = self.scheduled
        if not wanted and server.dirty:
            for seconds, changes in server.config.save:
                if server.dirty >= changes and now - self.last_save > seconds:
                    server.log.notice(f"{changes} changes in {seconds} seconds. Saving...")
                    wanted = True
                    break
        if wanted:
            try:
                self.start()
            except OSError:
                pass  # logged; the next try is in some seconds

    def close(self) -> None:
        """The server ends."""
        self.kill()
        self._disposal.close()

    # --- reading ----------------------------------------------------------------------------------------------

    def load(self) -> Iterator[None]:
        """Load the file, if there is one; yields every few milliseconds. Raises RdbError, OSError."""
        server = self.server
        if not server.config.dbfilename:
            return  # a way to have no snapshots
        path = self.path()
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return
        server.start_loading(size)
        started = monotonic()
        sink = KeyspaceSink(server)
        sink.keep_expired = server.replication.master is not None
        yield from load_snapshot(server, path, sink)
        server.replication.restore(sink.fields)
        server.stop_loading()
        server.dirty = 0
        server.log.notice(f"DB loaded from disk: {monotonic() - started:.3f} seconds")

    def reload(self, flush: bool, replace: bool) -> None:
        server = self.server
        path = self.path()
        sink = KeyspaceSink(server)
        sink.keep_expired = server.replication.master is not None
        sink.allow_duplicates = replace
        try:
            with open(path, "rb"):
                pass  # before what is there is given up
            if flush:
                server.libraries.clear()
                for db in server.dbs:
                    server.forget_data(db)
            for _ in load_snapshot(server, path, sink):
                pass
        except (RdbError, OSError) as e:
            server.log.warning(f"Error loading the RDB file {path}: {e}")
            raise ValueError(str(e)) from None
