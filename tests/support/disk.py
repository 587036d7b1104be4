"""File systems that lose or refuse: what a power cut leaves of files, and a call that fails.

:class:`Volatile` keeps account of what was fsynced. At the power cut the bytes of a file beyond that are there in part,
not at all, or as zeros, and names created, replaced or removed since the directory was last fsynced are as before,
as after, or in between. A directory that was made since then may be gone with all that is in it.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from pyredis.persistence.files import Files

Listing = dict[str, int]
"""Name → inode."""


class Counting(Files):
    """Counts the calls of the server's process (not of a child's) that change something: ``at`` is what comes next."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.count = 0
        self.lock = threading.RLock()
        """An fsync of the background and a call of the loop come one after the other."""

    def at(self, call: str, path: str) -> None:
        """Before call number ``count``."""

    def _next(self, call: str, path: str = "") -> None:
        if os.getpid() == self.pid:
            with self.lock:
                self.count += 1
                self.at(call, path)

    def open(self, path: str, flags: int) -> int:
        self._next("open", path)
        return super().open(path, flags)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._next("write")
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._next("sync")
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._next("truncate")
        super().truncate(fd, size)

    def replace(self, old: str, new: str) -> None:
        self._next("replace", new)
        super().replace(old, new)

    def unlink(self, path: str) -> None:
        self._next("unlink", path)
        super().unlink(path)

    def sync_directory(self, path: str) -> None:
        self._next("sync_directory", path)
        super().sync_directory(path)


class FailingOnce(Counting):
    """Call number ``number`` fails, writing perhaps after half of its bytes."""

    def __init__(self, number: int, error: int, half: bool) -> None:
        super().__init__()
        self.number = number
        self.error = error
        self.half = half
        self.failed = ""

    def at(self, call: str, path: str) -> None:
        if self.count == self.number:
            self.failed = call
            if call != "write" or not self.half:
                raise OSError(self.error, os.strerror(self.error), path or None)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        before = self.failed
        self._next("write")
        if self.failed != before:
            Files.write(self, fd, memoryview(data)[: len(data) // 2])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return Files.write(self, fd, data)


class FaultyFiles(Files):
    """A file system with room for ``room`` bytes, whose fsync fails while ``sync_error`` is set."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.sync_error = 0
        self.short = False
        self.child_fails = False
        self.refused = ""
        """The name of a method that fails."""
        self.pid = os.getpid()

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.child_fails and os.getpid() != self.pid:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.room is not None:
            if self.room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = memoryview(data)[: self.room]
        if self.short:
            data = memoryview(data)[: max(1, len(data) // 2)]
        n = super().write(fd, data)
        if self.room is not None:
            self.room -= n
        return n

    def sync(self, fd: int) -> None:
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().sync(fd)

    def _may(self, call: str) -> None:
        if self.refused == call:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def open(self, path: str, flags: int) -> int:
        self._may("open")
        return super().open(path, flags)

    def replace(self, old: str, new: str) -> None:
        self._may("replace")
        super().replace(old, new)

    def sync_directory(self, path: str) -> None:
        self._may("sync_directory")
        super().sync_directory(path)


class Volatile(Counting):
    """A file system below ``root`` whose power is cut before call number ``cut_at``: what is left is put in ``after``.

    The server goes on, and does not know. ``acknowledged`` is asked what it has acknowledged so far.
    """

    def __init__(
        self, root: Path, after: Path, cut_at: int, rng: random.Random, acknowledged: Callable[[], int]
    ) -> None:
        super().__init__()
        self.root = root
        self.after = after
        self.cut_at = cut_at
        self.rng = rng
        self.acknowledged = acknowledged
        self.cut = False
        self.cut_time = 0.0
        self.kept = 0
        """What was acknowledged at the cut and must be there under ``always`` …"""
        self.synced_up_to = 0
        """… and what was before the last fsync that had ended then."""
        self.zeros = False
        """Whether a file of what is left ends in zeros."""
        self._written: dict[int, int] = {}
        """Inode of a file that takes changes → what was acknowledged before it was last written."""
        self._store = root.parent / f"{root.name}.inodes"
        shutil.rmtree(self._store, ignore_errors=True)
        self._store.mkdir()
        self._history: dict[str, list[Listing]] = {}
        self._fleeting: set[str] = set()
        """Directories that were made since the one that they are in was last fsynced."""
        for directory in (root, *(path for path in root.iterdir() if path.is_dir())):
            self._history[str(directory)] = [self._listing(directory)]
            for path in directory.iterdir():
                if path.is_file():
                    self._durable(path.stat().st_ino, path.stat().st_size)

    # --- account ----------------------------------------------------------------------------------------------

    def _listing(self, directory: str | Path) -> Listing:
        """The files of a directory; a second name keeps each one's content."""
        found = {}
        for entry in os.scandir(directory):
            if entry.is_file() and not entry.name.endswith(".log"):
                try:
                    os.link(entry.path, self._store / str(entry.inode()))
                except FileExistsError:
                    pass
                except FileNotFoundError:
                    continue  # another thread has just removed it
                found[entry.name] = entry.inode()
        return found

    def _durable(self, inode: int, size: int) -> None:
        """Also a child's fsync counts, so this is kept in files, which are never seen half written."""
        new = self._store / f"{inode}.{os.getpid()}.{threading.get_ident()}"
        new.write_text(str(size))
        new.replace(self._store / f"{inode}.size")

    def _changed(self, path: str) -> None:
        directory = os.path.dirname(path)
        if os.getpid() != self.pid or not os.path.isdir(directory):
            return
        with self.lock:
            self._history.setdefault(directory, [{}]).append(self._listing(directory))

    def make_directory(self, path: str) -> None:
        if not os.path.isdir(path):
            self._fleeting.add(path)
        super().make_directory(path)

    def open(self, path: str, flags: int) -> int:
        fd = super().open(path, flags)
        self._changed(path)
        if ".incr" in path:
            self._written[os.fstat(fd).st_ino] = 0
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> int:
        before = self.acknowledged()
        n = super().write(fd, data)
        inode = os.fstat(fd).st_ino
        if inode in self._written:
            self._written[inode] = before
        return n

    def sync(self, fd: int) -> None:
        status = os.fstat(fd)
        covers = self._written.get(status.st_ino, 0)
        super().sync(fd)
        self._durable(status.st_ino, status.st_size)
        if not self.cut:
            self.synced_up_to = max(covers, self.synced_up_to)

    def replace(self, old: str, new: str) -> None:
        super().replace(old, new)
        self._changed(new)
        if os.path.dirname(old) != os.path.dirname(new):
            self._changed(old)

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self._changed(path)

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        if os.getpid() != self.pid:
            return
        with self.lock:
            self._history[path] = [self._listing(path)]
            self._fleeting = {one for one in self._fleeting if os.path.dirname(one) != path}

    # --- the cut ----------------------------------------------------------------------------------------------

    def at(self, call: str, path: str) -> None:
        if self.count == self.cut_at and not self.cut:
            self.cut = True
            self.cut_time = monotonic()
            self.kept = self.acknowledged()
            self._write_what_is_left()

    def _write_what_is_left(self) -> None:
        self.after.mkdir()
        for directory, history in self._history.items():
            if not os.path.isdir(directory) or (directory in self._fleeting and self.rng.random() < 0.5):
                continue
            target = self.after / os.path.relpath(directory, self.root)
            target.mkdir(exist_ok=True)
            for name, inode in self.rng.choice(history).items():
                (target / name).write_bytes(self._left_of(inode))

    def _left_of(self, inode: int) -> bytes:
        data = (self._store / str(inode)).read_bytes()
        size = self._store / f"{inode}.size"
        durable = min(int(size.read_text()), len(data)) if size.exists() else 0
        extra = len(data) - durable
        end = durable + self.rng.choice((0, extra, self.rng.randrange(extra + 1)))
        if end < len(data) and self.rng.random() < 0.3:
            self.zeros = True
            return data[:end] + bytes(self.rng.randrange(1, len(data) - end + 1))
        return data[:end]
