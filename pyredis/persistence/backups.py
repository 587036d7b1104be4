"""Point-in-time copies of snapshots: ``backup-dir``, ``backup-schedule``, ``backup-keep``.

When a snapshot has been written, and a copy is due, it gets a second name in ``backup-dir`` (on another file system: it
is copied). A program of its own then reads the copy whole, as ``pyredis check-rdb`` does; only after that the copy gets
its name, ``dump-20261128T031500Z.rdb``, and copies beyond the newest ``backup-keep`` are removed. So there is never
a name without a good file, and a bad snapshot costs no good copy. All of that is a thread's work, and its waiting.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import gmtime, monotonic, strftime
from typing import TYPE_CHECKING, Final

from pyredis.core.durability import BackupState
from pyredis.lib.files import copy_file, sync_directory
from pyredis.persistence.workers import worker

if TYPE_CHECKING:
    from pyredis.core.server import Server

_RETRY_SECONDS: Final = 60
"""A copy that failed is tried again after so long, or at the next time if that is sooner."""
_TEMPORARY: Final = "temp-backup-"
_TIME: Final = "%Y%m%dT%H%M%SZ"
_CHECK_SECONDS: Final = 3600


class BackupError(Exception):
    """Why there is no copy."""


def pattern_of(dbfilename: str) -> re.Pattern[str]:
    """The names of copies of the snapshot with this name; the first group is the time."""
    stem, extension = os.path.splitext(dbfilename)
    return re.compile(rf"{re.escape(stem)}-(\d{{8}}T\d{{6}}Z(?:-\d+)?){re.escape(extension)}")


def find_backups(directory: str, dbfilename: str) -> list[str]:
    """The names of the copies in a directory, the oldest first. Raises OSError."""
    pattern = pattern_of(dbfilename)
    found = [(_order(match[1]), name) for name in os.listdir(directory) if (match := pattern.fullmatch(name))]
    return [name for _, name in sorted(found)]


def _order(time: str) -> tuple[str, int]:
    second, _, number = time.partition("-")
    return second, int(number or 0)


class Backups(BackupState):
    """The copies of one server's snapshots."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self._thread: ThreadPoolExecutor | None = None
        self._check: subprocess.Popen[bytes] | None = None
        self._next_try = 0.0
        self._looked_in = ""
        self._ended = False

    def cron(self) -> None:
        """Begin a snapshot when a copy is due."""
        server = self.server
        config = server.config
        if not config.backup_dir or self.running or server.loading is not None:
            return
        if config.backup_dir != self._looked_in:
            self._look()
        if not config.backup_schedule or not self._due() or monotonic() < self._next_try:
            return
        if server.background is None:
            self._next_try = monotonic() + min(_RETRY_SECONDS, config.backup_schedule)
            server.log.notice("A backup is due. Saving...")
            try:
                server.snapshots.start()
            except OSError as e:
                self._failed(f"no snapshot could be begun: {e.strerror or e}")

    def _look(self) -> None:
        """The newest copy that is there counts for the schedule, also after a restart."""
        directory = self._looked_in = self.server.config.backup_dir
        self.last_time, self.last_file, self.kept = 0, "", 0
        try:
            names = find_backups(directory, self.server.config.dbfilename)
            if names:
                status = os.stat(os.path.join(directory, names[-1]))
                self.last_time, self.last_size = int(status.st_mtime), status.st_size
                self.last_file, self.kept = names[-1], len(names)
        except OSError:
            pass  # the first copy makes the directory, or tells what is wrong

    def _due(self) -> bool:
        return self.server.clock.time() - self.last_time >= self.server.config.backup_schedule

    def snapshot_written(self, path: str) -> None:
        """A snapshot is in its place, whole and on the disk."""
        server = self.server
        config = server.config
        if not config.backup_dir or self.running or self._ended or server.loop is None:
            return
        if config.backup_dir != self._looked_in:
            self._look()
        if config.backup_schedule and not self._due():
            return
        directory, now = config.backup_dir, server.clock.time()
        temporary = os.path.join(directory, f"{_TEMPORARY}{os.getpid()}-{int(now)}")
        try:
            source = _second_name(path, temporary)
        except OSError as e:
            self._failed(f"{e.filename or directory}: {e.strerror}")
            return
        self.running = True
        self.started = monotonic()
        if self._thread is None:
            self._thread = worker(server, "backup")
        loop = server.loop
        dbfilename, keep = config.dbfilename, config.backup_keep

        def work() -> None:
            try:
                result: list[str] | BackupError = self._copy(source, temporary, directory, dbfilename, int(now), keep)
            except OSError as e:
                result = BackupError(f"{e.filename or directory}: {e.strerror}")
            except BackupError as e:
                result = e
            _remove(temporary)
            try:
                loop.call_soon_threadsafe(self._over, result, int(now))
            except RuntimeError:
                pass  # the loop has ended

        self._thread.submit(work)

    # --- in the thread ----------------------------------------------------------------------------------------

    def _copy(self, source: int, temporary: str, directory: str, dbfilename: str, now: int, keep: int) -> list[str]:
        """Make and verify the copy and remove old ones; the names there are afterwards."""
        if source >= 0:
            with os.fdopen(source, "rb") as old:
                copy_file(old, temporary)
        self._verify(temporary)
        os.utime(temporary, (now, now))
        name = _name(dbfilename, now, os.listdir(directory))
        os.replace(temporary, os.path.join(directory, name))
        sync_directory(directory)
        names = find_backups(directory, dbfilename)
        if keep:
            for old_name in names[:-keep]:
                os.unlink(os.path.join(directory, old_name))
            names = names[-keep:]
        return names

    def _verify(self, path: str) -> None:
        """Read the copy in a process of its own, which leaves the interpreter to the clients."""
        argv = [sys.executable, "-m", "pyredis.cli", "check-rdb", path]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as check:
            self._check = check
            try:
                output, _ = check.communicate(timeout=_CHECK_SECONDS)
            except subprocess.TimeoutExpired:
                check.kill()
                raise BackupError("verifying the copy takes too long") from None
            finally:
                self._check = None
        if check.returncode:
            _, _, told = output.decode("utf-8", "replace").partition("--- RDB ERROR DETECTED ---\n")
            raise BackupError("the snapshot is damaged: " + (told.split("\n")[0] or f"exit code {check.returncode}"))

    # --- in the loop ------------------------------------------------------------------------------------------

    def _over(self, result: list[str] | BackupError, now: int) -> None:
        self.running = False
        self.last_seconds = int(monotonic() - self.started)
        if isinstance(result, BackupError):
            self._failed(str(result))
            return
        self.last_ok = True
        self.last_time = now
        self.last_file = result[-1]
        self.kept = len(result)
        self.done += 1
        self._next_try = 0.0
        try:
            self.last_size = os.stat(os.path.join(self._looked_in, self.last_file)).st_size
        except OSError:
            self.last_size = 0
        self.server.log.notice(f"Backup {self.last_file} written and verified, {self.kept} kept")

    def _failed(self, why: str) -> None:
        self.last_ok = False
        self._next_try = monotonic() + min(_RETRY_SECONDS, self.server.config.backup_schedule or _RETRY_SECONDS)
        self.server.log.warning(f"Backup failed, older ones are kept: {why}")

    def close(self) -> None:
        """The server ends; a copy that is not verified yet is dropped."""
        self._ended = True
        check = self._check
        if check is not None:
            check.kill()
        if self._thread is not None:
            self._thread.shutdown(wait=True)


def _second_name(path: str, temporary: str) -> int:
    """Give the file a second name (-1), or open it to be copied, if the names are of different file systems.

    Either way what was written is kept, even if the next snapshot takes its place at once. Raises OSError.
    """
    os.makedirs(os.path.dirname(temporary), exist_ok=True)
    _remove(temporary)
    try:
        os.link(path, temporary)
        return -1
    except OSError:
        return os.open(path, os.O_RDONLY)


def _name(dbfilename: str, now: int, there: Iterable[str]) -> str:
    """A name that comes behind all copies of the same second: one that is free may be that of an older one removed."""
    stem, extension = os.path.splitext(dbfilename)
    second = strftime(_TIME, gmtime(now))
    pattern = pattern_of(dbfilename)
    orders = [_order(match[1]) for name in there if (match := pattern.fullmatch(name))]
    numbers = [number for other, number in orders if other == second]
    return f"{stem}-{second}{f'-{max(numbers) + 1}' if numbers else ''}{extension}"


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is not there
