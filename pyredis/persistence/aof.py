"""The append-only file: changes of data go to the disk before their replies leave.

What a turn of the event loop changes is written at its end in one write (group commit), and until then no reply leaves
(``server.uncommitted``). With ``appendfsync always`` the fsync is part of that; with ``everysec`` a thread does it once
a second. A write that fails is tried again until it succeeds; meanwhile commands that write are refused.

Under ``always``, clients whose change could not be written get no reply before it is. An fsync that fails under
``always`` ends the process, as in Redis: what the kernel has kept of the file is unknown then. Under the other
policies it also makes the file be written anew, because no later fsync tells of the pages lost.
"""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_CLOSED, CLIENT_UNACKNOWLEDGED, Client
from pyredis.core.dispatch import refresh_fast
from pyredis.core.durability import AOF_OFF, AOF_ON, AOF_WAIT_REWRITE, AppendLog
from pyredis.persistence import aof_start
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.aof_manifest import Manifest
from pyredis.persistence.aof_rewrite import Rewriter
from pyredis.persistence.aof_values import CommandWriter
from pyredis.persistence.child import Progress
from pyredis.persistence.files import APPEND, CREATE, Files, FileSink
from pyredis.persistence.rdb_save import KeyWriter, new_writer, snapshot_fields, write_keyspace
from pyredis.persistence.workers import Disposal, worker
from pyredis.resp.command import encode_command

if TYPE_CHECKING:
    from pyredis.core.server import Server

_POSTPONE_SECONDS: Final = 2.0
"""How long a write waits for an fsync that is under way."""
_RETRY_SECONDS: Final = 0.1
_LOG_SECONDS: Final = 30.0
"""An error that stays is logged this often."""


class AppendOnlyFile(AppendLog):
    """The files of one server in ``dir``/``appenddirname``."""

    def __init__(self, server: Server, files: Files) -> None:
        super().__init__()
        self.server = server
        self.files = files
        self.manifest = Manifest(server.config.appendfilename)
        self.fd = -1
        self.last_size = 0
        """Bytes of the file that is being written: what is behind them is the rest of a failed write."""
        self._parts: list[bytes] = []
        self._selected = -1
        self._stamp = 0
        self._postponed_since = 0.0
        self._fsynced_at = 0.0
        self._unsynced = False
        self._written = 0
        self._sync_failed = False
        self._logged_at = -_LOG_SECONDS
        self._thread: ThreadPoolExecutor | None = None
        self.disposal = Disposal(server)
        self._rewriter = Rewriter(self)
        self._held: dict[Client, list[bytes]] = {}
        """Clients whose replies wait for a write that failed (``always``) → those replies."""

    # --- paths ------------------------------------------------------------------------------------------------

    def directory(self) -> str:
        """Where the files are."""
        return os.path.join(self.server.config.dir, self.server.config.appenddirname)

    def path(self, name: str) -> str:
        """The path of a file in the directory."""
        return os.path.join(self.directory(), name)

    def save_manifest(self, manifest: Manifest) -> None:
        """Put ``manifest`` on the disk; from then on it counts. Raises OSError."""
        self.files.replace_content(self.path(manifest.path_name), manifest.encode())
        self.manifest = manifest

    def waiting_name(self) -> str:
        """The file that takes changes until the first base is there; no manifest lists it."""
        return f"temp-{self.manifest.filename}.incr"

    def base_writer(self, sink: FileSink, rdb: bool) -> KeyWriter:
        """What writes a base file: as a snapshot, or as commands. What it raises is OSError."""
        server = self.server
        if rdb:
            return new_writer(
                server, sink, snapshot_fields(server, aof_base=True, more=server.replication.snapshot_fields())
            )
        writer = CommandWriter(sink)
        if b"FUNCTION" in server.commands:
            for source in server.libraries.dump():
                writer.command((b"FUNCTION", b"LOAD", source))
        return writer

    def write_base(self, path: str, rdb: bool, progress: Progress | None = None) -> None:
        """Write the whole keyspace to a new file and on the disk. Raises OSError."""
        fd = self.files.open(path, CREATE)
        try:
            sink = FileSink(self.files, fd, self.server.config.aof_rewrite_incremental_fsync)
            write_keyspace(self.server, self.base_writer(sink, rdb), progress)
            self.files.sync(fd)
        finally:
            os.close(fd)

    def remove_history(self) -> None:
        """Remove the files that are no longer needed."""
        manifest = self.manifest
        if not manifest.history or self.server.config.aof_disable_auto_gc:
            return
        shorter = manifest.copy()
        shorter.history = []
        for file in manifest.history:
            try:
                self.disposal.unlink(self.files, self.path(file.name))
            except FileNotFoundError:
                pass  # a start after a crash in the middle of this
            except OSError as e:
                self.server.log.warning(f"Cannot remove the old append-only file {file.name}: {e.strerror}")
                shorter.history.append(file)
        if shorter.encode() == manifest.encode():
            return
        try:
            self.save_manifest(shorter)
        except OSError as e:
            self.server.log.warning(f"Cannot write the AOF manifest: {e.strerror}")

    # --- switching on and off ---------------------------------------------------------------------------------

    def open(self, name: str) -> None:
        """Append to a file of the directory from now on. Raises OSError."""
        fd = self.files.open(self.path(name), APPEND)
        self.use(fd, os.fstat(fd).st_size)

    def use(self, fd: int, size: int) -> None:
        """Append to an open file that has ``size`` bytes; the one before is closed."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self.last_size = size
        self._selected = -1
        self._unsynced = False
        self._fsynced_at = monotonic()

    def rewrite(self) -> None:
        self._rewriter.begin()

    def start(self) -> None:
        self.files.make_directory(self.directory())
        fd = self.files.open(self.path(self.waiting_name()), CREATE | APPEND)
        self.use(fd, 0)
        self.state = AOF_WAIT_REWRITE
        if self.server.background is not None:
            self.rewrite_scheduled = True
            self.server.log.warning(
                "AOF was enabled but there is already another background operation. An AOF background was "
                "scheduled to start when possible."
            )
        else:
            try:
                self._rewriter.begin()
            except OSError:
                self.stop()
                raise
        self.server.feeders.append(self.feed)

    def end(self) -> None:
        """The server ends: as :meth:`stop`, but what cannot be written now was never acknowledged."""
        if self.write_error and not self.flush(force=True):
            self._give_up_held()
        self.stop()

    def stop(self) -> None:
        waiting = self.state == AOF_WAIT_REWRITE
        self._rewriter.stop()
        if self.feed in self.server.feeders:
            self.server.feeders.remove(self.feed)
        try:
            self.shut_down()
        except OSError as e:
            self.server.log.warning(f"Fail to fsync the AOF file: {e.strerror}. AOF is switched off all the same.")
        self.state = AOF_OFF
        self._parts = []
        self.current_size = self.base_size = self.last_size = 0
        if self.write_error:
            self._sync_failed = False
            self._recovered()
        if waiting:
            try:
                self.files.unlink(self.path(self.waiting_name()))
            except OSError:
                pass  # nothing reads it

    def reload(self) -> None:
        server = self.server
        feeders, server.feeders[:] = list(server.feeders), []  # what is run again must not be fed again
        try:
            if self.state == AOF_ON and not self.flush(force=True):
                raise ValueError("the append-only file cannot be written")
            if self.state != AOF_OFF:
                aof_start.read_manifest(self)
            if not self.manifest.files():
                raise ValueError("there is no append-only file")
            for db in server.dbs:
                server.forget_data(db)
            for _ in aof_start.load(self):
                pass
        except (LoadError, ValueError) as e:
            server.log.warning(str(e))
            raise ValueError(str(e)) from None
        finally:
            server.also_propagate = []
            server.feeders[:] = feeders
            server.stop_loading()
        server.dirty = 0

    # --- feeding ----------------------------------------------------------------------------------------------

    def feed(self, db: int, data: bytes) -> None:
        """Take encoded commands that ran in database ``db`` (a feeder of the server)."""
        server = self.server
        if server.config.aof_timestamp_enabled and server.mstime // 1000 != self._stamp:
            self._stamp = server.mstime // 1000
            self._parts.append(b"#TS:%d\r\n" % self._stamp)
        if db != self._selected:
            self._selected = db
            self._parts.append(encode_command((b"SELECT", b"%d" % db)))
        self._parts.append(data)
        if not server.uncommitted and server.loop is not None:
            server.uncommitted = True
            server.loop.call_soon(self.commit)

    def buffered(self) -> int:
        return sum(map(len, self._parts))

    def commit(self) -> None:
        """The end of a turn: write what it changed, then let its replies go."""
        server = self.server
        if not server.uncommitted:
            return
        if not self.flush() and server.config.appendfsync == "always":
            self._hold_replies()
        server.uncommitted = False
        server.after_event()

    # --- writing ----------------------------------------------------------------------------------------------

    def flush(self, force: bool = False) -> bool:
        """Write what waits and fsync as configured; False if the write failed and what waits still does."""
        if self.fd < 0:
            return True
        policy = self.server.config.appendfsync
        if self._parts:
            if policy == "everysec" and self.syncing and not force and self._postpone():
                return True
            self._postponed_since = 0.0
            if not self._write():
                return False
            self._unsynced = True
        if self._unsynced and not self._sync_is_left_out():
            if policy == "always":
                self._sync_now()
            elif policy == "everysec" and not self.syncing and monotonic() - self._fsynced_at >= 1.0:
                self._sync_in_thread()
        return True

    def _postpone(self) -> bool:
        """Whether a write should still wait for the fsync under way: the kernel would stop it, and us, until then."""
        now = monotonic()
        if not self._postponed_since:
            self._postponed_since = now
        if now - self._postponed_since < _POSTPONE_SECONDS:
            return True
        self.delayed_fsync += 1
        self.server.log.notice(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for "
            "fsync to complete, this may slow down Redis."
        )
        return False

    def _write(self) -> bool:
        data = b"".join(self._parts)
        started = perf_counter_ns()
        written = 0
        problem = ""
        try:
            while written < len(data):
                n = self.files.write(self.fd, memoryview(data)[written:] if written else data)
                if not n:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += n
        except OSError as e:
            problem = e.strerror or str(e)
        self.server.note_latency(b"aof-write", perf_counter_ns() - started)
        if not problem:
            self._parts = []
            self._took(written)
            self._written = self.server.fed
            if self.write_error and not self._sync_failed:
                self._recovered()
            return True
        try:
            # Also where nothing seems to be written: a file system may have taken a part before it failed.
            self.files.truncate(self.fd, self.last_size)
            written = 0
        except OSError as e:
            if written:
                self._log(f"Could not remove short write from the append-only file. ftruncate: {e.strerror}")
        # What cannot be taken back is in the file; the rest of it follows when writing works again.
        self._parts = [data[written:]]
        self._took(written)
        self._log(f"Error writing to the AOF file: {problem}")
        self._failed(problem)
        return False

    def _took(self, written: int) -> None:
        self.last_size += written
        self.current_size += written

    def _failed(self, problem: str) -> None:
        self.write_error = problem
        self.server.refresh_disk_gate()

    def _recovered(self) -> None:
        self.write_error = ""
        self.server.log.warning("AOF write error looks solved, Redis can write again.")
        self.server.refresh_disk_gate()
        held, self._held = self._held, {}
        for c, replies in held.items():
            if not c.flags & CLIENT_CLOSED:
                c.flags &= ~CLIENT_UNACKNOWLEDGED
                c.out[:0] = replies
                self.server.pending_writes[c] = None
                self.server.resume(c)

    def _hold_replies(self) -> None:
        """``always``: nobody whose reply was due now may get it before its change is in the file."""
        for c in list(self.server.pending_writes):
            self._held.setdefault(c, []).extend(c.out)
            c.out.clear()
            c.flags |= CLIENT_UNACKNOWLEDGED
            refresh_fast(c)
        self.server.pending_writes.clear()

    def _give_up_held(self) -> None:
        """Those whose change may be lost get no reply at all: their connections end."""
        held, self._held = self._held, {}
        for c in held:
            self.server.close_client(c)

    def _log(self, text: str) -> None:
        now = monotonic()
        if now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            self.server.log.warning(text)

    # --- fsync ------------------------------------------------------------------------------------------------

    def _sync_is_left_out(self) -> bool:
        return self.server.config.no_appendfsync_on_rewrite and self.server.background is not None

    def _sync_now(self) -> None:
        started = perf_counter_ns()
        try:
            self.files.sync(self.fd)
        except OSError as e:
            self.server.log.warning(
                f"Can't persist AOF for fsync error when the AOF fsync policy is 'always': {e.strerror}. Exiting..."
            )
            self._failed(e.strerror or str(e))
            self._hold_replies()
            self._give_up_held()
            self.server.end(1)
            return
        self.server.note_latency(b"aof-fsync-always", perf_counter_ns() - started)
        self._fsynced_at = monotonic()
        self._unsynced = False
        self._reached(self._written)

    def _reached(self, offset: int) -> None:
        """Everything up to ``offset`` is on the disk: who waits for it goes on."""
        self.synced = offset
        self.server.replication.serve_waiting()

    def _sync_in_thread(self) -> None:
        loop = self.server.loop
        if loop is None:
            return
        if self._thread is None:
            self._thread = worker(self.server, "aof-fsync")
        self.syncing = True
        self._unsynced = False
        self._fsynced_at = monotonic()  # when it begins, as what is written from now on waits for the next one
        fd = os.dup(self.fd)  # the file may be closed and another opened meanwhile
        thread = self._thread
        offset = self._written

        def work() -> None:
            problem = ""
            try:
                self.files.sync(fd)
            except OSError as e:
                problem = e.strerror or str(e)
            finally:
                os.close(fd)
            try:
                loop.call_soon_threadsafe(self._synced, problem, offset)
            except RuntimeError:
                pass  # the loop has ended

        thread.submit(work)

    def _synced(self, problem: str, offset: int) -> None:
        """A thread's fsync has ended."""
        self.syncing = False
        if problem:
            self._unsynced = True
            self._sync_failed = True
            self._log(f"Fail to fsync the AOF file: {problem}")
            self._failed(problem)
        elif self._sync_failed:
            self._sync_failed = False
            self.rewrite_scheduled = True  # pages that were lost are not told of again
            self._recovered()
        if not problem:
            self._reached(offset)
            self.server.after_event()
        if self._postponed_since:
            self.flush()

    def shut_down(self) -> None:
        """The server ends: everything is written and on the disk, whatever the policy. Raises OSError."""
        if self.fd >= 0:
            if self.flush(force=True):
                self.files.sync(self.fd)
            self.close()

    def close(self) -> None:
        """Write no more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
        self.disposal.close()

    def cron(self) -> None:
        """Every tenth of a second or so: what was postponed or failed is tried again, the last second is fsynced."""
        if self.state != AOF_OFF and not self.server.uncommitted:
            self.flush()
        self._rewriter.cron()
