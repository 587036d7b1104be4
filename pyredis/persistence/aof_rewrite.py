"""BGREWRITEAOF: a new base file from what is in memory, so that the changes that led there can go.

From the moment of the picture on, changes go to a new incremental file. The manifest lists it behind the old ones until
the new base is on the disk; then one rename of the manifest puts base and increment in place of everything before.
A crash at any point leaves a manifest whose files give the same keyspace.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.core.durability import AOF_ON, AOF_WAIT_REWRITE
from pyredis.persistence.child import ForkedChild, Progress, start_background
from pyredis.persistence.files import APPEND, CREATE
from pyredis.persistence.slices import SlicedFile

if TYPE_CHECKING:
    from pyredis.persistence.aof import AppendOnlyFile

_FAILURES_AT_ONCE: Final = 3
_LONGEST_DELAY: Final = 3600
"""Seconds between automatic rewrites that fail again and again."""


class Rewriter:
    """The rewrites of one append-only file."""

    def __init__(self, aof: AppendOnlyFile) -> None:
        self.aof = aof
        self._work: ForkedChild | SlicedFile | None = None
        self._temporary = ""
        self._rdb = False
        self._next_try = 0.0

    def begin(self) -> None:
        """Start a child. Raises OSError; then everything is as before, but for one more incremental file."""
        aof = self.aof
        server = aof.server
        aof.files.make_directory(aof.directory())
        if aof.state == AOF_ON:
            self._next_increment()
        self._rdb = server.config.aof_use_rdb_preamble
        self._temporary = aof.path(f"temp-rewriteaof-bg-{os.getpid()}.aof")
        start_background(server, self._start_child, self._start_slices)
        aof.rewriting = True
        aof.rewrite_scheduled = False
        aof.rewrite_started = monotonic()

    def _start_child(self) -> None:
        aof, server = self.aof, self.aof.server
        child = ForkedChild(server, "aof", self._over)

        def work(progress: Progress) -> None:
            aof.write_base(self._temporary, self._rdb, progress)
            server.log.notice(f"Fork CoW for AOF rewrite: {progress.cost()}")

        child.start(work, processors=server.config.aof_rewrite_cpulist)
        self._work = child
        server.log.notice(f"Background append only file rewriting started by pid {child.pid}")

    def _start_slices(self) -> None:
        aof = self.aof
        work = SlicedFile(aof.server, "aof", aof.files, self._over)
        work.start(self._temporary, lambda sink: aof.base_writer(sink, self._rdb))
        self._work = work
        aof.server.log.notice("Background append only file rewriting started in the event loop")

    def _next_increment(self) -> None:
        """From now on changes go to a new file."""
        aof = self.aof
        if not aof.flush(force=True):
            raise OSError("the append-only file cannot be written")
        manifest = aof.manifest.copy()
        name = manifest.add_increment().name
        fd = aof.files.open(aof.path(name), CREATE | APPEND)
        try:
            aof.files.sync(aof.fd)  # no later fsync reaches the old file
            aof.save_manifest(manifest)
        except OSError:
            os.close(fd)
            raise
        aof.use(fd, 0)
        aof.server.log.notice(f"Creating AOF incr file {name} on background rewrite")

    def _over(self, ok: bool) -> None:
        """The child has ended."""
        aof = self.aof
        log = aof.server.log
        aof.last_rewrite_seconds = int(monotonic() - aof.rewrite_started)
        work = self._work
        if work is not None:
            aof.last_cow_size = work.cow_size
            if type(work) is SlicedFile and not ok:
                log.warning(f"Error writing the rewritten append-only file: {work.problem}")
        self._work = None
        aof.rewriting = False
        if ok:
            log.notice("Background AOF rewrite terminated with success")
            try:
                self._install()
            except OSError as e:
                log.warning(f"Error trying to put the rewritten append-only file in place: {e.strerror}")
                ok = False
        else:
            log.warning("Background AOF rewrite terminated with error")
        if ok:
            aof.rewrites += 1
            aof.rewrite_failures = 0
            log.notice("Background AOF rewrite finished successfully")
        else:
            aof.rewrite_failures += 1
            self._remove_temporary()
            self._delay()
            if aof.state == AOF_WAIT_REWRITE:
                aof.rewrite_scheduled = True
        aof.last_rewrite_ok = ok

    def _install(self) -> None:
        aof = self.aof
        manifest = aof.manifest.copy()
        if aof.state == AOF_WAIT_REWRITE:
            aof.flush(force=True)
            waiting = aof.path(aof.waiting_name())
            name = manifest.add_increment().name
            aof.files.sync(aof.fd)
            aof.files.replace(waiting, aof.path(name))
        base = manifest.add_base(self._rdb)
        manifest.keep_last(1 if aof.fd >= 0 else 0)
        size = os.stat(self._temporary).st_size
        aof.files.replace(self._temporary, aof.path(base.name))
        aof.save_manifest(manifest)
        if aof.fd >= 0:
            aof.current_size = aof.base_size = size + aof.last_size
            if aof.state == AOF_WAIT_REWRITE:
                aof.state = AOF_ON
        aof.remove_history()

    def _delay(self) -> None:
        """Failures in a row make automatic rewrites rarer: 1 minute, 2, 4 … 60."""
        extra = self.aof.rewrite_failures - _FAILURES_AT_ONCE
        if extra >= 0:
            seconds = min(60 << min(extra, 6), _LONGEST_DELAY)
            self._next_try = monotonic() + seconds
            self.aof.server.log.warning(
                "Background AOF rewrite has repeatedly failed and triggered the limit, "
                f"will retry in {seconds // 60} minutes"
            )

    def cron(self) -> None:
        """Begin a rewrite that was put off, or for which the file has grown enough."""
        aof = self.aof
        server = aof.server
        if server.background is not None or monotonic() < self._next_try:
            return
        wanted = aof.rewrite_scheduled
        percentage = server.config.auto_aof_rewrite_percentage
        if not wanted and aof.state == AOF_ON and percentage:
            growth = aof.current_size * 100 // (aof.base_size or 1) - 100
            wanted = aof.current_size > server.config.auto_aof_rewrite_min_size and growth >= percentage
            if wanted:
                server.log.notice(f"Starting automatic rewriting of AOF on {growth}% growth")
        if wanted:
            try:
                self.begin()
            except OSError as e:
                aof.rewrite_failures += 1
                aof.last_rewrite_ok = False
                self._next_try = monotonic() + 1
                self._delay()
                server.log.warning(f"Can't rewrite append only file in background: {e.strerror or e}")

    def stop(self) -> None:
        """End a rewrite under way, without its result."""
        if self._work is not None:
            self._work.kill()
            self._work = None
            self.aof.rewriting = False
            self._remove_temporary()
        self.aof.rewrite_scheduled = False

    def _remove_temporary(self) -> None:
        try:
            self.aof.disposal.unlink(self.aof.files, self._temporary)
        except OSError:
            pass  # the child had not come so far
